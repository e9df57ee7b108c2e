// A socket that others find under its name only once it is served.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/kubevirt/published_socket.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <random>
#include <utility>

namespace rendercar::sidecar {
namespace {

constexpr char kPrefix[] = "rendercar-";

}  // namespace

PublishedSocket::PublishedSocket(PublishedSocket&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

PublishedSocket& PublishedSocket::operator=(PublishedSocket&& other) noexcept {
  if (this != &other) {
    Remove();
    path_ = std::exchange(other.path_, {});
  }
  return *this;
}

PublishedSocket::~PublishedSocket() { Remove(); }

void PublishedSocket::Remove() {
  if (!path_.empty()) ::unlink(path_.c_str());
}

absl::StatusOr<PublishedSocket> PublishedSocket::Publish(const std::string& bound,
                                                         const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0 && !S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat("'", path, "' exists and is no socket; remove it"));
  }
  if (::rename(bound.c_str(), path.c_str()) != 0)
    return ErrnoStatus(errno, absl::StrCat("cannot publish the socket '", path, "'"));
  return PublishedSocket(path);
}

std::string UniqueSocketName() {
  std::random_device random;
  return fmt::format("{}{:08x}.sock", kPrefix, random());
}

void RemoveLeftSockets(const std::string& dir) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ignored)) {
    const std::string name = entry.path().filename();
    const bool ours = name.size() == UniqueSocketName().size() && name.rfind(kPrefix, 0) == 0;
    if (ours && entry.is_socket(ignored)) ::unlink(entry.path().c_str());
  }
}

}  // namespace rendercar::sidecar
