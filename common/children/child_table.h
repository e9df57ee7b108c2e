// The children that one process holds for another, and the other's notes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/children/launch_protocol.h"
#include "common/subprocess.h"

namespace rendercar::launcher {

class ChildTable {
 public:
  // Does what `request` asks and answers it. `generation`: how often a control process has ended.
  Message Handle(Message request, uint64_t generation);

  // If `pid` is one of ours that has ended: reaps it, keeps how it ended, true.
  bool Reap(pid_t pid);
  size_t running() const;
  void SignalAll(int signal) const;

 private:
  struct Entry {
    std::string name;
    pid_t pid = -1;
    Subprocess process;
    std::optional<ChildEnd> end;
    UniqueFd pidfd;  // a second one, which stays readable after the end
    std::vector<UniqueFd> kept;
  };

  absl::StatusOr<Message> Dispatch(Message& request, uint64_t generation);
  absl::StatusOr<Message> Start(Message& request);
  absl::StatusOr<Message> Status(uint64_t id);
  absl::StatusOr<Message> Forget(uint64_t id);
  absl::StatusOr<Message> Take(uint64_t id);
  absl::StatusOr<Message> Remember(Message& request);
  absl::StatusOr<Entry*> Find(uint64_t id);

  std::map<uint64_t, Entry> children_;
  std::map<std::string, std::string> notes_;
  uint64_t next_id_ = 1;
};

}  // namespace rendercar::launcher
