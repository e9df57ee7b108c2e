// A renderer that was taken over gets nowhere: each thing that an attacker would try fails, as root
// and as KubeVirt's unprivileged user.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <seccomp.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <string>

#include "backend/sandbox/renderer_sandbox.h"
#include "backend/sandbox/seccomp.h"
#include "common/shared_memory.h"
#include "common/subprocess.h"

namespace rendercar::render {
namespace {

struct Outcome {
  ChildEnd end;
  std::string forbidden_call;  // by name, or empty
};

// Runs one attempt; `uid` < 0 stays as it is.
Outcome Try(const std::string& attempt, const std::string& stage, int uid = -1) {
  const auto cell = CreateSealedMemory("cell", 4096);
  Subprocess::Options options;
  options.argv = {RENDERCAR_SANDBOX_ATTACKER_PATH, attempt, stage};
  if (uid >= 0) options.argv.push_back(std::to_string(uid));
  options.fds = {{cell->get(), 4}};
  auto child = Subprocess::Start(options);
  EXPECT_TRUE(child.ok()) << child.status();
  Outcome outcome;
  outcome.end = *child->Wait(std::chrono::seconds(60));
  uint32_t number = 0;
  EXPECT_EQ(::pread(cell->get(), &number, sizeof(number), 0), 4);
  if (number == 0) return outcome;
  char* name = ::seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, static_cast<int>(number - 1));
  outcome.forbidden_call = name == nullptr ? "?" : name;
  std::free(name);
  return outcome;
}

struct Case {
  const char* attempt;
  const char* ends_with;  // the call that ends the process; null: it is refused, the process lives
};

class SandboxTest : public testing::TestWithParam<Case> {
 protected:
  void Check(int uid) {
    if (!sandbox::CallsCanBeConfined())
      GTEST_SKIP() << "sanitizers make calls of their own: no seccomp in this build";
    const Outcome outcome = Try(GetParam().attempt, "calls", uid);
    if (GetParam().ends_with != nullptr) {
      EXPECT_EQ(outcome.end.code, sandbox::kForbiddenCallExit) << outcome.end.ToString();
      EXPECT_EQ(outcome.forbidden_call, GetParam().ends_with);
    } else {
      EXPECT_EQ(outcome.end.code, 1) << outcome.end.ToString();
    }
  }
};

TEST_P(SandboxTest, fails) { Check(-1); }

INSTANTIATE_TEST_SUITE_P(
    Attempts, SandboxTest,
    testing::Values(Case{"open-passwd", nullptr}, Case{"open-tmp", nullptr},
                    Case{"open-usr", nullptr}, Case{"create-tmp", nullptr},
                    Case{"write-etc", nullptr}, Case{"open-parent-memory", nullptr},
                    Case{"connect-session", "socket"}, Case{"connect-tcp", "socket"},
                    Case{"socket-in-thread", "socket"}, Case{"exec", "execve"},
                    Case{"fork", "clone"}, Case{"vfork", "clone"}, Case{"ptrace", "ptrace"},
                    Case{"kill", "kill"}, Case{"tgkill", "tgkill"}, Case{"pidfd", "pidfd_open"},
                    Case{"read-parent", "process_vm_readv"}, Case{"limit-parent", "prlimit64"},
                    Case{"raise-own-limit", "prlimit64"}, Case{"unblock-doorbell", "fcntl"},
                    Case{"truncate", "ftruncate"}, Case{"mount", "mount"},
                    Case{"unshare", "unshare"}, Case{"setuid", "setuid"}, Case{"bpf", "bpf"},
                    Case{"io-uring", "io_uring_setup"}, Case{"inject-terminal", nullptr},
                    Case{"userfaultfd", "userfaultfd"}, Case{"keyctl", "keyctl"},
                    Case{"memfd", nullptr}),
    [](const testing::TestParamInfo<Case>& row) {
      std::string name = row.param.attempt;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST(SandboxEdgeTest, ordinary_work_goes_on) {
  EXPECT_EQ(Try("nothing", "calls").end.code, 0);
  EXPECT_EQ(Try("thread", "calls").end.code, 0);
}

TEST(SandboxEdgeTest, an_unprivileged_user_is_confined_as_well) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become uid 107; this run is unprivileged";
  if (!sandbox::CallsCanBeConfined())
    GTEST_SKIP() << "sanitizers make calls of their own: no seccomp in this build";
  EXPECT_EQ(Try("thread", "calls", 107).end.code, 0);
  EXPECT_EQ(Try("kill", "calls", 107).forbidden_call, "kill");
  EXPECT_EQ(Try("ptrace", "calls", 107).forbidden_call, "ptrace");
  EXPECT_EQ(Try("open-passwd", "calls", 107).end.code, 1);
}

// While Mesa is brought up there is no seccomp yet; Landlock keeps files apart already.
class FileSandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    const Outcome outcome = Try("open-usr", "files");
    ASSERT_EQ(outcome.end.code, 0) << "system libraries stay readable";
    if (Try("open-tmp", "files").end.code == 0)
      GTEST_SKIP() << "this kernel has no Landlock; seccomp alone keeps files closed";
  }
};

TEST_F(FileSandboxTest, nothing_outside_the_system_directories_opens) {
  EXPECT_EQ(Try("open-tmp", "files").end.code, 1);
  EXPECT_EQ(Try("create-tmp", "files").end.code, 1);
  EXPECT_EQ(Try("write-etc", "files").end.code, 1);
  EXPECT_EQ(Try("open-parent-memory", "files").end.code, 1);
}

}  // namespace
}  // namespace rendercar::render
