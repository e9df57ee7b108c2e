// Kubelet restarts, a hundred in a row: the agent registers again each time.
// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "node/agent_fixture.h"

namespace rendercar::node {
namespace {

TEST_F(AgentTest, registers_again_a_hundred_times_in_a_row) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(WaitForHealthy(2)) << "restart " << i;
    kubelet_.Stop();
    ASSERT_TRUE(kubelet_.Start().ok()) << "restart " << i;
  }
  EXPECT_TRUE(WaitForHealthy(2));
  EXPECT_TRUE(kubelet_.AllocateContainer(kResource, 1).ok());
  StopAgent();
  EXPECT_EQ(std::count(report_.events.begin(), report_.events.end(), "kubelet restarted"), 100);
}

TEST_F(AgentTest, a_kubelet_that_comes_later_is_no_restart) {
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  StopAgent();
  EXPECT_EQ(std::count(report_.events.begin(), report_.events.end(), "kubelet restarted"), 0);
}

TEST_F(AgentTest, restores_a_removed_socket_a_hundred_times_in_a_row) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(WaitForHealthy(2)) << "removal " << i;
    const int before = kubelet_.registrations();
    std::filesystem::remove(dir_ / "kubelet/rendercar-render.sock");
    WaitForRegistration(before);
  }
  EXPECT_TRUE(WaitForHealthy(2));
}

// The agent's own end and start count as a restart, too.
TEST_F(AgentTest, comes_back_after_its_own_restart) {
  ASSERT_TRUE(kubelet_.Start().ok());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(StartAgent().ok());
    ASSERT_TRUE(WaitForHealthy(2)) << "start " << i;
    StopAgent();
    ASSERT_TRUE(kubelet_.WaitFor(
        kResource, [](const FakeResource& r) { return !r.connected; }, kPatience));
  }
}

}  // namespace
}  // namespace rendercar::node
