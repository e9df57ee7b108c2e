// The vhost-user server: one frontend at a time.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/server.h"

#include <pthread.h>

#include <chrono>
#include <cstdlib>
#include <utility>

#include "backend/server/work_call.h"
#include "common/log.h"
#include "common/program.h"

namespace rendercar::server {
namespace {

log::RateLimit refused_limit;

constexpr auto kStopBound = std::chrono::milliseconds(100);

std::string PeerPid(int socket) {
  const auto peer = GetPeerCredentials(socket);
  return peer.ok() ? std::to_string(peer->pid) : "unknown";
}

}  // namespace

Server::Server(EventLoop& loop, StatsWriter& stats, DeviceFactory factory, Options options,
               EndHandler on_end)
    : loop_(loop),
      stats_(stats),
      factory_(std::move(factory)),
      options_(options),
      on_end_(std::move(on_end)),
      work_thread_([this] {
        ::pthread_setname_np(::pthread_self(), "gpu-work");
        work_loop_.Run();
      }) {}

Server::~Server() {
  handovers_.reset();
  screenshots_.reset();
  watch_.reset();
  listener_.reset();  // its path goes first: nobody should connect any more
  if (session_ != nullptr) session_->Stop();
  session_.reset();
  const auto quit = RunAndWait(work_loop_, kStopBound, [this] {
    work_loop_.Quit();
    return true;
  });
  if (!quit.has_value()) {
    log::Error("the work thread hangs; ending without it");
    std::_Exit(static_cast<int>(ExitCode::kInternal));
  }
  work_thread_.join();
}

void Server::Listen(UnixListener listener) {
  listener_.emplace(std::move(listener));
  WatchListener();
}

void Server::WatchListener() {
  watch_ = std::make_unique<AcceptWatch>(
      loop_, *listener_, [this](UniqueFd socket) { OnConnection(std::move(socket)); });
}

void Server::Serve(UniqueFd socket) {
  log::Info("a frontend is connected", {{"pid", PeerPid(socket.get())}});
  session_ = FrontendSession::Create(loop_, work_loop_, stats_, factory_, std::move(socket));
  session_->Start([this](const absl::Status& why) { OnSessionEnd(why); });
}

void Server::OfferScreenshots(UnixListener listener) {
  screenshots_ = std::make_unique<ScreenshotPort>(
      loop_, std::move(listener), [this](uint32_t head, ScreenshotPort::Done done) {
        if (session_ != nullptr) return session_->TakeScreenshot(head, std::move(done));
        gpu::Screenshot none;
        none.outcome = screenshot::Outcome::kNoVm;
        done(std::move(none));
      });
}

void Server::OnConnection(UniqueFd socket) {
  if (session_ == nullptr) return Serve(std::move(socket));
  if (refused_limit.Allow()) {
    log::Warning("refused a second frontend: the socket serves one, which is connected",
                 {{"socket", listener_->path()}, {"pid", PeerPid(socket.get())}});
  }
}

void Server::OnSessionEnd(const absl::Status& why) {
  session_.reset();
  if (why.ok()) {
    log::Info("the frontend is gone");
  } else {
    stats_.CountError(StatsError::kFrontendProtocol);
    log::Error("closed the connection to the frontend", {{"why", std::string(why.message())}});
  }
  if (options_.persistent && listener_) return;
  on_end_(why);
}

}  // namespace rendercar::server
