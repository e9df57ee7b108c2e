// Reads what a renderer writes: the device's side of the completion ring. Everything in it is
// hostile.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <variant>

#include "backend/ipc/in_flight.h"
#include "backend/ipc/records.h"
#include "backend/ipc/ring.h"

namespace rendercar::ipc {

// What a renderer has to say, in order.
struct Completed {
  uint64_t token = 0;
  gpu::RenderResult result = gpu::RenderResult::kOk;
  std::shared_ptr<const gpu::ExportedBuffer> exported = nullptr;
};
struct ContextFailed {
  uint32_t ctx_id = 0;
};
using LinkEvent = std::variant<Completed, ContextFailed, gpu::RendererDeath>;

class CompletionReader {
 public:
  explicit CompletionReader(RingConsumer completions) : completions_(std::move(completions)) {}

  // Takes everything that waits and announces sleep; `commands` (the other ring) is looked at too,
  // so that `in_flight` knows what was consumed. DataLoss, in words, for anything impossible; what
  // came before it has been appended to `events`. It ends, and `events` stays small, whatever the
  // renderer writes meanwhile: news that no completion is (context errors, memory tables) may come
  // no more often than commands do.
  absl::Status Collect(RingProducer& commands, InFlight& in_flight, std::deque<LinkEvent>& events);

  // The renderer has set itself up.
  bool ready() const { return ready_; }
  // The generation of the memory table that it uses.
  uint64_t memory_in_use() const { return memory_in_use_; }
  // Records that were taken.
  uint64_t seen() const { return seen_; }

 private:
  absl::Status Take(const CompletionRecord& record, InFlight& in_flight,
                    std::deque<LinkEvent>& events);
  absl::Status TakeNews(const InFlight& in_flight);

  RingConsumer completions_;
  bool ready_ = false;
  uint64_t memory_in_use_ = 0;
  uint64_t seen_ = 0;
  uint64_t news_left_ = 0;      // pieces of news that may come before the next command
  uint64_t counted_until_ = 0;  // the sequence number up to which commands were counted for it
};

}  // namespace rendercar::ipc
