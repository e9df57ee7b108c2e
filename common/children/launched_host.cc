// Children that another process holds: the side of the one that asks.
// SPDX-License-Identifier: Apache-2.0
#include "common/children/launched_host.h"

#include <absl/strings/numbers.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "common/log.h"

namespace rendercar {
namespace {

using launcher::Kind;
using launcher::Message;
using std::chrono::milliseconds;

constexpr milliseconds kKillWait(2000);

absl::StatusOr<Message> Call(int socket, const Message& request, const std::vector<int>& fds = {}) {
  RC_RETURN_IF_ERROR(launcher::Send(socket, request, fds));
  RC_ASSIGN_OR_RETURN(Message answer, launcher::Receive(socket));
  RC_RETURN_IF_ERROR(launcher::StatusOf(answer));
  return answer;
}

Message Request(Kind kind, uint64_t id = 0) {
  Message request;
  request.kind = kind;
  request.id = id;
  return request;
}

class LaunchedChild final : public Child {
 public:
  LaunchedChild(std::shared_ptr<UniqueFd> socket, uint64_t id, pid_t pid, UniqueFd pidfd)
      : socket_(std::move(socket)), id_(id), pid_(pid), pidfd_(std::move(pidfd)) {}
  ~LaunchedChild() override {
    if (!running()) return;
    Signal(SIGKILL);
    Wait(kKillWait);
  }

  pid_t pid() const override { return pid_; }
  int pidfd() const override { return pidfd_.get(); }
  bool running() const override { return pidfd_.valid(); }
  void Signal(int signal) const override {
    if (running()) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
  }
  std::optional<ChildEnd> Wait(milliseconds timeout) override;

 private:
  std::shared_ptr<UniqueFd> socket_;
  uint64_t id_;
  pid_t pid_;
  UniqueFd pidfd_;
};

std::optional<ChildEnd> LaunchedChild::Wait(milliseconds timeout) {
  if (!running()) return std::nullopt;
  pollfd poll{pidfd_.get(), POLLIN, 0};
  int ready = 0;
  do {
    ready = ::poll(&poll, 1, static_cast<int>(timeout.count()));
  } while (ready < 0 && errno == EINTR);
  if (ready <= 0) return std::nullopt;
  pidfd_.Reset();
  ChildEnd end;
  const auto status = Call(socket_->get(), Request(Kind::kStatus, id_));
  if (status.ok() && status->numbers.size() == 3 && status->numbers[0] == 1) {
    end.kind = static_cast<ChildEnd::Kind>(status->numbers[1]);
    end.code = static_cast<int>(status->numbers[2]);
  }
  Call(socket_->get(), Request(Kind::kForget, id_)).IgnoreError();
  return end;
}

}  // namespace

LaunchedHost::LaunchedHost(UniqueFd socket)
    : socket_(std::make_shared<UniqueFd>(std::move(socket))) {}

absl::StatusOr<std::unique_ptr<Child>> LaunchedHost::Start(const ChildRequest& request) {
  Message message = Request(Kind::kStart);
  message.strings.push_back(request.name);
  message.strings.insert(message.strings.end(), request.argv.begin(), request.argv.end());
  std::vector<int> fds;
  for (const auto& passed : request.fds) {
    message.numbers.push_back(passed.as);
    fds.push_back(passed.fd);
  }
  for (const int kept : request.kept) {
    message.numbers.push_back(launcher::kKept);
    fds.push_back(kept);
  }
  RC_ASSIGN_OR_RETURN(Message answer, Call(socket_->get(), message, fds));
  if (answer.fds.size() != 1 || answer.numbers.size() != 1)
    return absl::InternalError("the launcher's answer has no process");
  return std::make_unique<LaunchedChild>(socket_, answer.id, static_cast<pid_t>(answer.numbers[0]),
                                         std::move(answer.fds[0]));
}

void LaunchedHost::Remember(const std::string& key, const std::string& note) {
  Message message = Request(Kind::kRemember);
  message.strings = {key, note};
  const absl::Status status = Call(socket_->get(), message).status();
  if (!status.ok())
    log::Warning("the launcher does not remember",
                 {{"key", key}, {"why", std::string(status.message())}});
}

absl::StatusOr<RecoveredChild> LaunchedHost::Take(uint64_t id) {
  RC_ASSIGN_OR_RETURN(Message answer, Call(socket_->get(), Request(Kind::kTake, id)));
  if (answer.fds.empty() || answer.numbers.size() != 1 || answer.strings.size() != 1)
    return absl::InternalError("the launcher's answer has no process");
  RecoveredChild child;
  child.name = answer.strings[0];
  child.child = std::make_unique<LaunchedChild>(socket_, id, static_cast<pid_t>(answer.numbers[0]),
                                                std::move(answer.fds[0]));
  for (size_t i = 1; i < answer.fds.size(); ++i) child.kept.push_back(std::move(answer.fds[i]));
  return child;
}

Recovered LaunchedHost::Recover() {
  Recovered recovered;
  const auto list = Call(socket_->get(), Request(Kind::kList));
  for (size_t i = 1; list.ok() && i < list->numbers.size(); ++i) {
    absl::StatusOr<RecoveredChild> child = Take(static_cast<uint64_t>(list->numbers[i]));
    if (child.ok()) recovered.children.push_back(*std::move(child));
  }
  const auto keys = Call(socket_->get(), Request(Kind::kNotes));
  for (size_t i = 0; keys.ok() && i < keys->strings.size(); ++i) {
    Message request = Request(Kind::kNote);
    request.strings = {keys->strings[i]};
    auto note = Call(socket_->get(), request);
    if (note.ok() && note->strings.size() == 1)
      recovered.notes[keys->strings[i]] = std::move(note->strings[0]);
  }
  return recovered;
}

absl::StatusOr<std::unique_ptr<ProcessHost>> FindProcessHost() {
  const char* text = ::getenv(launcher::kSocketVariable);
  if (text == nullptr) return std::make_unique<LocalProcessHost>();
  int fd = -1;
  int type = 0;
  socklen_t size = sizeof(type);
  if (!absl::SimpleAtoi(text, &fd) || ::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0 ||
      ::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_SEQPACKET) {
    return absl::InvalidArgumentError(absl::StrCat(launcher::kSocketVariable, " is '", text,
                                                   "', which is no socket of rendercar-launcher; "
                                                   "unset it"));
  }
  ::unsetenv(launcher::kSocketVariable);  // children are not the launcher's
  return std::make_unique<LaunchedHost>(UniqueFd(fd));
}

}  // namespace rendercar
