// Reaps processes that fall to the sidecar because their parent died.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/app/orphan_reaper.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <utility>

#include "common/log.h"
#include "common/status.h"

namespace rendercar::sidecar {

OrphanReaper::OrphanReaper(EventLoop& loop, std::function<bool(pid_t)> is_ours)
    : loop_(loop), is_ours_(std::move(is_ours)) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  signals_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  RC_CHECK(signals_.valid(), "signalfd; raise the open-files limit");
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  loop_.Watch(signals_.get(), EPOLLIN, [this](uint32_t) {
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof(info)) > 0) {
    }
    // After the owners of ended children had their turn, so that none of those hides an orphan.
    loop_.Post([this] { Reap(); });
  });
}

OrphanReaper::~OrphanReaper() { loop_.Unwatch(signals_.get()); }

void OrphanReaper::Reap() {
  siginfo_t info{};
  // Looks first and takes then: a child with an owner is left to it.
  while (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid != 0) {
    if (is_ours_(info.si_pid)) return;
    ::waitpid(info.si_pid, nullptr, WNOHANG);
    log::Debug("orphan reaped", {{"pid", info.si_pid}});
    info = {};
  }
}

}  // namespace rendercar::sidecar
