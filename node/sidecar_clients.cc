// The sidecars of this node.
// SPDX-License-Identifier: Apache-2.0
#include "node/sidecar_clients.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/create_channel_posix.h>
#include <grpcpp/support/channel_arguments.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cerrno>
#include <memory>

#include "common/share_env.h"
#include "common/unique_fd.h"
#include "node/session_stats.h"
#include "operator-api/service/api_error.h"

namespace rendercar::node {
namespace {

constexpr char kShares[] = "shares/";
constexpr char kSessions[] = "sessions/";

bool IsPlainName(const std::string& name) { return IsSessionName(name) && name.front() != '.'; }

// To the socket behind an O_PATH descriptor. Never waits: a full backlog is an error here.
absl::StatusOr<UniqueFd> ConnectAtOnce(int path_fd) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  fmt::format_to_n(address.sun_path, sizeof(address.sun_path) - 1, "/proc/self/fd/{}", path_fd);
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus(errno, "socket");
  if (::connect(fd.get(), static_cast<const sockaddr*>(static_cast<const void*>(&address)),
                sizeof(address)) != 0)
    return ErrnoStatus(errno, "the sidecar's socket");
  return fd;
}

// One call in flight.
struct Question {
  std::string share;
  std::unique_ptr<v1::SessionService::Stub> stub;
  grpc::ClientContext context;
  v1::ListSessionsResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<v1::ListSessionsResponse>> reader;
};

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectSidecar(const std::string& directory) {
  const UniqueFd dir(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!dir.valid()) return ErrnoStatus(errno, "session directory");
  const UniqueFd socket(
      ::openat(dir.get(), share_env::kApiSocket, O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!socket.valid()) return ErrnoStatus(errno, "the sidecar's socket");
  struct stat info {};
  if (::fstat(socket.get(), &info) != 0 || !S_ISSOCK(info.st_mode))
    return absl::FailedPreconditionError("the sidecar's socket is none");
  RC_ASSIGN_OR_RETURN(UniqueFd connected, ConnectAtOnce(socket.get()));
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(kMaxSidecarMessageBytes);
  return grpc::CreateCustomInsecureChannelFromFd("localhost", connected.Release(), arguments);
}

absl::StatusOr<SessionPlace> ParseSessionName(const std::string& name) {
  const size_t shares = sizeof(kShares) - 1;
  const size_t slash = name.find('/', shares);
  if (name.rfind(kShares, 0) == 0 && slash != std::string::npos) {
    SessionPlace place{name.substr(shares, slash - shares), name.substr(slash + 1)};
    const bool is_session = place.session.rfind(kSessions, 0) == 0 &&
                            IsPlainName(place.session.substr(sizeof(kSessions) - 1));
    if (IsPlainName(place.share) && is_session) return place;
  }
  return api_service::BadField(
      "name", fmt::format("'{}' is no session of a node; write it as 'shares/SHARE/sessions/NAME'",
                          name.substr(0, 2 * kMaxSessionNameBytes)));
}

bool Adopt(const std::string& share, v1::Session& session) {
  const std::string name = fmt::format("{}{}/{}", kShares, share, session.name());
  if (!ParseSessionName(name).ok()) return false;
  session.set_name(name);
  session.set_share(share);
  session.clear_owner();
  return true;
}

std::vector<v1::Session> ListSidecarSessions(const std::vector<SessionDirs::Current>& directories,
                                             std::chrono::system_clock::time_point deadline) {
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Question>> questions;
  v1::ListSessionsRequest request;
  request.set_page_size(static_cast<int>(kMaxSidecarSessions));
  for (const SessionDirs::Current& current : directories) {
    auto channel = ConnectSidecar(current.directory);
    if (!channel.ok()) continue;
    auto question = std::make_unique<Question>();
    question->share = current.share_id;
    question->stub = v1::SessionService::NewStub(*channel);
    question->context.set_deadline(deadline);
    question->reader = question->stub->AsyncListSessions(&question->context, request, &queue);
    question->reader->Finish(&question->response, &question->status, question.get());
    questions.push_back(std::move(question));
  }
  // Every answer comes: at the deadline at the latest.
  for (size_t open = questions.size(); open > 0; --open) {
    void* tag = nullptr;
    bool ok = false;
    if (!queue.Next(&tag, &ok)) break;
  }
  queue.Shutdown();
  void* none = nullptr;
  for (bool ok = false; queue.Next(&none, &ok);) continue;
  std::vector<v1::Session> sessions;
  for (const auto& question : questions) {
    if (!question->status.ok()) continue;
    size_t taken = 0;
    for (v1::Session& session : *question->response.mutable_sessions()) {
      if (++taken > kMaxSidecarSessions) break;
      if (Adopt(question->share, session)) sessions.push_back(std::move(session));
    }
  }
  return sessions;
}

}  // namespace rendercar::node
