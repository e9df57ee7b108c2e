// The sidecars of this node, found in the session directories, asked over the socket that each
// serves there. Pods own those directories: nothing in them is trusted.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/channel.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "node/session_dirs.h"
#include "rendercar/v1/session_service.grpc.pb.h"

namespace rendercar::node {

// A pod may not make the agent hold more than this.
inline constexpr int kMaxSidecarMessageBytes = 256 << 10;
inline constexpr size_t kMaxSidecarSessions = 8;  // of one share
inline constexpr size_t kMaxScreenshotBytes = size_t{64} << 20;
inline constexpr std::chrono::milliseconds kSidecarPatience{2000};

// Connects to the socket in `directory`; never follows a link out of it.
absl::StatusOr<std::shared_ptr<grpc::Channel>> ConnectSidecar(const std::string& directory);

// "shares/{share}/sessions/{session}".
struct SessionPlace {
  std::string share;
  std::string session;  // "sessions/{session}", as the sidecar calls it
};
// INVALID_ARGUMENT when `name` is not of that form.
absl::StatusOr<SessionPlace> ParseSessionName(const std::string& name);

// The sessions of all of `directories`, asked at the same time, renamed as a node names them. A
// sidecar that does not answer until the deadline adds none.
std::vector<v1::Session> ListSidecarSessions(const std::vector<SessionDirs::Current>& directories,
                                             std::chrono::system_clock::time_point deadline);

// `session` as its sidecar tells it, made fit to be told on: its name, the share that it really is
// in. False when its name is none.
bool Adopt(const std::string& share, v1::Session& session);

}  // namespace rendercar::node
