// What a session is asked to be, and what it is at one moment.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <deque>
#include <string>

#include "sidecar/config/share.h"
#include "sidecar/definition/description.h"

namespace rendercar::sidecar {

struct SessionSpec {
  std::string name;
  std::string share;  // empty: any free one
  bool virgl = true;
  DisplayMode display_mode = DisplayMode::kSecondary;
  uint32_t heads = 1;
  uint32_t width_px = 1280;
  uint32_t height_px = 800;
  uint64_t video_memory_bytes = 0;  // 0: the share's
};

enum class SessionState { kStarting, kReady, kBackingOff, kStopping };

struct SessionEvent {
  std::chrono::system_clock::time_point time;
  std::string reason;   // CamelCase, for scripts
  std::string message;  // one sentence, for people
};

inline constexpr size_t kMaxSessionEvents = 16;

// A session at one moment; a copy that any thread may keep.
struct SessionView {
  SessionSpec spec;  // with defaults filled in
  Share share;
  SessionState state = SessionState::kStarting;
  std::string state_message;
  std::string socket_path;
  std::string vmm_socket_path;  // the same as the VMM's container sees it
  std::string stats_path;       // empty: none
  std::string screenshot_path;  // where its backend is asked for screenshots; empty: nowhere
  std::string handover_path;    // and a newer backend asks it for the VM
  std::string backend_path;     // the program that runs as backend
  pid_t backend_pid = 0;
  pid_t upgrade_pid = 0;  // of a newer backend that is about to take over; 0: none
  uint64_t backend_restarts = 0;
  uint64_t upgrades = 0;         // to a newer backend, with its VM
  uint64_t failed_upgrades = 0;  // after which the backend went on
  uint64_t memory_kills = 0;     // renderers ended because the container came near its limit
  std::chrono::system_clock::time_point create_time;
  std::deque<SessionEvent> events;
};

DeviceDescription Describe(const SessionView& session);

}  // namespace rendercar::sidecar
