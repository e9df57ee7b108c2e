// That a node is drained by hand, remembered for the agent's next process.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"

namespace rendercar::node {

// A file below the session root, which no pod sees: pods have directories below it mounted.
class DrainNote {
 public:
  explicit DrainNote(const std::string& session_root) : path_(session_root + "/.drained") {}

  // Why the node is drained; empty: it is not.
  std::string Read() const;
  // Empty removes the note. Errors name the file.
  absl::Status Write(const std::string& why) const;

 private:
  const std::string path_;
};

}  // namespace rendercar::node
