// rendercar-shim: what libvirt spawns as vhost-user helper where the render node is elsewhere.
// Takes the backend's command line, passes the socket to the sidecar, and lives as long as the
// backend. Static and without libraries, so that it runs in any container's root.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "common/version.h"
#include "sidecar/shim/shim_protocol.h"

namespace {

using rendercar::sidecar::ShimGreeting;

// The render node is the sidecar's affair, so it is never among the features.
constexpr char kCapabilities[] = "{\"type\": \"gpu\", \"features\": [\"virgl\"]}\n";
constexpr char kHelp[] = R"(Gives libvirt's QEMU a GPU that a rendercar-sidecar elsewhere has.
Usage: rendercar-shim [OPTIONS]

Options:
  -h,--help             Print this help message and exit
  --version             Display program version information and exit
  --print-capabilities  Print what libvirt asks of a vhost-user GPU helper (JSON), and exit
  --fd=N                QEMU's socket, which goes to the sidecar
  --virgl               3D is wanted
  --render-node=PATH    Ignored: the sidecar's share decides on the render node

Environment:
  RENDERCAR_SHIM_SOCKET  Where the sidecar listens (a link rendercar-shim.socket beside this program, else %s)
  RENDERCAR_SHIM_LOG     File that messages are added to (that socket's path with .log)
)";
constexpr size_t kMaxPath = 4096;

struct Arguments {
  int fd = -1;
  bool virgl = false;
  bool capabilities = false;
  bool help = false;
  bool version = false;
  const char* render_node = nullptr;
  const char* wrong = nullptr;
};

Arguments Parse(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const char* argument = argv[i];
    if (std::strcmp(argument, "--print-capabilities") == 0) {
      arguments.capabilities = true;
    } else if (std::strcmp(argument, "--help") == 0 || std::strcmp(argument, "-h") == 0) {
      arguments.help = true;
    } else if (std::strcmp(argument, "--version") == 0) {
      arguments.version = true;
    } else if (std::strcmp(argument, "--virgl") == 0) {
      arguments.virgl = true;
    } else if (std::strncmp(argument, "--render-node=", 14) == 0) {
      arguments.render_node = argument + 14;
    } else if (std::strncmp(argument, "--fd=", 5) == 0) {
      arguments.fd = std::atoi(argument + 5);
    } else {
      arguments.wrong = argument;
    }
  }
  return arguments;
}

// libvirt keeps nothing of what a helper prints, so there is also a file: RENDERCAR_SHIM_LOG, or
// SOCKET.log.
void Log(const char* socket_path, const char* what, const char* detail) {
  std::fprintf(stderr, "rendercar-shim: %s%s\n", what, detail);
  char path[kMaxPath];
  const char* chosen = std::getenv("RENDERCAR_SHIM_LOG");
  if (chosen == nullptr) {
    std::snprintf(path, sizeof(path), "%s.log", socket_path);
    chosen = path;
  }
  const int log = ::open(chosen, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
  if (log < 0) return;
  ::dprintf(log, "rendercar-shim[%d]: %s%s\n", static_cast<int>(::getpid()), what, detail);
  ::close(log);
}

const char* SocketPath() {
  static char beside[kMaxPath];
  if (const char* chosen = std::getenv("RENDERCAR_SHIM_SOCKET")) return chosen;
  const ssize_t size = ::readlink("/proc/self/exe", beside, sizeof(beside) - 8);
  if (size > 0) {
    std::strcpy(beside + size, ".socket");
    struct stat info {};
    if (::stat(beside, &info) == 0) return beside;
  }
  return rendercar::sidecar::kDefaultShimSocket;
}

// A connection to the sidecar, whose uid must be ours or root; -1 with errno.
int Connect(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof(address.sun_path)) {
    errno = ENAMETOOLONG;
    return -1;
  }
  std::strcpy(address.sun_path, path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0 || ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
    return -1;
  ucred peer{};
  socklen_t size = sizeof(peer);
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
      (peer.uid == 0 || peer.uid == ::geteuid()))
    return fd;
  errno = EPERM;
  return -1;
}

bool Greet(int sidecar, const Arguments& arguments) {
  ShimGreeting greeting{};
  std::memcpy(greeting.magic, rendercar::sidecar::kShimMagic, sizeof(greeting.magic));
  greeting.flags = arguments.virgl ? rendercar::sidecar::kShimVirgl : 0;
  iovec io{&greeting, sizeof(greeting)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof(control);
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(header), &arguments.fd, sizeof(int));
  return ::sendmsg(sidecar, &message, MSG_NOSIGNAL) == static_cast<ssize_t>(sizeof(greeting));
}

bool StartsWith(const char* text, const char* prefix) {
  return std::strncmp(text, prefix, std::strlen(prefix)) == 0;
}

// What only prints: its exit code; -1: there is more to do.
int Print(const Arguments& arguments) {
  if (arguments.help)
    return std::printf(kHelp, rendercar::sidecar::kDefaultShimSocket) < 0 ? EX_IOERR : 0;
  if (arguments.version)
    return std::printf("rendercar-shim %s\n", rendercar::kVersion) < 0 ? EX_IOERR : 0;
  if (arguments.capabilities) return std::fputs(kCapabilities, stdout) < 0 ? EX_IOERR : 0;
  return -1;
}

// Logs each line of `text`, several of which may have come together; whether one tells the end.
bool LogLines(char* text, const char* path) {
  bool ended = false;
  while (*text != '\0') {
    char* rest = text + std::strcspn(text, "\n");
    if (*rest != '\0') *rest++ = '\0';
    ended = ended || StartsWith(text, rendercar::sidecar::kShimEnded);
    Log(path, "sidecar: ", text);
    text = rest;
  }
  return ended;
}

// Until the sidecar closes the connection; whether the backend ran and ended by itself.
bool WaitForEnd(int sidecar, const char* path) {
  char text[512];
  bool ended = false;
  for (;;) {
    const ssize_t got = ::read(sidecar, text, sizeof(text) - 1);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return ended;
    text[got] = '\0';
    if (LogLines(text, path)) ended = true;
  }
}

int Serve(const Arguments& arguments) {
  const char* path = SocketPath();
  if (arguments.render_node != nullptr)
    Log(path, "the sidecar's share decides on the render node, not ", arguments.render_node);
  const int sidecar = Connect(path);
  if (sidecar < 0) {
    char why[kMaxPath + 128];
    std::snprintf(why, sizeof(why),
                  "%s: %s; is rendercar-sidecar running with --shim-socket there?", path,
                  std::strerror(errno));
    Log(path, "cannot reach the sidecar at ", why);
    return EX_UNAVAILABLE;
  }
  if (!Greet(sidecar, arguments)) {
    const bool closed = errno == EPIPE || errno == ECONNRESET;
    Log(path, "cannot pass the socket to the sidecar: ",
        closed ? "it closed the connection; its log says why (perhaps --allow-uid is needed)"
               : std::strerror(errno));
    return closed ? EX_UNAVAILABLE : EX_IOERR;
  }
  ::close(arguments.fd);  // the backend's now: QEMU must see it end with the backend
  return WaitForEnd(sidecar, path) ? 0 : EX_UNAVAILABLE;
}

}  // namespace

int main(int argc, char** argv) {
  const Arguments arguments = Parse(argc, argv);
  if (const int printed = Print(arguments); printed >= 0) return printed;
  if (arguments.wrong != nullptr) {
    std::fprintf(stderr, "rendercar-shim: unknown argument '%s'; see --help\n", arguments.wrong);
    return EX_USAGE;
  }
  struct stat info {};
  if (arguments.fd < 3 || ::fstat(arguments.fd, &info) != 0 || !S_ISSOCK(info.st_mode)) {
    std::fprintf(stderr, "rendercar-shim: --fd=N must name an open socket; libvirt passes it\n");
    return EX_USAGE;
  }
  return Serve(arguments);
}
