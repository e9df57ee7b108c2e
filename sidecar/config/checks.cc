// Checks of paths that a person or Allocate named; each failure is a sentence with a remedy.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config/checks.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "common/share_env.h"
#include "common/unique_fd.h"
#include "common/unix_socket.h"

namespace rendercar::sidecar {
namespace {

absl::Status NoPermission(const std::string& subject, const std::string& remedy) {
  return absl::PermissionDeniedError(
      absl::StrCat(subject, " by uid ", ::geteuid(), " gid ", ::getegid(), "; ", remedy));
}

}  // namespace

absl::Status CheckAbsolute(const std::string& path, const std::string& what) {
  if (!path.empty() && path[0] == '/') return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(what, " '", path, "' is no absolute path; start it with '/'"));
}

absl::Status CheckWritableDirectory(const std::string& path, const std::string& what) {
  const std::string subject = absl::StrCat(what, " '", path, "'");
  struct stat info {};
  RC_RETURN_IF_ERROR(CheckAbsolute(path, what));
  if (::stat(path.c_str(), &info) != 0) {
    if (errno == EACCES)
      return NoPermission(absl::StrCat(subject, " cannot be reached"),
                          "change the mode of its parents");
    return absl::NotFoundError(absl::StrCat(
        subject, " does not exist; create it (in a pod: mount a volume there) or choose another"));
  }
  if (!S_ISDIR(info.st_mode))
    return absl::InvalidArgumentError(
        absl::StrCat(subject, " is no directory; choose a directory"));
  if (::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0)
    return absl::OkStatus();
  if (errno == EROFS)
    return absl::PermissionDeniedError(absl::StrCat(
        subject,
        " is on a read-only file system; mount a writable volume there or choose another"));
  return NoPermission(absl::StrCat(subject, " is not writable"),
                      "change its owner or mode (in a pod: fsGroup), or choose another");
}

absl::Status CheckRenderNode(const std::string& path) {
  if (path == share_env::kSoftwareNode) return absl::OkStatus();
  const std::string subject = absl::StrCat("render node '", path, "'");
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) {
    return absl::NotFoundError(absl::StrCat(
        subject, " does not exist in this container (", std::strerror(errno),
        "); look at ls -l /dev/dri, request rendercar.dev/render for this container, or use "
        "'software'"));
  }
  if (!S_ISCHR(info.st_mode)) {
    return absl::InvalidArgumentError(
        absl::StrCat(subject, " is no device; name one like /dev/dri/renderD128, or 'software'"));
  }
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY));
  if (fd.valid()) return absl::OkStatus();
  const int error = errno;
  if (error == EACCES || error == EPERM) {
    return NoPermission(absl::StrCat(subject, " cannot be opened"),
                        "add the device's group to the container's supplementalGroups, or let the "
                        "node agent give it by CDI with a file mode");
  }
  return absl::UnavailableError(
      absl::StrCat(subject, " cannot be opened: ", std::strerror(error),
                   "; its driver does not answer, look at the node's kernel log"));
}

absl::Status CheckProgram(const std::string& path, const std::string& what) {
  const std::string subject = absl::StrCat(what, " '", path, "'");
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0)
    return absl::NotFoundError(
        absl::StrCat(subject, " does not exist; install it there or name another"));
  if (S_ISREG(info.st_mode) && ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0)
    return absl::OkStatus();
  return NoPermission(absl::StrCat(subject, " cannot be executed"), "change its mode");
}

absl::Status CheckUpgradeProgram(const std::string& path) {
  const std::string subject = absl::StrCat("backend program '", path, "'");
  if (path.empty() || path[0] != '/')
    return absl::InvalidArgumentError(
        absl::StrCat(subject, " is no absolute path; start it with '/'"));
  RC_RETURN_IF_ERROR(CheckProgram(path, "backend program"));
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return ErrnoStatus(errno, absl::StrCat("stat ", path));
  const bool ours = info.st_uid == 0 || info.st_uid == ::geteuid();
  if (ours && (info.st_mode & (S_IWGRP | S_IWOTH)) == 0) return absl::OkStatus();
  return absl::PermissionDeniedError(
      absl::StrCat(subject, " can be changed by others than root and uid ", ::geteuid(),
                   "; make it root's (or that uid's) and not writable by group and others"));
}

absl::Status CheckSocketPath(const std::string& path) {
  if (path.size() <= kMaxSocketPathBytes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("socket path '", path, "' has ", path.size(), " bytes, Linux takes at most ",
                   kMaxSocketPathBytes, "; choose a shorter directory or a shorter session name"));
}

}  // namespace rendercar::sidecar
