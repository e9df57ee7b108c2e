// Render nodes: which there are, and one opened and checked.
// SPDX-License-Identifier: Apache-2.0
#include "backend/drm/render_node.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xf86drm.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <memory>
#include <string_view>
#include <utility>

namespace rendercar::drm {
namespace {

constexpr std::string_view kPrefix = "renderD";

struct FreeVersion {
  void operator()(drmVersion* version) const { drmFreeVersion(version); }
};

// What may be named instead, for the end of an error's sentence.
std::string Known() {
  const auto nodes = ListRenderNodes();
  if (nodes.empty()) return "this machine has no render node; leave --render-node out for software";
  return fmt::format("there are: {}", fmt::join(nodes, ", "));
}

absl::Status OpenError(int error, const std::string& path) {
  struct stat info {};
  if (error == ENOENT || error == ENOTDIR || error == ENXIO || error == ENODEV)
    return absl::NotFoundError(fmt::format("render node '{}' does not exist; {}", path, Known()));
  if ((error == EACCES || error == EPERM) && ::stat(path.c_str(), &info) == 0) {
    return absl::PermissionDeniedError(fmt::format(
        "render node '{}' cannot be opened by uid {}: it belongs to uid {}, gid {}, mode {:04o}; "
        "add the process to that group",
        path, ::geteuid(), info.st_uid, info.st_gid, info.st_mode & 07777u));
  }
  return ErrnoStatus(error, fmt::format("opening render node '{}'", path));
}

int NodeNumber(const std::string& name) {
  int number = -1;
  if (name.compare(0, kPrefix.size(), kPrefix) == 0)
    std::from_chars(name.data() + kPrefix.size(), name.data() + name.size(), number);
  return number;
}

}  // namespace

absl::StatusOr<UniqueFd> OpenRenderNode(const std::string& path) {
  // O_NONBLOCK: a pipe that somebody put there must not hold the start up.
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd.valid() && errno != EISDIR) return OpenError(errno, path);
  struct stat info {};
  if (!fd.valid() || ::fstat(fd.get(), &info) != 0 || !S_ISCHR(info.st_mode) ||
      drmGetNodeTypeFromFd(fd.get()) != DRM_NODE_RENDER) {
    return absl::InvalidArgumentError(fmt::format("'{}' is no DRM render node; {}", path, Known()));
  }
  return fd;
}

std::vector<std::string> ListRenderNodes(const std::string& directory) {
  std::vector<std::pair<int, std::string>> found;
  std::error_code error;
  for (std::filesystem::directory_iterator it(directory, error), end; !error && it != end;
       it.increment(error)) {
    const int number = NodeNumber(it->path().filename().string());
    if (number >= 0) found.emplace_back(number, it->path().string());
  }
  std::sort(found.begin(), found.end());
  std::vector<std::string> paths;
  for (auto& [number, path] : found) paths.push_back(std::move(path));
  return paths;
}

std::string DriverName(int fd) {
  const std::unique_ptr<drmVersion, FreeVersion> version(drmGetVersion(fd));
  if (version == nullptr || version->name == nullptr) return {};
  return std::string(version->name, static_cast<size_t>(version->name_len));
}

}  // namespace rendercar::drm
