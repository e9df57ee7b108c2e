// Why a renderer process ended, as one sentence.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/exit_reason.h"

#include <seccomp.h>
#include <sysexits.h>

#include <cstdlib>

#include "common/status.h"

namespace rendercar::ipc {
namespace {

std::string CallName(uint32_t number) {
  char* name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(number));
  if (name == nullptr) return absl::StrCat("number ", number);
  std::string result(name);
  std::free(name);
  return result;
}

}  // namespace

std::string ExitReason(const ChildEnd& end, uint32_t forbidden_call) {
  if (end.kind == ChildEnd::Kind::kExited && end.code == kExitForbiddenCall &&
      forbidden_call != 0) {
    return absl::StrCat("the renderer made the forbidden system call ",
                        CallName(forbidden_call - 1));
  }
  if (end.kind == ChildEnd::Kind::kExited && end.code == kExitCapsetsDiffer) {
    return "the renderer offers other capsets than those that the guest was promised; clear the "
           "probe cache and start the session anew";
  }
  if (end.kind == ChildEnd::Kind::kExited && end.code == kExitNodeGone)
    return "the render node is gone";
  if (end.kind == ChildEnd::Kind::kExited && end.code == EX_UNAVAILABLE)
    return "the renderer could not bring up OpenGL; its log names the cause";
  return absl::StrCat("the renderer ", end.ToString());
}

}  // namespace rendercar::ipc
