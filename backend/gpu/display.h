// What the guest's heads show, brought to the display socket: scanouts, cursors, and the questions
// that only the frontend can answer.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/functional/any_invocable.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backend/gpu/cursor.h"
#include "backend/gpu/display_channel.h"
#include "backend/gpu/dmabuf_head.h"
#include "backend/gpu/scanout.h"
#include "common/event_loop.h"
#include "common/stats_page.h"
#include "common/unique_fd.h"

namespace rendercar::gpu {

// Work thread only. Never blocks: a viewer that does not read costs nothing but damage that is
// kept, at most one unsent picture a head.
class Display {
 public:
  struct Options {
    bool headless = false;  // every head is reported disabled and nothing is shown
    bool dmabufs = false;   // pictures in GPU memory may be shown as they are
    // Of pixels; 0: no limit. After a frame that took more, the next waits and damage is merged.
    uint64_t bytes_per_second = 0;
  };
  Display(EventLoop& loop, StatsWriter& stats, Options options);

  // A new socket: every head and cursor is announced and shown again.
  void SetSocket(UniqueFd socket);

  void SetScanout(uint32_t id, std::shared_ptr<Surface> surface, const Rect& rect);
  void DisableScanout(uint32_t id);
  // Shows all of a picture in GPU memory, without a copy.
  void SetDmabuf(uint32_t id, std::shared_ptr<const ExportedBuffer> buffer);
  bool shows_dmabuf(uint32_t id) const { return heads_[id].dmabuf.shown(); }
  // RESOURCE_FLUSH of a part of it; at most one update a head waits for its viewer.
  void FlushDmabuf(uint32_t id, const Rect& rect);
  const Scanout& scanout(uint32_t id) const { return heads_[id].scanout; }
  // Tiles that were noted in surface.changed(), all within `rect`, are taken over by the heads that
  // show it.
  void NoteChanges(Surface& surface, const Rect& rect);
  // RESOURCE_FLUSH of `rect` of a surface.
  void Flush(const Surface& surface, const Rect& rect);

  // UPDATE_CURSOR; null image: hidden.
  void SetCursor(const virtio_gpu_cursor_pos& pos, uint32_t hot_x, uint32_t hot_y,
                 std::unique_ptr<CursorImage> image);
  void MoveCursor(const virtio_gpu_cursor_pos& pos);

  using InfoHandler = absl::AnyInvocable<void(const virtio_gpu_resp_display_info&)>;
  using EdidHandler = absl::AnyInvocable<void(const std::optional<virtio_gpu_resp_edid>&)>;
  // Asks the frontend; answered with what is known when it cannot say. May answer at once.
  void GetDisplayInfo(InfoHandler handler);
  // nullopt: there is no such scanout.
  void GetEdid(uint32_t scanout_id, EdidHandler handler);
  // Answers every question that is open with what is known.
  void AnswerNow();

  // Sends what there is room for. A frame after an idle time goes out at once, the next not before
  // kFrameInterval: what is flushed meanwhile is merged into it.
  void Pump();
  static constexpr std::chrono::milliseconds kFrameInterval{8};
  // Nothing is sent or taken between the two.
  void Freeze();
  void Thaw();
  // Of a frozen one. Surfaces are the device's to number: `number_of` does.
  void Save(DeviceState& state, wire::LeftFds& fds,
            absl::FunctionRef<uint32_t(const std::shared_ptr<Surface>&)> number_of) const;
  // In a frozen successor; `surface_of` is null for a number that is none.
  absl::Status Restore(DeviceState& state, UniqueFd socket,
                       absl::FunctionRef<std::shared_ptr<Surface>(uint32_t)> surface_of);

  // Forgets heads and cursors; the socket stays.
  void Reset();

 private:
  struct Head {
    Scanout scanout;
    Cursor cursor;
    uint32_t announced_width = 0, announced_height = 0;  // on this socket
    DmabufHead dmabuf;
  };
  struct Question {
    uint64_t id;
    std::optional<uint32_t> edid_of;  // else: display info
    InfoHandler info;
    EdidHandler edid;
  };

  absl::Status RestoreHead(const HeadState& state, Head& head,
                           const std::shared_ptr<Surface>& surface);
  void OnProtocolFeatures(std::span<const std::byte> payload);
  void SendFeatures();
  void Ask(Question& question);
  std::optional<Question> TakeQuestion(uint64_t id);
  void OnDisplayInfo(uint64_t id, std::span<const std::byte> payload);
  void OnEdid(uint64_t id, std::span<const std::byte> payload, bool skipped);
  virtio_gpu_resp_edid OwnEdid(uint32_t scanout_id) const;

  bool HasNews() const;
  void BeginFrame();
  void EndFrame();
  bool SendFrame();
  bool PumpHead(uint32_t id);
  bool Announce(uint32_t id);
  bool SendCursor(uint32_t id);
  bool SendPart(uint32_t id);
  // display_dmabufs.cc
  bool PumpDmabuf(uint32_t id);
  bool AnnounceDmabuf(uint32_t id);
  void UpdateDmabuf(uint32_t id);
  void LeaveDmabuf(Head& head);

  EventLoop& loop_;
  StatsWriter& stats_;
  const Options options_;
  DisplayChannel channel_;
  uint32_t epoch_ = 0;       // of the socket
  bool negotiated_ = false;  // the frontend's features are known
  bool features_unsent_ = false;
  uint64_t protocol_features_ = 0;
  std::array<Head, VIRTIO_GPU_MAX_SCANOUTS> heads_;
  bool frozen_ = false;
  bool frame_open_ = false;  // a frame is being sent
  uint64_t frame_bytes_ = 0;
  bool holding_ = false;    // the last frames took more than the bandwidth allows
  bool cooling_ = false;    // the last one began less than kFrameInterval ago
  uint32_t next_head_ = 0;  // where Pump goes on, so that no head starves another
  std::vector<Question> questions_;
  uint64_t next_question_ = 1;
  virtio_gpu_resp_display_info info_{};  // the last known
  std::shared_ptr<Display*> alive_;      // for timers that outlive this
};

}  // namespace rendercar::gpu
