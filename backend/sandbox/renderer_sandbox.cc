// What the renderer process is still allowed.
// SPDX-License-Identifier: Apache-2.0
#include "backend/sandbox/renderer_sandbox.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <sstream>

#include "backend/sandbox/landlock.h"
#include "backend/sandbox/seccomp.h"
#include "common/log.h"
#include "common/unique_fd.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define RENDERCAR_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define RENDERCAR_SANITIZED 1
#endif
#endif

namespace rendercar::sandbox {
namespace {

absl::Status Limit(__rlimit_resource resource, rlim_t value) {
  const rlimit limit{value, value};
  if (::setrlimit(resource, &limit) != 0) return ErrnoStatus(errno, "setrlimit");
  return absl::OkStatus();
}

void AddPathList(const char* variable, std::vector<std::string>& paths) {
  const char* value = std::getenv(variable);
  if (value == nullptr) return;
  std::istringstream list(value);
  for (std::string path; std::getline(list, path, ':');) {
    if (!path.empty() && path[0] == '/') paths.push_back(path);
  }
}

FileRules RulesFor(const std::string& render_node) {
  FileRules rules;
  rules.read_only = {"/usr",         "/lib",          "/lib64",         "/etc",
                     "/sys/devices", "/sys/dev/char", "/sys/class/drm", "/sys/bus/pci",
                     "/proc/self",   "/proc/cpuinfo", "/proc/meminfo",  "/dev/urandom"};
  for (const char* variable : {"LD_LIBRARY_PATH", "LIBGL_DRIVERS_PATH", "GBM_BACKENDS_PATH",
                               "__EGL_VENDOR_LIBRARY_DIRS", "__EGL_VENDOR_LIBRARY_FILENAMES"})
    AddPathList(variable, rules.read_only);
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) rules.read_only.push_back(self.string());
  rules.read_write = {"/dev/null"};
  if (!render_node.empty()) {
    rules.read_write.push_back(render_node);
    rules.read_only.push_back("/dev/dri");  // libdrm looks around there
  }
  return rules;
}

Rule Call(const char* name) { return {name, {}}; }

// Threads, memory, time, and the descriptors that are open already.
std::vector<Rule> AllowedCalls() {
  std::vector<Rule> rules;
  for (const char* name : {"brk",
                           "clock_getres",
                           "clock_gettime",
                           "clock_nanosleep",
                           "close",
                           "dup",
                           "eventfd2",
                           "exit",
                           "exit_group",
                           "fstat",
                           "fstatfs",
                           "futex",
                           "futex_waitv",
                           "get_robust_list",
                           "getcpu",
                           "getegid",
                           "geteuid",
                           "getgid",
                           "getpid",
                           "getrandom",
                           "getrusage",
                           "gettid",
                           "gettimeofday",
                           "getuid",
                           "lseek",
                           "madvise",
                           "membarrier",
                           "mincore",
                           "mmap",
                           "mprotect",
                           "mremap",
                           "munmap",
                           "nanosleep",
                           "poll",
                           "ppoll",
                           "pread64",
                           "read",
                           "readv",
                           "recvmsg",
                           "restart_syscall",
                           "rseq",
                           "rt_sigaction",
                           "rt_sigprocmask",
                           "rt_sigreturn",
                           "sched_getaffinity",
                           "sched_getparam",
                           "sched_getscheduler",
                           "sched_yield",
                           "set_robust_list",
                           "set_tid_address",
                           "sigaltstack",
                           "sysinfo",
                           "time",
                           "times",
                           "uname",
                           "write",
                           "writev"})
    rules.push_back(Call(name));
  // Threads of this process, no processes.
  rules.push_back({"clone", {{0, CLONE_THREAD | CLONE_VM, CLONE_THREAD | CLONE_VM}}});
  // abort() and friends; other processes stay out of reach.
  rules.push_back({"tgkill", {{0, ~uint64_t{0}, static_cast<uint64_t>(::getpid())}}});
  rules.push_back({"prlimit64", {{0}, {2}}});  // of oneself, reading only
  rules.push_back({"prctl", {{0, ~uint64_t{0}, PR_SET_NAME}}});
  // fstat as newer C libraries do it: of a descriptor.
  rules.push_back({"newfstatat", {{3, AT_EMPTY_PATH, AT_EMPTY_PATH}}});
  rules.push_back({"statx", {{2, AT_EMPTY_PATH, AT_EMPTY_PATH}}});
  // Not F_SETFL: descriptors that are shared with the device process stay non-blocking.
  for (const int command : {F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL, F_GET_SEALS})
    rules.push_back({"fcntl", {{1, 0xFFFFFFFF, static_cast<uint64_t>(command)}}});
  return rules;
}

// DRM, sync files and dma-bufs, by the type byte of the request.
void AllowGpuCalls(std::vector<Rule>& rules) {
  for (const uint64_t type : {uint64_t{'d'}, uint64_t{'>'}, uint64_t{'b'}})
    rules.push_back({"ioctl", {{1, 0xFF00, type << 8}}});
}

// What Mesa and the C library try and do without.
std::vector<Rule> RefusedCalls(bool has_render_node) {
  std::vector<Rule> rules;
  for (const char* name : {"access",
                           "faccessat",
                           "faccessat2",
                           "getcwd",
                           "getdents64",
                           "kcmp",
                           "lstat",
                           "mbind",
                           "memfd_create",
                           "mlock",
                           "mkdir",
                           "mkdirat",
                           "open",
                           "openat",
                           "readlink",
                           "readlinkat",
                           "sched_setaffinity",
                           "sched_setscheduler",
                           "set_mempolicy",
                           "setpriority",
                           "setrlimit",
                           "stat",
                           "statfs",
                           "unlink"})
    rules.push_back(Call(name));
  if (!has_render_node) rules.push_back(Call("ioctl"));
  // The device process has sealed what can be sealed; more seals could hurt the VMM.
  rules.push_back({"fcntl", {{1, 0xFFFFFFFF, F_ADD_SEALS}}});
  return rules;
}

}  // namespace

namespace {

// A renderer can be made anew, the device process cannot. Where /proc is read-only it stays as it
// was.
void GoFirstWhenMemoryEnds() {
  const UniqueFd score(::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC));
  if (score.valid()) static_cast<void>(!::write(score.get(), "1000", 4));
}

}  // namespace

bool CallsCanBeConfined() {
#ifdef RENDERCAR_SANITIZED
  return false;  // the sanitizers' runtimes make calls of their own
#else
  return true;
#endif
}

absl::Status ConfineBeforeInit(const std::string& render_node, const RendererLimits& limits) {
  RC_RETURN_IF_ERROR(Limit(RLIMIT_CORE, 0));
  GoFirstWhenMemoryEnds();
  RC_RETURN_IF_ERROR(Limit(RLIMIT_MEMLOCK, 0));
  RC_RETURN_IF_ERROR(Limit(RLIMIT_MSGQUEUE, 0));
  if (limits.data_bytes != 0) RC_RETURN_IF_ERROR(Limit(RLIMIT_DATA, limits.data_bytes));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "no_new_privs");
  // A guest's shaders have no business in a cache that others read.
  ::setenv("MESA_SHADER_CACHE_DISABLE", "true", 1);
  ::setenv("MESA_GLSL_CACHE_DISABLE", "true", 1);
  RC_ASSIGN_OR_RETURN(const bool restricted, RestrictFiles(RulesFor(render_node)));
  if (!restricted) log::Debug("the kernel has no Landlock; seccomp alone keeps files closed");
  return absl::OkStatus();
}

absl::Status ConfineAfterInit(bool has_render_node, std::atomic<uint32_t>* forbidden_call,
                              Exports exports) {
  if (!CallsCanBeConfined()) {
    log::Warning("built with sanitizers: no seccomp filter");
    return absl::OkStatus();
  }
  CallPolicy policy;
  policy.allowed = AllowedCalls();
  if (has_render_node) AllowGpuCalls(policy.allowed);
  if (exports == Exports::kAllowed) policy.allowed.push_back(Call("sendmsg"));
  policy.refused = RefusedCalls(has_render_node);
  policy.refused_errno = EACCES;
  policy.missing = {Call("clone3"), Call("get_mempolicy")};
  return RestrictCalls(policy, forbidden_call);
}

}  // namespace rendercar::sandbox
