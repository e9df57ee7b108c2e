// Writes what a command makes into a file of its own.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/new_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "common/unique_fd.h"

namespace rendercar::ctl {

absl::Status WriteNewFile(const std::string& path, const std::string& content) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.valid()) {
    return ErrnoStatus(errno, absl::StrCat("cannot make '", path,
                                           "'; choose another name with --file, or remove it"));
  }
  for (size_t at = 0; at < content.size();) {
    const ssize_t written = ::write(fd.get(), content.data() + at, content.size() - at);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return ErrnoStatus(errno, absl::StrCat("cannot write '", path, "'"));
    at += static_cast<size_t>(written);
  }
  return absl::OkStatus();
}

}  // namespace rendercar::ctl
