// That a node is drained by hand, remembered for the agent's next process.
// SPDX-License-Identifier: Apache-2.0
#include "node/drain_note.h"

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "node/atomic_file.h"

namespace rendercar::node {
namespace {

// A note that is larger was not written here; what is read of it is enough to drain.
constexpr std::streamsize kMaxBytes = 4096;

}  // namespace

std::string DrainNote::Read() const {
  std::ifstream file(path_, std::ios::binary);
  if (!file) return "";
  std::string why(kMaxBytes, '\0');
  file.read(why.data(), kMaxBytes);
  why.resize(static_cast<size_t>(file.gcount()));
  while (!why.empty() && why.back() == '\n') why.pop_back();
  return why.empty() ? "no reason was given" : why;
}

absl::Status DrainNote::Write(const std::string& why) const {
  if (!why.empty()) return WriteAtomically(path_, why.substr(0, kMaxBytes - 1) + "\n");
  std::error_code error;
  std::filesystem::remove(path_, error);
  return error ? ErrnoStatus(error.value(), "cannot remove '" + path_ + "'") : absl::OkStatus();
}

}  // namespace rendercar::node
