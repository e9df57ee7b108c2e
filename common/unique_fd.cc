// The one owner of a file descriptor.
// SPDX-License-Identifier: Apache-2.0
#include "common/unique_fd.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace rendercar {

void UniqueFd::Reset(int fd) {
  const int old = std::exchange(fd_, fd);
  if (old < 0) return;
  const int saved_errno = errno;
  ::close(old);
  errno = saved_errno;
}

UniqueFd UniqueFd::Duplicate() const { return UniqueFd(::fcntl(fd_, F_DUPFD_CLOEXEC, 0)); }

}  // namespace rendercar
