// A renderer that does what a test tells it to.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "backend/gpu/renderer.h"

namespace rendercar::gpu {

class FakeRenderer final : public Renderer {
 public:
  struct Submitted {
    RenderCommand command;  // its spans are not valid any more; see `stream` and `ranges`
    Completion completion = Completion::kNone;
    Timeline timeline;
    uint64_t token = 0;
    std::vector<std::byte> stream;  // of SUBMIT_3D
    std::vector<GuestRange> ranges;
  };

  void SetClient(RendererClient* client) override { client_ = client; }
  absl::Status Start() override {
    if (turned_off) return absl::UnavailableError("turned off");
    if (!start_status.ok()) return start_status;
    running_ = true;
    ++starts;
    return absl::OkStatus();
  }
  bool running() const override { return running_; }
  bool off() const override { return turned_off; }
  void SetMemory(std::shared_ptr<const guest::GuestMemory>) override { ++memory_tables; }
  absl::StatusOr<std::unique_ptr<SharedPixels>> AllocatePixels(size_t size_bytes) override {
    auto pixels = std::make_unique<Pixels>(*this, ++last_pixels_id_, size_bytes);
    pixels_[pixels->id()] = pixels.get();
    return pixels;
  }
  absl::Status Submit(const RenderCommand& command, Completion completion, const Timeline& timeline,
                      uint64_t token) override {
    if (!running_) return absl::UnavailableError("not running");
    if (room == 0) return absl::ResourceExhaustedError("no room");
    if (room > 0) --room;
    Submitted submitted{command, completion, timeline, token, {}, {}};
    if (const auto* submit = std::get_if<Submit3d>(&command)) {
      for (const auto& part : submit->parts)
        submitted.stream.insert(submitted.stream.end(), part.begin(), part.end());
    } else if (const auto* attach = std::get_if<AttachBacking>(&command)) {
      submitted.ranges.assign(attach->ranges.begin(), attach->ranges.end());
    } else if (const auto* blob = std::get_if<CreateBlob>(&command)) {
      submitted.ranges.assign(blob->ranges.begin(), blob->ranges.end());
    }
    log.push_back(submitted);
    if (completion != Completion::kNone) in_flight.push_back(std::move(submitted));
    return absl::OkStatus();
  }
  bool busy() override { return !in_flight.empty(); }
  void Flush() override { ++flushes; }
  void Reset() override {
    CompleteAll(RenderResult::kRendererDied);
    running_ = false;
    log.clear();
  }
  void Quiesce(int) override {
    if (!hangs) return CompleteAll(RenderResult::kOk);
    if (running_) Die({RendererDeath::Kind::kHung, 0, "does not answer", 0});
  }

  // What the test makes happen.
  void CompleteAt(size_t index, RenderResult result = RenderResult::kOk) {
    const Submitted done = std::move(in_flight[index]);
    in_flight.erase(in_flight.begin() + static_cast<ptrdiff_t>(index));
    if (const auto* read = std::get_if<ReadPixels>(&done.command)) Paint(*read);
    if (const auto* wanted = std::get_if<ExportScanout>(&done.command)) {
      const auto found = exports.find(wanted->resource_id);
      if (found == exports.end()) {
        result = result == RenderResult::kOk ? RenderResult::kRefused : result;
      } else if (result == RenderResult::kOk) {
        client_->OnExported(done.token, found->second);
      }
    }
    client_->OnComplete(done.token, result);
  }
  void CompleteFirst(RenderResult result = RenderResult::kOk) { CompleteAt(0, result); }
  // Those in flight now, not those that follow.
  void CompleteAll(RenderResult result = RenderResult::kOk) {
    for (size_t left = in_flight.size(); left > 0; --left) CompleteFirst(result);
  }
  void Die(const RendererDeath& death = {}) {
    running_ = false;
    log.clear();
    CompleteAll(RenderResult::kRendererDied);
    client_->OnRendererDied(death);
  }
  void MakeRoom(int for_commands = -1) {
    room = for_commands;
    client_->OnWritable();
  }

  template <typename Command>
  std::vector<Submitted> Logged() const {
    std::vector<Submitted> found;
    for (const Submitted& one : log) {
      if (std::holds_alternative<Command>(one.command)) found.push_back(one);
    }
    return found;
  }

  absl::Status start_status;
  bool hangs = false;
  bool turned_off = false;
  int room = -1;  // commands that are taken yet; -1: any number
  int starts = 0, flushes = 0, memory_tables = 0;
  std::vector<Submitted> log;                                         // of the renderer that runs
  std::vector<Submitted> in_flight;                                   // that a completion is due of
  std::map<uint32_t, std::shared_ptr<const ExportedBuffer>> exports;  // by resource
  std::map<uint32_t, uint32_t> colours;                               // of each resource's pixels

 private:
  class Pixels final : public SharedPixels {
   public:
    Pixels(FakeRenderer& owner, uint32_t id, size_t size) : owner_(owner), id_(id), bytes_(size) {}
    ~Pixels() override { owner_.pixels_.erase(id_); }
    uint32_t id() const override { return id_; }
    std::span<const std::byte> bytes() const override { return bytes_; }
    std::vector<std::byte>& writable() { return bytes_; }

   private:
    FakeRenderer& owner_;
    const uint32_t id_;
    std::vector<std::byte> bytes_;
  };
  void Paint(const ReadPixels& read) {
    const auto found = pixels_.find(read.pixels_id);
    if (found == pixels_.end()) return;
    const uint32_t colour = colours[read.resource_id];
    for (uint32_t y = 0; y < read.box.h; ++y) {
      for (uint32_t x = 0; x < read.box.w; ++x) {
        const size_t at = read.offset_bytes + size_t{y} * read.stride_bytes + size_t{4} * x;
        RC_CHECK(at + 4 <= found->second->bytes().size(), "a read outside its pixels");
        std::memcpy(found->second->writable().data() + at, &colour, 4);
      }
    }
  }

  RendererClient* client_ = nullptr;
  bool running_ = false;
  uint32_t last_pixels_id_ = 0;
  std::map<uint32_t, Pixels*> pixels_;
};

}  // namespace rendercar::gpu
