// The vhost-user JSON by which libvirt (and people) find a backend, as a file that goes with its
// owner.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/status.h"

namespace rendercar::sidecar {

// What docs/interop/vhost-user.json of QEMU calls VhostUserBackend.
struct VhostUserBackend {
  std::string description;
  std::string type = "gpu";
  std::string binary;  // absolute path
  std::vector<std::string> tags;
};

// What we write about our backend (or shim) at that absolute path.
VhostUserBackend OurBackend(const std::string& binary);

std::string VhostUserJson(const VhostUserBackend& backend);

// The file name that we use: low enough to win over QEMU's own 50-qemu-gpu.json.
inline constexpr char kVhostUserJsonName[] = "40-rendercar-gpu.json";

// A file with given content, made atomically (a temporary name beside it, then rename), removed
// when this object goes if it is still the same file.
class OwnedFile {
 public:
  OwnedFile() = default;
  OwnedFile(OwnedFile&& other) noexcept;
  OwnedFile& operator=(OwnedFile&& other) noexcept;
  ~OwnedFile();

  // NotFound, PermissionDenied and others, with a sentence that names `path`.
  static absl::StatusOr<OwnedFile> Write(const std::string& path, const std::string& content);

  const std::string& path() const { return path_; }
  // Leaves the file to others.
  void Keep() { path_.clear(); }

 private:
  OwnedFile(std::string path, uint64_t inode) : path_(std::move(path)), inode_(inode) {}
  void Remove();

  std::string path_;
  uint64_t inode_ = 0;
};

}  // namespace rendercar::sidecar
