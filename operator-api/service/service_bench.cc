// How long a list of 1,000 sessions takes over a unix socket, as a client waits for it.
// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>
#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>
#include <sys/socket.h>

#include <string>

#include "common/unix_socket.h"
#include "operator-api/service/services.h"

namespace rendercar::api_service {
namespace {

constexpr int kSessions = 1000;

v1::Session Typical(int number) {
  v1::Session session;
  session.set_name(absl::StrCat("shares/0000-03-00.0-", number, "/sessions/gpu0"));
  session.set_share(absl::StrCat("0000-03-00.0-", number));
  session.set_render_node("/dev/dri/renderD128");
  session.set_state(v1::Session::STATE_READY);
  session.set_socket_path("/var/run/kubevirt-plugin/rendercar/gpu0.sock");
  session.mutable_owner()->set_namespace_("team-a");
  session.mutable_owner()->set_pod(absl::StrCat("virt-launcher-desktop-", number, "-x7k2p"));
  session.mutable_usage()->set_commands(123456789);
  session.mutable_usage()->set_bytes_3d(987654321);
  for (int i = 0; i < 4; ++i) {
    auto& event = *session.add_events();
    event.set_reason("BackendReady");
    event.set_message("backend listens on /var/run/kubevirt-plugin/rendercar/gpu0.sock");
  }
  return session;
}

class ManySessions final : public SessionApi {
 public:
  ManySessions() {
    for (int i = 0; i < kSessions; ++i) sessions_.push_back(Typical(i));
  }
  absl::StatusOr<std::vector<v1::Session>> List(Deadline) override { return sessions_; }
  absl::StatusOr<v1::Session> Get(const std::string&, Deadline) override { return sessions_[0]; }
  absl::StatusOr<v1::Session> Create(const v1::CreateSessionRequest&, Deadline) override {
    return sessions_[0];
  }
  absl::Status Delete(const v1::DeleteSessionRequest&, Deadline) override {
    return absl::OkStatus();
  }
  absl::StatusOr<v1::Session> Update(const v1::UpdateSessionRequest&, Deadline) override {
    return sessions_[0];
  }
  absl::StatusOr<v1::Session> RestartRenderer(const v1::RestartRendererRequest&,
                                              Deadline) override {
    return sessions_[0];
  }
  absl::StatusOr<v1::Session> Upgrade(const v1::UpgradeSessionRequest&, Deadline) override {
    return sessions_[0];
  }
  absl::StatusOr<v1::DeviceDefinition> Define(const v1::GetDeviceDefinitionRequest&,
                                              Deadline) override {
    return v1::DeviceDefinition();
  }
  absl::StatusOr<Screenshot> Capture(const v1::CaptureScreenshotRequest&, Deadline) override {
    return Screenshot();
  }

 private:
  std::vector<v1::Session> sessions_;
};

void List1000Sessions(benchmark::State& state, const std::string& filter) {
  ManySessions sessions;
  SessionService service(sessions);
  grpc::ServerBuilder builder;
  builder.RegisterService(&service);
  const auto server = builder.BuildAndStart();
  // As our servers and rendercarctl do: both are given connected sockets.
  auto sockets = CreateSocketPair(SOCK_STREAM | SOCK_NONBLOCK);
  if (!sockets.ok()) return state.SkipWithError(sockets.status().ToString().c_str());
  grpc::AddInsecureChannelFromFd(server.get(), sockets->a.Release());
  const auto stub = v1::SessionService::NewStub(
      grpc::CreateInsecureChannelFromFd("localhost", sockets->b.Release()));
  v1::ListSessionsRequest request;
  request.set_filter(filter);
  int64_t listed = 0;
  for (auto _ : state) {
    grpc::ClientContext context;
    v1::ListSessionsResponse response;
    const grpc::Status status = stub->ListSessions(&context, request, &response);
    if (!status.ok()) state.SkipWithError(status.error_message().c_str());
    listed = response.sessions_size();
  }
  state.counters["sessions"] = static_cast<double>(listed);
  server->Shutdown(std::chrono::system_clock::now());
}

BENCHMARK_CAPTURE(List1000Sessions, all, "")->Unit(benchmark::kMillisecond)->UseRealTime();
BENCHMARK_CAPTURE(List1000Sessions, one_pod, "pod=virt-launcher-desktop-7-x7k2p")
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace rendercar::api_service
