// QEMU's end of the display socket: a thread that answers what the backend asks, keeps a picture of
// each scanout and notes every breach of the protocol.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "common/status.h"
#include "common/unique_fd.h"
#include "tests/frontend/display_wire.h"
#include "tests/frontend/picture.h"

namespace rendercar::frontend {

struct DisplayOptions {
  struct Head {
    uint32_t width = 1280, height = 800;
    bool enabled = true;
  };
  std::vector<Head> heads = {Head{}};
  uint64_t protocol_features = 3;  // EDID and DMABUF2, as QEMU 10; 0: QEMU 7.2
};

// What the display knows at one moment.
struct DisplayState {
  std::map<uint32_t, Picture> scanouts;  // what a person sees, by scanout id
  struct Cursor {
    uint32_t x = 0, y = 0, hot_x = 0, hot_y = 0;
    bool visible = false;
    std::vector<uint32_t> pixels;
  };
  std::map<uint32_t, Cursor> cursors;
  std::map<uint32_t, uint64_t> messages;  // how many of each VHOST_USER_GPU_ request
  uint64_t pixels = 0;                    // in UPDATE messages
  uint64_t largest_message = 0;           // bytes
  uint64_t protocol_features = 0;         // as the backend chose them
  std::vector<std::string> breaches;      // what QEMU would refuse, in words
  bool backend_closed = false;
};

class DisplayEnd {
 public:
  static absl::StatusOr<std::unique_ptr<DisplayEnd>> Create(const DisplayOptions& options);
  ~DisplayEnd();
  DisplayEnd(const DisplayEnd&) = delete;
  DisplayEnd& operator=(const DisplayEnd&) = delete;

  // The descriptor for GPU_SET_SOCKET; ours to give once.
  UniqueFd TakePeer() { return std::move(peer_); }

  // Stops reading between two messages, as QEMU does while it waits for a vhost-user reply; what is
  // in flight stays in the socket.
  void Pause();
  void Resume();
  // A copy of what is known now.
  DisplayState state() const;
  // Waits until `done` holds of the state; false after `timeout`.
  bool WaitFor(const std::function<bool(const DisplayState&)>& done,
               std::chrono::milliseconds timeout = std::chrono::seconds(20)) const;
  // Waits until the picture of `scanout` is `wanted`.
  bool WaitForPicture(uint32_t scanout, const Picture& wanted) const;
  // Sends bytes that nobody asked for.
  absl::Status SendRaw(std::span<const std::byte> bytes);

 private:
  DisplayEnd(const DisplayOptions& options, UniqueFd socket, UniqueFd peer, UniqueFd stop);
  void Run();
  bool ReadMessage();
  bool ReadExactly(std::span<std::byte> out, std::vector<UniqueFd>* fds);
  bool Dispatch(const VhostUserGpuHeader& header, std::span<const std::byte> payload);
  bool Reply(uint32_t request, std::span<const std::byte> payload);
  bool AnswerDisplayInfo();
  bool AnswerEdid(std::span<const std::byte> payload);
  void Show(std::span<const std::byte> payload);
  void SetScanout(std::span<const std::byte> payload);
  void MoveCursor(std::span<const std::byte> payload, bool visible);
  void UpdateCursor(std::span<const std::byte> payload);
  void Breach(std::string what);

  const DisplayOptions options_;
  UniqueFd socket_, peer_, stop_;
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  DisplayState state_;
  bool paused_ = false, stopping_ = false, in_message_ = false;
  std::vector<std::byte> buffer_;
  std::thread thread_;
};

}  // namespace rendercar::frontend
