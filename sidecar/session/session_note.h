// What a control process leaves for its successor about one session.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

#include "common/status.h"
#include "sidecar/session/session.h"

namespace rendercar::sidecar {

struct SessionNote {
  SessionSpec spec;  // with defaults filled in
  std::chrono::system_clock::time_point create_time;
  std::deque<SessionEvent> events;
  bool came_up = false;   // the first backend did
  bool listened = false;  // this one does
  bool stopping = false;
  uint64_t restarts = 0;
  uint64_t memory_kills = 0;
  uint64_t upgrades = 0;
  uint64_t failed_upgrades = 0;
  std::string program;  // of the backend, where an upgrade named another; else empty
};

// The key of a session's note and the name of its child.
std::string SessionKey(const std::string& name);
bool IsSessionKey(const std::string& key);

// JSON, with a version; fields that a reader does not know are ignored.
std::string ToText(const SessionNote& note);
absl::StatusOr<SessionNote> SessionNoteFrom(const std::string& text);

}  // namespace rendercar::sidecar
