// Landlock: which files a process may still open.
// SPDX-License-Identifier: Apache-2.0
#include "backend/sandbox/landlock.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "common/unique_fd.h"

namespace rendercar::sandbox {
namespace {

// <linux/landlock.h>, newer than what Debian 12 ships; the numbers are the kernel's interface.
struct RulesetAttr {
  uint64_t handled_access_fs;
  uint64_t handled_access_net;  // ABI 4
  uint64_t scoped;              // ABI 6
};
struct __attribute__((packed)) PathBeneathAttr {
  uint64_t allowed_access;
  int32_t parent_fd;
};
static_assert(sizeof(PathBeneathAttr) == 12);

constexpr long kCreateRuleset = 444, kAddRule = 445, kRestrictSelf = 446;
constexpr uint32_t kVersionFlag = 1;
constexpr int kRulePathBeneath = 1;
constexpr uint64_t kWriteFile = 2, kReadFile = 4, kReadDir = 8;
constexpr uint64_t kTruncate = uint64_t{1} << 14, kIoctlDev = uint64_t{1} << 15;

// All file rights that ABI `abi` knows.
uint64_t AllFileRights(int abi) {
  const int bits = abi >= 5 ? 16 : abi >= 3 ? 15 : abi == 2 ? 14 : 13;
  return (uint64_t{1} << bits) - 1;
}

size_t AttrSize(int abi) { return abi >= 6 ? 24 : abi >= 4 ? 16 : 8; }

int Abi() { return static_cast<int>(::syscall(kCreateRuleset, nullptr, 0, kVersionFlag)); }

// A missing path is no error: it cannot be opened anyway.
absl::Status Allow(int ruleset, const std::string& path, uint64_t rights) {
  const UniqueFd fd(::open(path.c_str(), O_PATH | O_CLOEXEC));
  if (!fd.valid()) return absl::OkStatus();
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) return ErrnoStatus(errno, "fstat of " + path);
  if (!S_ISDIR(info.st_mode)) rights &= ~kReadDir;
  const PathBeneathAttr attr{rights, fd.get()};
  if (::syscall(kAddRule, ruleset, kRulePathBeneath, &attr, 0) != 0)
    return ErrnoStatus(errno, "allowing '" + path + "' in Landlock");
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<bool> RestrictFiles(const FileRules& rules) {
  const int abi = Abi();
  if (abi < 1) return false;  // not built in, or not switched on
  RulesetAttr attr{};
  attr.handled_access_fs = AllFileRights(abi);
  if (abi >= 4) attr.handled_access_net = 3;  // bind and connect TCP
  if (abi >= 6) attr.scoped = 3;              // abstract unix sockets, signals
  const UniqueFd ruleset(static_cast<int>(::syscall(kCreateRuleset, &attr, AttrSize(abi), 0)));
  if (!ruleset.valid()) return ErrnoStatus(errno, "landlock_create_ruleset");
  for (const std::string& path : rules.read_only)
    RC_RETURN_IF_ERROR(Allow(ruleset.get(), path, kReadFile | kReadDir));
  const uint64_t writing = kReadFile | kReadDir | kWriteFile | kTruncate | kIoctlDev;
  for (const std::string& path : rules.read_write)
    RC_RETURN_IF_ERROR(Allow(ruleset.get(), path, writing & attr.handled_access_fs));
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return ErrnoStatus(errno, "no_new_privs");
  if (::syscall(kRestrictSelf, ruleset.get(), 0) != 0)
    return ErrnoStatus(errno, "landlock_restrict_self");
  return true;
}

}  // namespace rendercar::sandbox
