// The node hook as virt-handler calls it, in the agent's program.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <thread>

#include "common/subprocess.h"
#include "common/temp_dir.h"
#include "kubevirt/plugins.grpc.pb.h"

namespace rendercar::node {
namespace {

using ::testing::HasSubstr;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
namespace plugins = ::kubevirt::hooks::plugins::v1alpha1;

class NodeHookTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(dir_ / "kubelet");
    auto agent = Subprocess::Start(
        {.argv = {RENDERCAR_NODE_PROGRAM, "--kubelet-dir=" + (dir_ / "kubelet"),
                  "--session-root=" + (dir_ / "sessions"), "--metrics-address=none",
                  "--log-level=error", "--kubevirt-node-hook=" + socket_}});
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = std::move(*agent);
    while (!std::filesystem::exists(socket_) && !agent_.Wait(5ms)) {
    }
  }
  grpc::Status Call(const std::string& point) {
    grpc::ChannelArguments arguments;
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    const auto stub = plugins::NodeHookService::NewStub(grpc::CreateCustomChannel(
        "unix:" + socket_, grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + 30s);
    context.set_wait_for_ready(true);  // the path is there a moment before somebody listens
    plugins::ExecuteNodeHookRequest request;
    request.set_hookpoint(point);
    request.set_vmi("{}");
    request.mutable_node_context()->set_node_name("node");
    plugins::ExecuteNodeHookResponse response;
    return stub->ExecuteNodeHook(&context, request, &response);
  }

  const TempDir dir_;
  const std::string socket_ = dir_ / "hook.sock";
  Subprocess agent_;
};

TEST_F(NodeHookTest, a_migration_is_refused_in_words_before_it_begins) {
  const grpc::Status status = Call("PreMigrationSource");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("cannot be live-migrated"));
  EXPECT_THAT(status.error_message(), HasSubstr("evictionStrategy: None"));
}

TEST_F(NodeHookTest, every_other_point_goes_on_however_often_it_is_called) {
  for (const char* point : {"PreVMStart", "PostVMStart", "PreVMStop", "PostVMStop",
                            "PreMigrationTarget", "PostMigrationTarget", "PreVMStart", "Future"})
    EXPECT_TRUE(Call(point).ok()) << point;
}

TEST_F(NodeHookTest, the_socket_goes_with_the_agent) {
  agent_.Signal(SIGTERM);
  const auto end = agent_.Wait(30s);
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->clean()) << end->ToString();
  EXPECT_FALSE(std::filesystem::exists(socket_));
}

}  // namespace
}  // namespace rendercar::node
