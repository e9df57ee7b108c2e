// Which drivers the kernel has told to be wedged, remembered for the agent's next process: the
// kernel tells it once.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <string>

#include "common/status.h"
#include "node/boot_id.h"

namespace rendercar::node {

// One small file. What it says holds for this boot, and for a device as long as its driver stays
// bound to it.
class WedgeNote {
 public:
  // How to recover, by the device's directory in sysfs.
  using Wedges = std::map<std::string, std::string>;

  // Empty `path`: nothing is remembered.
  explicit WedgeNote(std::string path, const std::string& boot_id = kBootIdFile);

  Wedges Read() const;
  absl::Status Write(const Wedges& wedges) const;

 private:
  const std::string path_;
  const std::string boot_;
};

}  // namespace rendercar::node
