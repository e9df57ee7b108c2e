// The vhost-user JSON by which libvirt (and people) find a backend, as a file that goes with its
// owner.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/vhost_user_json.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <utility>

#include "common/unique_fd.h"
#include "common/version.h"

namespace rendercar::sidecar {
namespace {

absl::Status WriteAll(int fd, const std::string& content) {
  size_t done = 0;
  while (done < content.size()) {
    const ssize_t wrote = ::write(fd, content.data() + done, content.size() - done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return ErrnoStatus(errno, "write");
    done += static_cast<size_t>(wrote);
  }
  return absl::OkStatus();
}

// Fills the temporary file and gives it the mode and the name that others see.
absl::Status Publish(int fd, const std::string& temporary, const std::string& path,
                     const std::string& content) {
  RC_RETURN_IF_ERROR(WriteAll(fd, content));
  if (::fchmod(fd, 0644) != 0) return ErrnoStatus(errno, "chmod");
  if (::rename(temporary.c_str(), path.c_str()) != 0) return ErrnoStatus(errno, "rename");
  return absl::OkStatus();
}

}  // namespace

VhostUserBackend OurBackend(const std::string& binary) {
  return {"Rendercar vhost-user GPU",
          "gpu",
          binary,
          {"rendercar", absl::StrCat("rendercar-version=", kVersion)}};
}

std::string VhostUserJson(const VhostUserBackend& backend) {
  nlohmann::ordered_json json;
  json["description"] = backend.description;
  json["type"] = backend.type;
  json["binary"] = backend.binary;
  json["tags"] = backend.tags;
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

OwnedFile::OwnedFile(OwnedFile&& other) noexcept
    : path_(std::exchange(other.path_, {})), inode_(other.inode_) {}

OwnedFile& OwnedFile::operator=(OwnedFile&& other) noexcept {
  if (this != &other) {
    Remove();
    path_ = std::exchange(other.path_, {});
    inode_ = other.inode_;
  }
  return *this;
}

OwnedFile::~OwnedFile() { Remove(); }

void OwnedFile::Remove() {
  struct stat info {};
  if (path_.empty() || ::lstat(path_.c_str(), &info) != 0 || info.st_ino != inode_) return;
  ::unlink(path_.c_str());
}

absl::StatusOr<OwnedFile> OwnedFile::Write(const std::string& path, const std::string& content) {
  const std::string failure = absl::StrCat("cannot write '", path, "'");
  // A dot in front: libvirt and others skip such files.
  const size_t slash = path.rfind('/') + 1;
  std::string temporary = absl::StrCat(path.substr(0, slash), ".", path.substr(slash), ".XXXXXX");
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return Annotate(ErrnoStatus(errno, "create"), failure);
  struct stat info {};
  if (absl::Status status = Publish(fd.get(), temporary, path, content);
      !status.ok() || ::fstat(fd.get(), &info) != 0) {
    ::unlink(temporary.c_str());
    return Annotate(status, failure);
  }
  return OwnedFile(path, info.st_ino);
}

}  // namespace rendercar::sidecar
