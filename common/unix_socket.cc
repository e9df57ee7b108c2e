// Unix stream sockets: listening with a path that is checked, and messages that carry descriptors.
// SPDX-License-Identifier: Apache-2.0
#include "common/unix_socket.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

namespace rendercar {
namespace {

constexpr size_t kMaxFds = 16;

absl::StatusOr<sockaddr_un> Address(const std::string& path) {
  if (path.empty())
    return absl::InvalidArgumentError(
        "the socket path is empty; name a file in a directory that you can write");
  if (path.size() > kMaxSocketPathBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("socket path '", path, "' has ", path.size(), " bytes, Linux takes at most ",
                     kMaxSocketPathBytes, "; choose a shorter directory"));
  }
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

// -1 when it is no socket.
int Option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof(value);
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

absl::StatusOr<UniqueFd> NewSocket(int extra_flags) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | extra_flags, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "creating a unix socket");
  return fd;
}

const sockaddr* Generic(const sockaddr_un& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

// Whether a living process holds the socket at `path`, without making a connection that it would
// take for a client's: a datagram socket cannot connect to a stream socket, and the kernel says so
// only when there is one.
bool IsBound(const std::string& path) {
  const auto address = Address(path);
  const UniqueFd probe(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!address.ok() || !probe.valid()) return false;
  return ::connect(probe.get(), Generic(*address), sizeof(*address)) == 0 || errno == EPROTOTYPE;
}

// Makes room at `path`: removes a socket that nobody listens on, refuses everything else.
absl::Status ClearPath(const std::string& path) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0)
    return absl::OkStatus();  // bind tells what is wrong, if anything
  if (!S_ISSOCK(info.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat("'", path, "' exists and is no socket; remove it or choose another path"));
  }
  if (IsBound(path)) {
    return absl::AlreadyExistsError(
        absl::StrCat("another process listens on '", path, "'; stop it or choose another path"));
  }
  ::unlink(path.c_str());
  return absl::OkStatus();
}

absl::Status BindError(int error, const std::string& path) {
  const std::string where = absl::StrCat("cannot create socket '", path, "': ");
  switch (error) {
    case ENOENT:
    case ENOTDIR:
      return absl::NotFoundError(
          absl::StrCat(where, "its directory does not exist; create it first"));
    case EACCES:
    case EPERM:
    case EROFS:
      return absl::PermissionDeniedError(
          absl::StrCat(where, "its directory is not writable by uid ", ::geteuid(),
                       "; change its owner or mode, or choose another"));
    default:
      return Annotate(ErrnoStatus(error, "bind"),
                      absl::StrCat("cannot create socket '", path, "'"));
  }
}

}  // namespace

UnixListener::UnixListener(UnixListener&& other) noexcept
    : fd_(std::move(other.fd_)),
      path_(std::exchange(other.path_, {})),
      dev_(other.dev_),
      ino_(other.ino_) {}

UnixListener& UnixListener::operator=(UnixListener&& other) noexcept {
  if (this != &other) {
    RemovePath();
    fd_ = std::move(other.fd_);
    path_ = std::exchange(other.path_, {});
    dev_ = other.dev_;
    ino_ = other.ino_;
  }
  return *this;
}

UnixListener::~UnixListener() { RemovePath(); }

void UnixListener::RemovePath() {
  struct stat info {};
  if (path_.empty() || ::lstat(path_.c_str(), &info) != 0) return;
  if (info.st_dev == dev_ && info.st_ino == ino_) ::unlink(path_.c_str());
}

absl::StatusOr<UnixListener> UnixListener::Listen(const std::string& path, mode_t mode) {
  RC_ASSIGN_OR_RETURN(const sockaddr_un address, Address(path));
  RC_RETURN_IF_ERROR(ClearPath(path));
  RC_ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(SOCK_NONBLOCK));
  if (::bind(fd.get(), Generic(address), sizeof(address)) != 0) return BindError(errno, path);
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0)
    return ErrnoStatus(errno, absl::StrCat("stat '", path, "'"));
  UnixListener listener(std::move(fd), path, info.st_dev,
                        info.st_ino);  // removes the path on the errors below
  if (::chmod(path.c_str(), mode) != 0)
    return ErrnoStatus(errno, absl::StrCat("chmod '", path, "'"));
  if (::listen(listener.fd(), SOMAXCONN) != 0)
    return ErrnoStatus(errno, absl::StrCat("listen on '", path, "'"));
  return listener;
}

absl::StatusOr<UnixListener> UnixListener::Adopt(UniqueFd fd, const std::string& path) {
  if (Option(fd.get(), SO_DOMAIN) != AF_UNIX || Option(fd.get(), SO_TYPE) != SOCK_STREAM ||
      Option(fd.get(), SO_ACCEPTCONN) != 1)
    return absl::InvalidArgumentError("a descriptor that is no listening unix stream socket");
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0)
    return ErrnoStatus(errno, absl::StrCat("stat '", path, "'"));
  return UnixListener(std::move(fd), path, info.st_dev, info.st_ino);
}

absl::StatusOr<UniqueFd> UnixListener::Accept() {
  UniqueFd fd(::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  if (fd.valid()) return fd;
  if (errno == EAGAIN || errno == ECONNABORTED || errno == EINTR)
    return absl::UnavailableError("no connection waits");
  return ErrnoStatus(errno, absl::StrCat("accept on '", path_, "'"));
}

absl::StatusOr<UniqueFd> ConnectUnix(const std::string& path) {
  RC_ASSIGN_OR_RETURN(const sockaddr_un address, Address(path));
  RC_ASSIGN_OR_RETURN(UniqueFd fd, NewSocket(0));
  if (::connect(fd.get(), Generic(address), sizeof(address)) != 0) {
    return ErrnoStatus(errno, absl::StrCat("cannot connect to socket '", path, "'"));
  }
  return fd;
}

absl::StatusOr<SocketPair> CreateSocketPair(int type) {
  std::array<int, 2> fds{};
  if (::socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds.data()) != 0)
    return ErrnoStatus(errno, "socketpair");
  return SocketPair{UniqueFd(fds[0]), UniqueFd(fds[1])};
}

absl::StatusOr<size_t> SendWithFds(int socket, std::span<const std::byte> bytes,
                                   std::span<const int> fds) {
  RC_CHECK(fds.size() <= kMaxFds, "too many descriptors for one message");
  iovec io{const_cast<std::byte*>(bytes.data()), bytes.size()};
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(kMaxFds * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  if (!fds.empty()) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(fds.size_bytes());
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size_bytes());
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size_bytes());
  }
  ssize_t sent = 0;
  do {
    sent = ::sendmsg(socket, &message, MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return static_cast<size_t>(sent);
  if (errno == EAGAIN) return absl::UnavailableError("the socket is full");
  if (errno == EPIPE || errno == ECONNRESET)
    return absl::AbortedError("the peer closed the socket");
  return ErrnoStatus(errno, "sendmsg");
}

absl::StatusOr<Received> ReceiveWithFds(int socket, std::span<std::byte> buffer, size_t max_fds,
                                        int flags) {
  RC_CHECK(max_fds <= kMaxFds, "too many descriptors for one message");
  iovec io{buffer.data(), buffer.size()};
  // Room for one more than allowed, so that a surplus is seen (the kernel closes what does not fit
  // and sets MSG_CTRUNC).
  alignas(cmsghdr) std::array<std::byte, CMSG_SPACE((kMaxFds + 1) * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    if (errno == EAGAIN) return absl::UnavailableError("nothing to receive");
    if (errno == ECONNRESET) return absl::AbortedError("the peer closed the socket");
    return ErrnoStatus(errno, "recvmsg");
  }
  Received received;
  received.size = static_cast<size_t>(got);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr;
       header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      received.fds.emplace_back(fd);
    }
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0 || received.fds.size() > max_fds) {
    return absl::InvalidArgumentError(
        absl::StrCat("a message brought more than the ", max_fds, " descriptors that are allowed"));
  }
  return received;
}

absl::StatusOr<PeerCredentials> GetPeerCredentials(int socket) {
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0)
    return ErrnoStatus(errno, "SO_PEERCRED");
  return PeerCredentials{credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace rendercar
