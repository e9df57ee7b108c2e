// What an attacker would try in the device process, tried.
// SPDX-License-Identifier: Apache-2.0
#include "backend/sandbox/device_sandbox.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

namespace rendercar::sandbox {
namespace {

// How many of these a process of either role manages: none.
int ReachOthers() {
  int reached = 0;
  char byte = 0;
  iovec here{&byte, 1}, there{&byte, 1};
  if (::process_vm_readv(::getppid(), &here, 1, &there, 1, 0) >= 0 || errno != EPERM) ++reached;
  if (::ptrace(PTRACE_ATTACH, ::getppid(), nullptr, nullptr) == 0 || errno != EPERM) ++reached;
  if (::kill(::getppid(), 0) == 0 || errno != EPERM) ++reached;
  if (::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 || errno != EPERM) ++reached;
  if (::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0 || errno != EPERM) ++reached;
  return reached;
}

int ReachFilesAndPrograms() {
  int reached = 0;
  if (::open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0) ++reached;
  if (::open("/dev/null", O_RDWR | O_CLOEXEC) >= 0) ++reached;
  char* const arguments[] = {nullptr};
  ::execve("/bin/true", arguments, arguments);  // would exit with 0 and count as nothing tried
  return errno == EPERM ? reached : 99;
}

// What the device does all day still works.
int Work() {
  int failed = 0;
  if (::eventfd(0, EFD_CLOEXEC) < 0) ++failed;
  if (::epoll_create1(EPOLL_CLOEXEC) < 0) ++failed;
  if (::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED) ++failed;
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) ++failed;
  int queued = 0;
  if (::ioctl(pair[0], SIOCOUTQ, &queued) != 0) ++failed;
  return failed;
}

template <typename Attempt>
int InChild(DeviceRole role, Attempt attempt) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(ConfineDevice(role).ok() ? attempt() : 100);
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

class DeviceSandboxTest : public testing::Test {
 protected:
  void SetUp() override {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    GTEST_SKIP() << "SKIPPED: there is no seccomp under the sanitizers";
#endif
  }
};

TEST_F(DeviceSandboxTest, a_device_process_reaches_nobody) {
  EXPECT_EQ(InChild(DeviceRole::kDevice, ReachOthers), 0);
}
TEST_F(DeviceSandboxTest, a_device_process_opens_no_file_and_starts_no_program) {
  EXPECT_EQ(InChild(DeviceRole::kDevice, ReachFilesAndPrograms), 0);
}
TEST_F(DeviceSandboxTest, a_device_process_can_do_its_work) {
  EXPECT_EQ(InChild(DeviceRole::kDevice, Work), 0);
}
TEST_F(DeviceSandboxTest, a_spawner_of_renderers_reaches_nobody) {
  EXPECT_EQ(InChild(DeviceRole::kStartsRenderers, ReachOthers), 0);
}
TEST_F(DeviceSandboxTest, a_spawner_of_renderers_can_do_its_work) {
  EXPECT_EQ(InChild(DeviceRole::kStartsRenderers, Work), 0);
}

}  // namespace
}  // namespace rendercar::sandbox
