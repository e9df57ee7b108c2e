// The successor's side of a hand-over (handover_wire.h).
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "backend/server/handover_wire.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::server {

// Blocks, with bounds; before anything of a VM is touched.
class Predecessor {
 public:
  // Before the sandbox closes: connecting is denied afterwards.
  static absl::StatusOr<Predecessor> Connect(const std::string& path);

  struct Left {
    Unpacked unpacked;
    wire::TakenFds fds;
  };
  // Asks for the state; from then on the VM waits. FailedPrecondition or Unavailable, in its words,
  // when the predecessor refuses.
  absl::StatusOr<Left> AskForState();
  // It goes on itself.
  void Refuse(const std::string& why);
  // OK: the VM is this process's, and the predecessor touches nothing any more. Else it is the
  // predecessor's still.
  absl::Status TakeOver();

 private:
  explicit Predecessor(UniqueFd socket) : socket_(std::move(socket)) {}
  absl::Status Send(const handover::Message& message);
  // The next message, which must be of this kind, with what came beside it.
  absl::StatusOr<handover::Message> Await(handover::Kind kind, std::vector<UniqueFd>& fds);

  UniqueFd socket_;
};

}  // namespace rendercar::server
