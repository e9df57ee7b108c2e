// Children that another process holds: the side of the one that asks.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/children/launch_protocol.h"
#include "common/children/process_host.h"

namespace rendercar {

// One thread. Each call waits for the launcher, which answers at once.
class LaunchedHost final : public ProcessHost {
 public:
  // `socket`: this process's end.
  explicit LaunchedHost(UniqueFd socket);

  absl::StatusOr<std::unique_ptr<Child>> Start(const ChildRequest& request) override;
  void Remember(const std::string& key, const std::string& note) override;
  Recovered Recover() override;

 private:
  absl::StatusOr<RecoveredChild> Take(uint64_t id);

  std::shared_ptr<UniqueFd> socket_;  // children use it too
};

// The launcher's when this process was started by one, else a local one.
absl::StatusOr<std::unique_ptr<ProcessHost>> FindProcessHost();

}  // namespace rendercar
