// A renderer that was taken over: brings OpenGL up and confines itself as rendercar-renderer does,
// then tries one thing that an attacker would. Says on stdout how it went.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <grp.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "backend/render/executor.h"
#include "backend/sandbox/renderer_sandbox.h"
#include "common/shared_memory.h"

namespace rendercar::render {
namespace {

// What every attempt answers: what the system call answered (-1 and errno when it failed).
using Attempt = std::function<long()>;

constexpr int kCellFd = 4;
pid_t g_parent = 0;  // the device process, as an attacker would know it

long Connect(const char* path) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
  return ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address));
}

long ReadParent() {
  char here[8];
  iovec local{here, sizeof(here)};
  iovec remote{here, sizeof(here)};
  return ::process_vm_readv(g_parent, &local, 1, &remote, 1, 0);
}

long Exec() {
  char name[] = "/bin/true";
  char* argv[] = {name, nullptr};
  return ::execve(name, argv, nullptr);
}

long FromAnotherThread() {
  long result = 0;
  std::thread([&] { result = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }).join();
  return result;
}

const std::map<std::string, Attempt>& Attempts() {
  static const std::map<std::string, Attempt> attempts{
      {"nothing", [] { return ::getpid() > 0 ? 0L : -1L; }},
      {"thread",
       [] {
         std::thread([] {}).join();
         return 0L;
       }},
      {"open-passwd", [] { return ::open("/etc/passwd", O_RDONLY | O_CLOEXEC); }},
      {"open-tmp", [] { return ::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }},
      {"open-usr", [] { return ::open("/usr", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }},
      {"create-tmp", [] { return ::open("/tmp/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600); }},
      {"write-etc", [] { return ::open("/etc/rendercar", O_CREAT | O_WRONLY | O_CLOEXEC, 0600); }},
      {"open-parent-memory",
       [] {
         const std::string path = "/proc/" + std::to_string(g_parent) + "/mem";
         return ::open(path.c_str(), O_RDWR | O_CLOEXEC);
       }},
      {"connect-session", [] { return Connect("/run/rendercar/other.sock"); }},
      {"connect-tcp", [] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); }},
      {"socket-in-thread", FromAnotherThread},
      {"exec", Exec},
      {"fork", [] { return ::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr); }},
      {"vfork",
       [] {
         return ::syscall(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, nullptr, nullptr, nullptr,
                          nullptr);
       }},
      {"ptrace", [] { return ::ptrace(PTRACE_SEIZE, g_parent, nullptr, nullptr); }},
      {"kill", [] { return ::kill(g_parent, SIGCONT); }},
      {"tgkill", [] { return ::syscall(SYS_tgkill, g_parent, g_parent, SIGCONT); }},
      {"pidfd", [] { return ::syscall(SYS_pidfd_open, g_parent, 0); }},
      {"read-parent", ReadParent},
      {"limit-parent",
       [] {
         const rlimit none{0, 0};
         return ::prlimit(g_parent, RLIMIT_NOFILE, &none, nullptr);
       }},
      {"raise-own-limit",
       [] {
         const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
         return ::prlimit(0, RLIMIT_CORE, &all, nullptr);
       }},
      {"unblock-doorbell", [] { return ::fcntl(kCellFd, F_SETFL, 0); }},
      {"truncate", [] { return ::ftruncate(kCellFd, 0); }},
      {"mount", [] { return ::mount("none", "/tmp", "tmpfs", 0, nullptr); }},
      {"unshare", [] { return ::unshare(CLONE_NEWUSER); }},
      {"setuid", [] { return ::setuid(0); }},
      {"bpf", [] { return ::syscall(SYS_bpf, 0, nullptr, 0); }},
      {"io-uring", [] { return ::syscall(SYS_io_uring_setup, 1, nullptr); }},
      {"inject-terminal", [] { return ::syscall(SYS_ioctl, 0, 0x5412, "x"); }},
      {"userfaultfd", [] { return ::syscall(SYS_userfaultfd, 0); }},
      {"keyctl", [] { return ::syscall(SYS_keyctl, 0, 0, 0, 0, 0); }},
      {"memfd", [] { return ::syscall(SYS_memfd_create, "x", 0); }}};
  return attempts;
}

int Explain(const char* doing, const absl::Status& status) {
  std::printf("%s: %s\n", doing, std::string(status.message()).c_str());
  return 70;
}

// Usage: sandbox_attacker ATTEMPT files|calls [UID]
int Main(int argc, char** argv) {
  if (argc < 3) return 64;
  g_parent = ::getppid();
  if (argc > 3) {
    const auto id = static_cast<uid_t>(std::atoi(argv[3]));
    if (::setgroups(0, nullptr) != 0 || ::setgid(id) != 0 || ::setuid(id) != 0) return 77;
  }
  auto cell = Mapping::Map(kCellFd, 0, 4096, Mapping::Access::kReadWrite);
  if (!cell.ok()) return Explain("cell", cell.status());
  if (auto status = sandbox::ConfineBeforeInit("", {}); !status.ok())
    return Explain("files", status);
  auto executor = RenderExecutor::Create({});
  if (!executor.ok()) return Explain("OpenGL", executor.status());
  auto* forbidden = reinterpret_cast<std::atomic<uint32_t>*>(cell->bytes().data());
  if (std::string(argv[2]) == "calls") {
    if (auto status = sandbox::ConfineAfterInit(false, forbidden); !status.ok())
      return Explain("calls", status);
  }
  const Attempt& attempt = Attempts().at(argv[1]);
  errno = 0;
  const long result = attempt();
  const int error = errno;
  std::printf(result >= 0 ? "succeeded\n" : "errno %d\n", error);
  std::fflush(stdout);
  ::_exit(result >= 0 ? 0 : 1);
}

}  // namespace
}  // namespace rendercar::render

int main(int argc, char** argv) { return rendercar::render::Main(argc, argv); }
