// Propagation macros for absl::Status, and the status of a failed system call.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/status/status.h>
#include <absl/status/statusor.h>
#include <absl/strings/str_cat.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <utility>

// Returns from the enclosing function when `expr` (an absl::Status) is not OK.
#define RC_RETURN_IF_ERROR(expr)                                            \
  do {                                                                      \
    if (absl::Status rc_status = (expr); !rc_status.ok()) return rc_status; \
  } while (false)

#define RC_CONCAT_INNER(a, b) a##b
#define RC_CONCAT(a, b) RC_CONCAT_INNER(a, b)
// RC_ASSIGN_OR_RETURN(auto x, Function()): x is the value, or the function returns the error.
#define RC_ASSIGN_OR_RETURN(lhs, expr) \
  RC_ASSIGN_OR_RETURN_INNER(RC_CONCAT(rc_value_, __LINE__), lhs, expr)
#define RC_ASSIGN_OR_RETURN_INNER(tmp, lhs, expr) \
  auto tmp = (expr);                              \
  if (!tmp.ok()) return std::move(tmp).status();  \
  lhs = *std::move(tmp)

// A bug in our own code: abort with a sentence. Never for a condition that a guest or a peer
// controls.
#define RC_CHECK(condition, sentence)                                                            \
  do {                                                                                           \
    if (!(condition)) {                                                                          \
      std::fprintf(stderr, "rendercar: bug: %s (%s) at %s:%d\n", sentence, #condition, __FILE__, \
                   __LINE__);                                                                    \
      std::abort();                                                                              \
    }                                                                                            \
  } while (false)

namespace rendercar {

// What the environment refused: `doing` names the call and its object ("open /dev/dri/renderD128").
inline absl::Status ErrnoStatus(int error, std::string_view doing) {
  return absl::ErrnoToStatus(error, absl::string_view(doing.data(), doing.size()));
}

// The same status with `context` in front of its message.
inline absl::Status Annotate(const absl::Status& status, std::string_view context) {
  return absl::Status(status.code(), absl::StrCat(absl::string_view(context.data(), context.size()),
                                                  ": ", status.message()));
}

}  // namespace rendercar
