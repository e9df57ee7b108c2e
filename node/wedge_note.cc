// Which drivers the kernel has told to be wedged, remembered for the agent's next process: the
// kernel tells it once.
// SPDX-License-Identifier: Apache-2.0
#include "node/wedge_note.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <fstream>
#include <utility>

#include "node/atomic_file.h"

namespace rendercar::node {
namespace {

// Lines beyond this are no note of ours.
constexpr int kMaxLines = 256;

// Another number after the driver was bound anew; 0: it is not bound.
uint64_t BindingOf(const std::string& device_path) {
  struct stat info {};
  return ::stat((device_path + "/drm").c_str(), &info) == 0 ? info.st_ino : 0;
}

}  // namespace

WedgeNote::WedgeNote(std::string path, const std::string& boot_id)
    : path_(std::move(path)), boot_(ReadBootId(boot_id)) {}

WedgeNote::Wedges WedgeNote::Read() const {
  Wedges wedges;
  if (path_.empty()) return wedges;
  std::ifstream file(path_);
  std::string boot;
  if (!std::getline(file, boot) || boot != boot_) return wedges;
  uint64_t binding = 0;
  std::string device;
  std::string recovery;
  for (int i = 0; i < kMaxLines && file >> binding >> device; ++i) {
    std::getline(file >> std::ws, recovery);
    if (binding != 0 && binding == BindingOf(device)) wedges[device] = recovery;
  }
  return wedges;
}

absl::Status WedgeNote::Write(const Wedges& wedges) const {
  if (path_.empty()) return absl::OkStatus();
  if (wedges.empty()) {
    RemoveFile(path_);
    return absl::OkStatus();
  }
  std::string text = boot_ + "\n";
  for (const auto& [device, recovery] : wedges)
    text += fmt::format("{} {} {}\n", BindingOf(device), device, recovery);
  return WriteAtomically(path_, text);
}

}  // namespace rendercar::node
