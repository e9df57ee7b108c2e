// The services that every gRPC tool expects, spoken in bytes as a client without our protos would:
// grpc.health.v1 and reflection.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "common/subprocess.h"
#include "common/temp_dir.h"
#include "sidecar/session/socket_probe.h"

namespace rendercar::sidecar {
namespace {

using ::testing::HasSubstr;

grpc::ByteBuffer Bytes(const std::string& text) {
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  std::string text;
  if (!buffer.Dump(&slices).ok()) return text;
  for (const grpc::Slice& slice : slices) text.append(slice.begin(), slice.end());
  return text;
}

class StandardServicesTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("RENDERCAR_FAKE_BACKEND", "good", 1);
    auto started =
        Subprocess::Start({.argv = {RENDERCAR_BIN_DIR "/rendercar-sidecar", "--share=hand-0",
                                    "--session-dir=" + dir_.path(), "--socket-dir=" + dir_.path(),
                                    "--control-socket=" + control_, "--metrics-address=off",
                                    "--backend=" RENDERCAR_TEST_DIR "/fake_backend"}});
    ASSERT_TRUE(started.ok()) << started.status();
    sidecar_ = *std::move(started);
    while (!IsListening(control_) && !sidecar_.Wait(std::chrono::milliseconds(5))) {
    }
    channel_ = grpc::CreateChannel("unix:" + control_, grpc::InsecureChannelCredentials());
  }

  // One request and the first answer of `method`; bytes are protobuf's.
  std::string Ask(const std::string& method, const std::string& request) {
    grpc::GenericStub stub(channel_);
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    grpc::CompletionQueue queue;
    const auto call = stub.PrepareCall(&context, method, &queue);
    call->StartCall(nullptr);
    EXPECT_TRUE(Next(queue)) << method;
    call->Write(Bytes(request), nullptr);
    EXPECT_TRUE(Next(queue)) << method;
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    EXPECT_TRUE(Next(queue)) << method;
    context.TryCancel();
    grpc::Status status;
    call->Finish(&status, nullptr);
    Next(queue);
    return Text(answer);
  }

  static bool Next(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    return queue.Next(&tag, &ok) && ok;
  }

  const TempDir dir_;
  const std::string control_ = dir_ / "control.sock";
  Subprocess sidecar_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(StandardServicesTest, health_says_serving) {
  // HealthCheckRequest{} -> HealthCheckResponse{status: SERVING (1)}
  EXPECT_EQ(Ask("/grpc.health.v1.Health/Check", ""), "\x08\x01");
}

TEST_F(StandardServicesTest, reflection_lists_our_service) {
  // ServerReflectionRequest{list_services: ""} (field 7)
  const std::string answer = Ask("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
                                 std::string("\x3a\x00", 2));
  EXPECT_THAT(answer, HasSubstr("rendercar.v1.SessionService"));
  EXPECT_THAT(answer, HasSubstr("rendercar.v1alpha1.ControlService"));
  EXPECT_THAT(answer, HasSubstr("grpc.health.v1.Health"));
}

}  // namespace
}  // namespace rendercar::sidecar
