// Which pod has which share, asked of a stand-in kubelet.
// SPDX-License-Identifier: Apache-2.0
#include "node/pod_resources.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/epoll_loop.h"
#include "common/temp_dir.h"
#include "tests/fakes/kubelet/fake_pod_resources.h"

namespace rendercar::node {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

class PodResourcesTest : public ::testing::Test {
 protected:
  absl::StatusOr<ShareUsers> List(PodResourcesClient& client) {
    absl::StatusOr<ShareUsers> got = absl::UnknownError("nothing");
    client.List({"rendercar.dev/render"}, [&](const absl::StatusOr<ShareUsers>& users) {
      got = users;
      loop_.Quit();
    });
    loop_.Run();
    return got;
  }

  TempDir dir_;
  EpollLoop loop_;
  rendercar::testing::FakePodResources kubelet_;
};

TEST_F(PodResourcesTest, shares_of_our_resources_are_mapped_to_their_pods) {
  ASSERT_TRUE(kubelet_.Serve(dir_ / "kubelet.sock").ok());
  kubelet_.Add("vms", "launcher", "gpu", "rendercar.dev/render", "software-1");
  kubelet_.Add("other", "pod", "main", "nvidia.com/gpu", "GPU-1");
  PodResourcesClient client(loop_, dir_ / "kubelet.sock");
  const auto users = List(client);
  ASSERT_TRUE(users.ok()) << users.status();
  EXPECT_THAT(*users, ElementsAre(Pair("software-1", ShareUser{"vms", "launcher", "gpu"})));
}

TEST_F(PodResourcesTest, a_kubelet_that_is_not_there_is_an_error_and_can_be_asked_again) {
  PodResourcesClient client(loop_, dir_ / "kubelet.sock");
  EXPECT_EQ(List(client).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(kubelet_.Serve(dir_ / "kubelet.sock").ok());
  EXPECT_TRUE(List(client).ok());
}

}  // namespace
}  // namespace rendercar::node
