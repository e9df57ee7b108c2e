// rendercar-node is killed and started again, a hundred times in a row: the kubelet knows it again
// each time, and nothing that was allocated is lost.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <csignal>

#include "node/program_fixture.h"
#include "tests/fakes/kubelet/fake_kubelet.h"

namespace rendercar::node {
namespace {

using rendercar::testing::FakeKubelet;
using rendercar::testing::FakeResource;

constexpr char kResource[] = "rendercar.dev/render";
constexpr std::chrono::seconds kPatience{60};

TEST_F(ProgramTest, it_registers_again_after_its_own_crash_a_hundred_times_in_a_row) {
  FakeKubelet kubelet(dir_ / "kubelet");
  ASSERT_TRUE(kubelet.Start().ok());
  std::string session_dir;
  for (int i = 0; i < 100; ++i) {
    Subprocess agent = Start(Node("--replicas=2"));
    ASSERT_TRUE(kubelet.WaitFor(
        kResource, [](const FakeResource& r) { return r.connected && r.healthy() == 2; },
        kPatience))
        << "start " << i << ": " << Read("stderr");
    if (i == 0) {
      const auto allocation = kubelet.AllocateContainer(kResource, 1);
      ASSERT_TRUE(allocation.ok()) << allocation.status();
      session_dir = allocation->response.mounts(0).host_path();
    }
    agent.Signal(SIGKILL);
    ASSERT_TRUE(agent.Wait(kPatience).has_value());
    ASSERT_TRUE(kubelet.WaitFor(
        kResource, [](const FakeResource& r) { return !r.connected; }, kPatience));
  }
  EXPECT_EQ(kubelet.registrations(), 100);
  EXPECT_TRUE(std::filesystem::is_directory(session_dir));
}

}  // namespace
}  // namespace rendercar::node
