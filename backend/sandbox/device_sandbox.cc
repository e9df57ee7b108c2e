// What the device process is still allowed once it has its socket.
// SPDX-License-Identifier: Apache-2.0
#include "backend/sandbox/device_sandbox.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <cerrno>
#include <initializer_list>
#include <memory>
#include <vector>

namespace rendercar::sandbox {
namespace {

struct Releaser {
  void operator()(void* context) const { ::seccomp_release(context); }
};
using Filter = std::unique_ptr<void, Releaser>;

// This process holds the VM's only connection, so a call that nobody foresaw fails; it does not end
// the process.
constexpr uint32_t kRefuse = SCMP_ACT_ERRNO(EPERM);

absl::Status Add(const Filter& filter, uint32_t action, const char* name,
                 const std::vector<scmp_arg_cmp>& arguments = {}) {
  const int number = ::seccomp_syscall_resolve_name(name);
  if (number < 0) return absl::OkStatus();  // this architecture lacks it
  const int result = ::seccomp_rule_add_array(
      filter.get(), action, number, static_cast<unsigned>(arguments.size()), arguments.data());
  if (result == 0) return absl::OkStatus();
  return ErrnoStatus(-result, std::string("a seccomp rule for ") + name);
}

absl::Status AddAll(const Filter& filter, uint32_t action,
                    std::initializer_list<const char*> names) {
  for (const char* name : names) RC_RETURN_IF_ERROR(Add(filter, action, name));
  return absl::OkStatus();
}

// Rings, sockets that are there, memory, threads, time; a path only to be removed. Signals only to
// processes whose pidfd it was given: renderers.
absl::Status AllowForDevice(const Filter& filter) {
  RC_RETURN_IF_ERROR(AddAll(filter, SCMP_ACT_ALLOW,
                            {"accept4",
                             "brk",
                             "clock_gettime",
                             "clock_nanosleep",
                             "clone",
                             "clone3",
                             "close",
                             "dup",
                             "epoll_create1",
                             "epoll_ctl",
                             "epoll_pwait",
                             "epoll_wait",
                             "eventfd2",
                             "exit",
                             "exit_group",
                             "fcntl",
                             "fstat",
                             "fstatfs",
                             "ftruncate",
                             "futex",
                             "getegid",
                             "geteuid",
                             "getgid",
                             "getpid",
                             "getrandom",
                             "getsockopt",
                             "gettid",
                             "gettimeofday",
                             "getuid",
                             "lseek",
                             "lstat",
                             "madvise",
                             "memfd_create",
                             "mmap",
                             "mprotect",
                             "mremap",
                             "munmap",
                             "nanosleep",
                             "newfstatat",
                             "pidfd_send_signal",
                             "poll",
                             "ppoll",
                             "pread64",
                             "prctl",
                             "read",
                             "readv",
                             "recvfrom",
                             "recvmsg",
                             "restart_syscall",
                             "rseq",
                             "rt_sigaction",
                             "rt_sigprocmask",
                             "rt_sigreturn",
                             "sched_getaffinity",
                             "sched_yield",
                             "sendmsg",
                             "sendto",
                             "set_robust_list",
                             "setsockopt",
                             "shutdown",
                             "sigaltstack",
                             "socketpair",
                             "statx",
                             "tgkill",
                             "unlink",
                             "unlinkat",
                             "write",
                             "writev"}));
  return Add(filter, SCMP_ACT_ALLOW, "ioctl", {{1, SCMP_CMP_EQ, SIOCOUTQ, 0}});
}

// What reaches for other processes, for the kernel's insides or for the network.
absl::Status RefuseForAll(const Filter& filter) {
  RC_RETURN_IF_ERROR(AddAll(filter, kRefuse,
                            {"acct",
                             "add_key",
                             "bind",
                             "bpf",
                             "chroot",
                             "connect",
                             "delete_module",
                             "fanotify_init",
                             "finit_module",
                             "fsconfig",
                             "fsmount",
                             "fsopen",
                             "init_module",
                             "io_uring_enter",
                             "io_uring_register",
                             "io_uring_setup",
                             "kcmp",
                             "kexec_file_load",
                             "kexec_load",
                             "keyctl",
                             "kill",
                             "listen",
                             "mount",
                             "mount_setattr",
                             "move_mount",
                             "name_to_handle_at",
                             "open_by_handle_at",
                             "open_tree",
                             "perf_event_open",
                             "pidfd_getfd",
                             "pivot_root",
                             "process_madvise",
                             "process_mrelease",
                             "process_vm_readv",
                             "process_vm_writev",
                             "ptrace",
                             "quotactl",
                             "reboot",
                             "request_key",
                             "rt_sigqueueinfo",
                             "rt_tgsigqueueinfo",
                             "setns",
                             "socket",
                             "swapoff",
                             "swapon",
                             "tkill",
                             "umount2",
                             "unshare",
                             "userfaultfd",
                             "vmsplice"}));
  // Limits of other processes; one's own may be lowered.
  return Add(filter, kRefuse, "prlimit64", {{0, SCMP_CMP_NE, 0, 0}});
}

}  // namespace

absl::Status ConfineDevice(DeviceRole role) {
  const rlimit no_core{0, 0};
  if (::setrlimit(RLIMIT_CORE, &no_core) != 0) return ErrnoStatus(errno, "setrlimit");
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "no_new_privs");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return absl::OkStatus();  // the sanitizers' runtimes make calls of their own
#endif
  const bool starts = role == DeviceRole::kStartsRenderers;
  const Filter filter(::seccomp_init(starts ? SCMP_ACT_ALLOW : kRefuse));
  if (filter == nullptr) return absl::ResourceExhaustedError("seccomp_init");
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  RC_RETURN_IF_ERROR(starts ? RefuseForAll(filter) : AllowForDevice(filter));
  if (const int result = ::seccomp_load(filter.get()); result != 0)
    return ErrnoStatus(-result, "seccomp_load");
  return absl::OkStatus();
}

}  // namespace rendercar::sandbox
