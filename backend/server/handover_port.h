// Where a successor process asks for the VM of this one (handover_wire.h). Protocol thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include <memory>
#include <string>
#include <vector>

#include "backend/server/handover_wire.h"
#include "common/accept_watch.h"
#include "common/event_loop.h"
#include "common/unix_socket.h"

namespace rendercar::server {

// A frozen server: its state in memory, and the descriptors that it names. They are the server's.
struct Frozen {
  UniqueFd memory;
  std::vector<int> fds;
};

// What is handed over.
class Heritage {
 public:
  virtual ~Heritage() = default;
  // Stops everything that touches the VM and describes it. Unavailable, with nothing stopped, when
  // that cannot be now. Takes about 100 ms at most, and what its pixels take to copy.
  virtual absl::StatusOr<Frozen> Freeze() = 0;
  virtual void Thaw() = 0;
};

// Only the own uid and root are answered, one at a time.
class HandoverPort {
 public:
  // `on_handed_over`: the VM is the successor's. This process must end without touching anything of
  // it any more: no destructor may run. All are called on the loop.
  HandoverPort(EventLoop& loop, UnixListener listener, Heritage& heritage,
               absl::AnyInvocable<void()> on_handed_over);
  ~HandoverPort();
  HandoverPort(const HandoverPort&) = delete;
  HandoverPort& operator=(const HandoverPort&) = delete;

  int listener_fd() const { return listener_.fd(); }

 private:
  void OnConnection(UniqueFd socket);
  void OnReadable();
  absl::Status OnHello(const handover::Message& hello);
  absl::Status SendState(const Frozen& frozen);
  void Commit();
  // Goes on as before; `why` for the log, and for the successor if it is still there.
  void GoOn(const std::string& why);
  void GiveUpAfter(std::chrono::milliseconds bound);

  EventLoop& loop_;
  UnixListener listener_;
  Heritage& heritage_;
  absl::AnyInvocable<void()> on_handed_over_;
  UniqueFd successor_;
  bool frozen_ = false;
  uint64_t step_ = 0;  // counts what makes a pending deadline stale
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  std::unique_ptr<AcceptWatch> watch_;
};

}  // namespace rendercar::server
