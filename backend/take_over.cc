// Going on with the VM of a running backend.
// SPDX-License-Identifier: Apache-2.0
#include "backend/take_over.h"

#include <unistd.h>

#include <chrono>
#include <string>
#include <utility>

#include "common/log.h"

namespace rendercar::backend {
namespace {

void Tell(const Options& options, const std::string& line) {
  if (options.status_fd < 0) return;
  // Whoever asked may be gone; that changes nothing.
  [[maybe_unused]] const ssize_t written = ::write(options.status_fd, line.data(), line.size());
  ::close(options.status_fd);
}

// Listeners are made objects only now: one that goes removes its path.
void AdoptListener(UniqueFd fd, const std::string& path, const char* what,
                   absl::AnyInvocable<void(UnixListener)> use) {
  if (!fd.valid() || path.empty()) return;
  auto listener = UnixListener::Adopt(std::move(fd), path);
  if (listener.ok()) return use(*std::move(listener));
  log::Error("a socket cannot be served any more",
             {{"what", what}, {"path", path}, {"why", std::string(listener.status().message())}});
}

absl::Status CheckEndpoint(const server::ServerState& state, const Options& options) {
  if (state.listener == wire::kNoFd || !options.socket_path.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "the running backend listens on a path; start this one with its --socket-path");
}

}  // namespace

absl::Status TakeOver(server::Predecessor& predecessor, const Options& options, StatsWriter& stats,
                      server::Server& server, absl::AnyInvocable<void()> on_handed_over) {
  RC_ASSIGN_OR_RETURN(server::Predecessor::Left left, predecessor.AskForState());
  server::ServerState& state = left.unpacked.state;
  absl::Status ready = CheckEndpoint(state, options);
  if (ready.ok()) ready = server.Restore(state, left.fds, left.unpacked.pixels);
  if (!ready.ok()) {
    predecessor.Refuse(std::string(ready.message()));
    return ready;
  }
  RC_RETURN_IF_ERROR(predecessor.TakeOver());
  if (const absl::Status counting = stats.Continue(left.fds.Take(state.stats)); !counting.ok())
    log::Error("statistics begin anew, unseen", {{"why", std::string(counting.message())}});
  server.Begin();
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  const auto pause_us = (std::chrono::nanoseconds(now).count() - state.frozen_at_ns) / 1000;
  log::Info("taken over", {{"session", options.session}, {"pause_us", pause_us}});
  AdoptListener(left.fds.Take(state.listener), options.socket_path, "frontend",
                [&](UnixListener listener) { server.Listen(std::move(listener)); });
  AdoptListener(left.fds.Take(state.screenshots), options.screenshot_socket, "screenshots",
                [&](UnixListener listener) { server.OfferScreenshots(std::move(listener)); });
  AdoptListener(left.fds.Take(state.handovers),
                options.handover_socket.empty() ? options.take_over : options.handover_socket,
                "handover", [&](UnixListener listener) {
                  server.OfferHandover(std::move(listener), std::move(on_handed_over));
                });
  Tell(options, absl::StrCat("taken over ", pause_us, "\n"));
  return absl::OkStatus();
}

void ReportRefusal(const Options& options, const absl::Status& why) {
  Tell(options, absl::StrCat("refused: ", std::string(why.message()), "\n"));
}

}  // namespace rendercar::backend
