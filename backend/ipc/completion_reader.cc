// Reads what a renderer writes.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/completion_reader.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace rendercar::ipc {
namespace {

absl::Status Broken(const std::string& what) {
  return absl::DataLossError(absl::StrCat("the renderer ", what));
}

}  // namespace

absl::Status CompletionReader::Collect(RingProducer& commands, InFlight& in_flight,
                                       std::deque<LinkEvent>& events) {
  do {
    completions_.EndSleep();
    const auto readable = completions_.Peek();
    if (!readable.has_value() || readable->size() % sizeof(CompletionRecord) != 0)
      return Broken("moved its completion ring's index to an impossible place");
    if (!commands.Refresh()) return Broken("moved its ring index to where nothing was written");
    for (size_t at = 0; at < readable->size(); at += sizeof(CompletionRecord)) {
      CompletionRecord record{};  // copied once: the bytes may change under us
      std::memcpy(&record, readable->data() + at, sizeof(record));
      RC_RETURN_IF_ERROR(Take(record, in_flight, events));
    }
    completions_.Consume(readable->size());
    in_flight.Advance(commands.head());
  } while (!completions_.PrepareSleep());
  return absl::OkStatus();
}

absl::Status CompletionReader::TakeNews(const InFlight& in_flight) {
  const uint64_t next = in_flight.next_seq();
  news_left_ = std::min<uint64_t>(news_left_ + (next - counted_until_), InFlight::kMaxRecords);
  counted_until_ = next;
  if (news_left_ == 0) return Broken("has more to say than it was given commands");
  --news_left_;
  return absl::OkStatus();
}

absl::Status CompletionReader::Take(const CompletionRecord& record, InFlight& in_flight,
                                    std::deque<LinkEvent>& events) {
  ++seen_;
  switch (static_cast<CompletionKind>(record.kind)) {
    case CompletionKind::kReady:
      if (ready_ || record.seq != kProtocolMagic) return Broken("speaks another protocol version");
      ready_ = true;
      return absl::OkStatus();
    case CompletionKind::kComplete: {
      if (record.value > static_cast<uint32_t>(gpu::RenderResult::kNoMemory))
        return Broken("completed a command with an unknown result");
      const auto token = in_flight.Complete(record.seq);
      if (!token.has_value())
        return Broken(absl::StrCat("completed command ", record.seq, " that was not to complete"));
      events.emplace_back(Completed{*token, static_cast<gpu::RenderResult>(record.value)});
      return absl::OkStatus();
    }
    case CompletionKind::kContextError:
      RC_RETURN_IF_ERROR(TakeNews(in_flight));
      events.emplace_back(ContextFailed{record.value});
      return absl::OkStatus();
    case CompletionKind::kMemoryInUse:
      RC_RETURN_IF_ERROR(TakeNews(in_flight));
      memory_in_use_ = record.seq;
      return absl::OkStatus();
  }
  return Broken(absl::StrCat("wrote an unknown completion of kind ", record.kind));
}

}  // namespace rendercar::ipc
