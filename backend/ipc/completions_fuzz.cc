// The device's side of the rings against any bytes and any indexes that a renderer might write: no
// token comes back twice, none that was not awaited.
// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <cstring>
#include <set>

#include "backend/ipc/completion_reader.h"
#include "tests/fuzz_input.h"

namespace rendercar::ipc {
namespace {

constexpr size_t kRingBytes = 4096;

struct World {
  UniqueFd command_fd = *CreateRingMemory("commands", kRingBytes);
  UniqueFd completion_fd = *CreateRingMemory("completions", kRingBytes);
  RingProducer commands{*RingMemory::Map(command_fd.get(), Mapping::Access::kReadWrite)};
  // The renderer's views: it may write anywhere.
  RingMemory commands_there = *RingMemory::Map(command_fd.get(), Mapping::Access::kReadWrite);
  RingMemory completions_there = *RingMemory::Map(completion_fd.get(), Mapping::Access::kReadWrite);
  CompletionReader reader{
      RingConsumer(*RingMemory::Map(completion_fd.get(), Mapping::Access::kReadOnly))};
  InFlight in_flight;
  std::set<uint64_t> awaited;
  uint64_t last_token = 0;

  void Command(uint8_t completion) {
    if (in_flight.full() || !commands.Refresh() || commands.free_bytes() < kRecordAlign) return;
    const auto kind = static_cast<gpu::Completion>(completion % 3);
    if (kind != gpu::Completion::kNone) awaited.insert(++last_token);
    in_flight.Add(last_token, 1, kind, commands.tail() + kRecordAlign);
    commands.Commit(kRecordAlign);
  }
  // False: the renderer was found out.
  bool Collect() {
    std::deque<LinkEvent> events;
    const bool ok = reader.Collect(commands, in_flight, events).ok();
    for (const LinkEvent& event : events) {
      const auto* completed = std::get_if<Completed>(&event);
      if (completed != nullptr && awaited.erase(completed->token) == 0) __builtin_trap();
    }
    return ok;
  }
};

bool Step(World& world, FuzzInput& input) {
  auto& tail = world.completions_there.indexes().tail;
  switch (input.Take<uint8_t>() % 6) {
    case 0:
      world.Command(input.Take<uint8_t>());
      return true;
    case 1: {  // a record as it should be, with values from the input
      const CompletionRecord record{input.Take<uint8_t>(), input.Take<uint8_t>(),
                                    input.Take<uint8_t>()};
      std::memcpy(world.completions_there.At(tail, sizeof(record)).data(), &record, sizeof(record));
      tail += sizeof(record);
      return true;
    }
    case 2: {  // any record
      const auto record = input.Take<CompletionRecord>();
      std::memcpy(world.completions_there.At(tail, sizeof(record)).data(), &record, sizeof(record));
      tail += sizeof(record);
      return true;
    }
    case 3:
      tail = input.Take<uint64_t>();
      return true;
    case 4:
      world.commands_there.indexes().head += input.Take<uint16_t>();
      return true;
    default:
      return world.Collect();
  }
}

}  // namespace
}  // namespace rendercar::ipc

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace rendercar::ipc;
  World world;
  rendercar::FuzzInput input({data, size});
  bool going = true;
  while (going && !input.empty()) going = Step(world, input);
  if (going) world.Collect();
  // What is left is exactly what was awaited and did not come.
  for (const uint64_t token : world.in_flight.TakeAwaited()) {
    if (world.awaited.erase(token) == 0) __builtin_trap();
  }
  if (!world.awaited.empty()) __builtin_trap();
  return 0;
}
