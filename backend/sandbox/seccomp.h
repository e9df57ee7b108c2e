// Seccomp: which system calls a process may still make. A forbidden one ends the process and leaves
// its number where the parent finds it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstdint>
#include <vector>

#include "common/status.h"

namespace rendercar::sandbox {

// One comparison of a system call's argument: (argument & mask) == value.
struct Argument {
  unsigned index = 0;
  uint64_t mask = ~uint64_t{0};
  uint64_t value = 0;
};
struct Rule {
  const char* call;                 // by name; one that this architecture lacks is left out
  std::vector<Argument> arguments;  // all of them; none: whatever the arguments
};

struct CallPolicy {
  std::vector<Rule> allowed;
  std::vector<Rule> refused;  // answered with an error, for code that carries on without
  int refused_errno = 0;
  std::vector<Rule> missing;  // answered with ENOSYS, so that libraries fall back
};

// For all threads of this process, for good; also sets no_new_privs. Anything that the policy does
// not name ends the process with code kForbiddenCallExit after 1 + the call's number was stored in
// `*forbidden_call` (may be null; shared memory).
absl::Status RestrictCalls(const CallPolicy& policy, std::atomic<uint32_t>* forbidden_call);

inline constexpr int kForbiddenCallExit = 159;  // as if by SIGSYS: 128 + 31

}  // namespace rendercar::sandbox
