// The vhost-user server: one frontend at a time on a listening socket or on one given socket, a
// second one is refused. Protocol thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <thread>

#include "backend/server/device_worker.h"
#include "backend/server/frontend_session.h"
#include "backend/server/handover_port.h"
#include "backend/server/screenshot_port.h"
#include "common/accept_watch.h"
#include "common/epoll_loop.h"
#include "common/stats_page.h"
#include "common/status.h"
#include "common/unix_socket.h"

namespace rendercar::server {

class Server final : private Heritage {
 public:
  struct Options {
    bool persistent = false;  // go on listening after a frontend
  };
  // Called on `loop` when there is nothing more to serve: OK after a frontend that closed its
  // socket, else what it did wrong.
  using EndHandler = absl::AnyInvocable<void(absl::Status)>;

  // `loop` runs the calling thread and outlives the server, which starts the work thread.
  Server(EventLoop& loop, StatsWriter& stats, DeviceFactory factory, Options options,
         EndHandler on_end);
  // Ends session and work thread; takes at most a second.
  ~Server() override;
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Serves frontends that connect; the listener is this object's.
  void Listen(UnixListener listener);
  // Serves the frontend at the other end of `socket`.
  void Serve(UniqueFd socket);
  // From now on whoever connects there (own uid, root) may ask for screenshots.
  void OfferScreenshots(UnixListener listener);
  // From now on a successor process (own uid, root) may ask there for all of it: `on_handed_over`
  // is called then, and this process must end at once, without destructors.
  void OfferHandover(UnixListener listener, absl::AnyInvocable<void()> on_handed_over);

  // In the successor, before anything else: goes on with the predecessor's frontend, if it had one.
  // It is frozen until Begin. InvalidArgument or FailedPrecondition, in words, when that cannot be.
  absl::Status Restore(ServerState& state, wire::TakenFds& fds, std::span<const std::byte> pixels);
  void Begin();

 private:
  absl::StatusOr<Frozen> Freeze() override;
  void Thaw() override;
  void WatchListener();
  void OnConnection(UniqueFd socket);
  void OnSessionEnd(const absl::Status& why);

  EventLoop& loop_;
  StatsWriter& stats_;
  DeviceFactory factory_;
  const Options options_;
  EndHandler on_end_;
  std::optional<UnixListener> listener_;
  std::unique_ptr<AcceptWatch> watch_;
  EpollLoop work_loop_;
  std::thread work_thread_;
  std::shared_ptr<FrontendSession> session_;
  std::unique_ptr<ScreenshotPort> screenshots_;
  std::unique_ptr<HandoverPort> handovers_;
};

}  // namespace rendercar::server
