// The gRPC server on a socket of ours: who gets in, and a socket that is removed under it.
// SPDX-License-Identifier: Apache-2.0
#include "common/grpc/unix_grpc_server.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "common/epoll_loop.h"
#include "common/temp_dir.h"
#include "kubelet/deviceplugin/v1beta1/api.grpc.pb.h"

namespace rendercar {
namespace {

// Any service will do.
class OptionsService final : public v1beta1::DevicePlugin::Service {
 public:
  grpc::Status GetDevicePluginOptions(grpc::ServerContext*, const v1beta1::Empty*,
                                      v1beta1::DevicePluginOptions* options) override {
    options->set_pre_start_required(true);
    return grpc::Status::OK;
  }
};

class UnixGrpcServerTest : public ::testing::Test {
 protected:
  ~UnixGrpcServerTest() override {
    loop_.Post([this] { loop_.Quit(); });
    if (thread_.joinable()) thread_.join();
    server_.reset();
  }
  void Serve(UnixGrpcServer::Options options) {
    server_ = std::make_unique<UnixGrpcServer>(loop_, std::vector<grpc::Service*>{&service_},
                                               std::move(options));
    ASSERT_TRUE(server_->Listen(path_).ok());
  }
  void RunLoop() {
    thread_ = std::thread([this] { loop_.Run(); });
  }
  grpc::StatusCode Call() {
    grpc::ChannelArguments arguments;
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    auto stub = v1beta1::DevicePlugin::NewStub(
        grpc::CreateCustomChannel("unix:" + path_, grpc::InsecureChannelCredentials(), arguments));
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    v1beta1::DevicePluginOptions options;
    return stub->GetDevicePluginOptions(&context, {}, &options).error_code();
  }

  TempDir dir_;
  const std::string path_ = dir_ / "s.sock";
  OptionsService service_;
  EpollLoop loop_;
  std::unique_ptr<UnixGrpcServer> server_;
  std::thread thread_;
};

TEST_F(UnixGrpcServerTest, AnswersWhoeverTheSocketLetsIn) {
  Serve({});
  RunLoop();
  EXPECT_EQ(Call(), grpc::StatusCode::OK);
}

TEST_F(UnixGrpcServerTest, ItsOwnUidIsWelcomeUnderAPolicy) {
  Serve({.uids = UidPolicy{}});
  RunLoop();
  EXPECT_EQ(Call(), grpc::StatusCode::OK);
}

TEST_F(UnixGrpcServerTest, ASocketThatWasRemovedIsNoLongerOursAndCanBeMadeAgain) {
  Serve({});
  ASSERT_TRUE(server_->PathIsOurs());
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  EXPECT_FALSE(server_->PathIsOurs());
  ASSERT_TRUE(server_->Listen(path_).ok());
  EXPECT_TRUE(server_->PathIsOurs());
  RunLoop();
  EXPECT_EQ(Call(), grpc::StatusCode::OK);
}

TEST_F(UnixGrpcServerTest, SomebodyElsesSocketIsNotRemoved) {
  Serve({});
  ASSERT_EQ(::unlink(path_.c_str()), 0);
  const auto other = UnixListener::Listen(path_);
  ASSERT_TRUE(other.ok());
  server_->StopListening();
  EXPECT_EQ(::access(path_.c_str(), F_OK), 0);
}

TEST(UidPolicyTest, RootOneselfAndThoseNamedAreAllowed) {
  const UidPolicy policy{{4242}};
  EXPECT_TRUE(policy.Allows(0));
  EXPECT_TRUE(policy.Allows(::geteuid()));
  EXPECT_TRUE(policy.Allows(4242));
  EXPECT_FALSE(policy.Allows(4243));
}

}  // namespace
}  // namespace rendercar
