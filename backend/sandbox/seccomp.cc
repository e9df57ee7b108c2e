// Seccomp: which system calls a process may still make.
// SPDX-License-Identifier: Apache-2.0
#include "backend/sandbox/seccomp.h"

#include <seccomp.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <memory>

namespace rendercar::sandbox {
namespace {

std::atomic<uint32_t>* g_forbidden_call = nullptr;

// Runs in the thread that made the call. Killing by the kernel would not tell which it was.
void OnForbiddenCall(int, siginfo_t* info, void*) {
  if (g_forbidden_call != nullptr)
    g_forbidden_call->store(1 + static_cast<uint32_t>(info->si_syscall));
  ::_exit(kForbiddenCallExit);
}

absl::Status CatchForbiddenCalls(std::atomic<uint32_t>* forbidden_call) {
  g_forbidden_call = forbidden_call;
  struct sigaction action {};
  action.sa_sigaction = OnForbiddenCall;
  action.sa_flags = SA_SIGINFO | SA_NODEFER;
  if (::sigaction(SIGSYS, &action, nullptr) != 0) return ErrnoStatus(errno, "sigaction SIGSYS");
  return absl::OkStatus();
}

struct Releaser {
  void operator()(void* context) const { ::seccomp_release(context); }
};
using Filter = std::unique_ptr<void, Releaser>;

absl::Status Add(const Filter& filter, uint32_t action, const Rule& rule) {
  const int number = ::seccomp_syscall_resolve_name(rule.call);
  if (number < 0) return absl::OkStatus();  // unknown here, so the default forbids it
  std::vector<scmp_arg_cmp> comparisons;
  for (const Argument& a : rule.arguments)
    comparisons.push_back({a.index, SCMP_CMP_MASKED_EQ, a.mask, a.value});
  const int result = ::seccomp_rule_add_array(
      filter.get(), action, number, static_cast<unsigned>(comparisons.size()), comparisons.data());
  if (result == 0) return absl::OkStatus();
  return ErrnoStatus(-result, std::string("a seccomp rule for ") + rule.call);
}

absl::Status AddAll(const Filter& filter, uint32_t action, const std::vector<Rule>& rules) {
  for (const Rule& rule : rules) RC_RETURN_IF_ERROR(Add(filter, action, rule));
  return absl::OkStatus();
}

}  // namespace

absl::Status RestrictCalls(const CallPolicy& policy, std::atomic<uint32_t>* forbidden_call) {
  RC_RETURN_IF_ERROR(CatchForbiddenCalls(forbidden_call));
  const Filter filter(::seccomp_init(SCMP_ACT_TRAP));
  if (filter == nullptr) return absl::ResourceExhaustedError("seccomp_init");
  // All threads, and no other architecture's call numbers (libseccomp's default for those is KILL).
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_TSYNC, 1);
  ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  RC_RETURN_IF_ERROR(AddAll(filter, SCMP_ACT_ALLOW, policy.allowed));
  RC_RETURN_IF_ERROR(
      AddAll(filter, SCMP_ACT_ERRNO(static_cast<uint16_t>(policy.refused_errno)), policy.refused));
  RC_RETURN_IF_ERROR(AddAll(filter, SCMP_ACT_ERRNO(ENOSYS), policy.missing));
  if (const int result = ::seccomp_load(filter.get()); result != 0)
    return ErrnoStatus(-result, "seccomp_load");
  return absl::OkStatus();
}

}  // namespace rendercar::sandbox
