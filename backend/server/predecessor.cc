// The successor's side of a hand-over.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/predecessor.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "common/unix_socket.h"

namespace rendercar::server {
namespace {

using handover::Kind;
using handover::Message;

// The predecessor has bounds of its own, which are shorter.
constexpr int kAnswerMs = 10'000;

absl::Status WaitReadable(int socket) {
  pollfd wait{socket, POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&wait, 1, kAnswerMs);
  } while (ready < 0 && errno == EINTR);
  if (ready > 0) return absl::OkStatus();
  return absl::UnavailableError("the running backend does not answer");
}

}  // namespace

absl::StatusOr<Predecessor> Predecessor::Connect(const std::string& path) {
  auto socket = ConnectUnix(path);
  if (!socket.ok())
    return absl::UnavailableError(absl::StrCat("the running backend cannot be asked to hand over: ",
                                               std::string(socket.status().message())));
  return Predecessor(*std::move(socket));
}

absl::Status Predecessor::Send(const Message& message) {
  return SendWithFds(socket_.get(), std::as_bytes(std::span(&message, 1)), {}).status();
}

absl::StatusOr<Message> Predecessor::Await(Kind kind, std::vector<UniqueFd>& fds) {
  RC_RETURN_IF_ERROR(WaitReadable(socket_.get()));
  Message message;
  RC_ASSIGN_OR_RETURN(Received received,
                      ReceiveWithFds(socket_.get(), std::as_writable_bytes(std::span(&message, 1)),
                                     handover::kFdsAtOnce));
  if (received.size == 0) return absl::UnavailableError("the running backend is gone");
  if (received.size != sizeof(message) || message.magic != handover::kMagic)
    return absl::UnavailableError("the running backend does not speak this protocol");
  if (message.kind == Kind::kRefused)
    return absl::FailedPreconditionError(
        absl::StrCat("the running backend refuses: ", message.why()));
  if (message.kind != kind)
    return absl::UnavailableError("the running backend says what it must not");
  for (UniqueFd& fd : received.fds) fds.push_back(std::move(fd));
  return message;
}

absl::StatusOr<Predecessor::Left> Predecessor::AskForState() {
  Send(Message(Kind::kHello)).IgnoreError();  // who has closed already has said why
  std::vector<UniqueFd> fds;
  RC_ASSIGN_OR_RETURN(const Message state, Await(Kind::kState, fds));
  if (state.fds == 0 || state.fds > handover::kMaxFds || !fds.empty())
    return absl::InvalidArgumentError("the running backend hands over too much or nothing");
  while (fds.size() < state.fds) {
    const size_t before = fds.size();
    RC_RETURN_IF_ERROR(Await(Kind::kFds, fds).status());
    if (fds.size() == before) return absl::InvalidArgumentError("descriptors are missing");
  }
  const UniqueFd memory = std::move(fds.front());
  fds.erase(fds.begin());
  Left left;
  RC_ASSIGN_OR_RETURN(left.unpacked, Unpack(memory.get()));
  left.fds = wire::TakenFds(std::move(fds));
  return left;
}

void Predecessor::Refuse(const std::string& why) {
  Send(Message(Kind::kRefused, why)).IgnoreError();
}

absl::Status Predecessor::TakeOver() {
  RC_RETURN_IF_ERROR(Send(Message(Kind::kPrepared)));
  std::vector<UniqueFd> none;
  return Await(Kind::kCommit, none).status();
}

}  // namespace rendercar::server
