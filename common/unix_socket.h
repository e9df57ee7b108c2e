// Unix stream sockets: listening with a path that is checked, and messages that carry descriptors.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar {

// The longest socket path that Linux takes (sun_path holds 108 bytes with its terminating zero).
inline constexpr size_t kMaxSocketPathBytes = 107;

// A listening socket that removes its path when it goes, if the path is still its own.
class UnixListener {
 public:
  UnixListener() = default;
  UnixListener(UnixListener&&) noexcept;
  UnixListener& operator=(UnixListener&&) noexcept;
  ~UnixListener();

  // Binds `path` with mode `mode` and listens (close-on-exec, non-blocking). A socket file that
  // nobody listens on is removed first. Errors are sentences for the user: path too long
  // (InvalidArgument), somebody listens there (AlreadyExists), a file that is no socket
  // (AlreadyExists), the directory missing or not writable (NotFound, PermissionDenied).
  static absl::StatusOr<UnixListener> Listen(const std::string& path, mode_t mode = 0660);

  // Goes on with a listening socket of another process, bound to `path`. InvalidArgument when it is
  // no listening unix stream socket.
  static absl::StatusOr<UnixListener> Adopt(UniqueFd fd, const std::string& path);

  int fd() const { return fd_.get(); }
  const std::string& path() const { return path_; }
  // One connection, close-on-exec and blocking; Unavailable when none waits.
  absl::StatusOr<UniqueFd> Accept();

 private:
  UnixListener(UniqueFd fd, std::string path, dev_t dev, ino_t ino)
      : fd_(std::move(fd)), path_(std::move(path)), dev_(dev), ino_(ino) {}
  void RemovePath();

  UniqueFd fd_;
  std::string path_;
  dev_t dev_ = 0;
  ino_t ino_ = 0;
};

// Connects, close-on-exec and blocking.
absl::StatusOr<UniqueFd> ConnectUnix(const std::string& path);

// A connected pair, close-on-exec.
struct SocketPair {
  UniqueFd a;
  UniqueFd b;
};
absl::StatusOr<SocketPair> CreateSocketPair(int type);

// Sends `bytes` with `fds` (16 at most) in one message; never SIGPIPE. Returns the bytes taken;
// Unavailable when a non-blocking socket is full, Aborted when the peer is gone.
absl::StatusOr<size_t> SendWithFds(int socket, std::span<const std::byte> bytes,
                                   std::span<const int> fds);

struct Received {
  size_t size = 0;  // 0: the peer closed
  std::vector<UniqueFd> fds;
};
// Receives up to `buffer` bytes and at most `max_fds` descriptors (16 at most), close-on-exec. More
// descriptors than that are closed and the message is InvalidArgument. `flags` are recvmsg's
// (MSG_DONTWAIT, MSG_WAITALL).
absl::StatusOr<Received> ReceiveWithFds(int socket, std::span<std::byte> buffer, size_t max_fds,
                                        int flags = 0);

// The other side's credentials when it connected.
struct PeerCredentials {
  pid_t pid = 0;
  uid_t uid = 0;
  gid_t gid = 0;
};
absl::StatusOr<PeerCredentials> GetPeerCredentials(int socket);

}  // namespace rendercar
