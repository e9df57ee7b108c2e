// A small process that starts one program for this one.
// SPDX-License-Identifier: Apache-2.0
#include "common/children/spawner.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>

#include "common/children/child_table.h"
#include "common/children/launched_host.h"
#include "common/log.h"
#include "common/unix_socket.h"

namespace rendercar {
namespace {

using launcher::Kind;
using launcher::Message;

constexpr int kSocket = 3;

Message Answer(launcher::ChildTable& children, Message request, const std::string& program) {
  if (request.kind == Kind::kStart &&
      (request.strings.size() < 2 || request.strings[1] != program)) {
    return launcher::Failure(
        absl::PermissionDeniedError(absl::StrCat("the spawner starts '", program, "' only")));
  }
  return children.Handle(std::move(request), 0);
}

// Everything that it inherited goes but the socket and the log.
void KeepOnly(int socket) {
  if (::dup3(socket, kSocket, O_CLOEXEC) < 0 && socket != kSocket) ::_exit(EX_OSERR);
  ::syscall(SYS_close_range, kSocket + 1, ~0U, 0);
}

[[noreturn]] void Serve(int socket, pid_t parent, const std::string& program,
                        const std::function<absl::Status()>& prepare) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(EX_OSERR);
  ::prctl(PR_SET_NAME, "rendercar-spawn");
  // A terminal's or a container's signals are for the process above, which ends this one.
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_IGN);
  KeepOnly(socket);
  if (const absl::Status prepared = prepare(); !prepared.ok()) {
    log::Error("the process that starts others cannot confine itself",
               {{"why", std::string(prepared.message())}});
    ::_exit(EX_NOPERM);
  }
  launcher::ChildTable children;
  for (;;) {
    absl::StatusOr<Message> request = launcher::Receive(kSocket);
    if (!request.ok()) ::_exit(EX_OK);  // the process above is gone; children die with this one
    if (!launcher::Send(kSocket, Answer(children, *std::move(request), program)).ok())
      ::_exit(EX_OK);
  }
}

// One that could not be prepared is gone, and its end of the socket with it.
absl::Status AwaitReady(int socket) {
  Message request;
  request.kind = Kind::kList;
  const absl::Status asked = launcher::Send(socket, request);
  absl::Status ready = asked.ok() ? launcher::Receive(socket).status() : asked;
  if (ready.ok()) return ready;
  return absl::UnavailableError(
      "the process that starts others ended before it could; its log names the cause");
}

}  // namespace

absl::StatusOr<std::unique_ptr<ProcessHost>> StartSpawner(
    const std::string& program, const std::function<absl::Status()>& prepare) {
  RC_ASSIGN_OR_RETURN(SocketPair pair, CreateSocketPair(SOCK_SEQPACKET));
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return ErrnoStatus(errno, "fork");
  if (pid == 0) Serve(pair.b.get(), parent, program, prepare);
  pair.b.Reset();
  RC_RETURN_IF_ERROR(AwaitReady(pair.a.get()));
  return std::make_unique<LaunchedHost>(std::move(pair.a));
}

}  // namespace rendercar
