// A renderer that is wrong in one way, named by its first argument: what a compromised or broken
// one might do to the device process.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "backend/ipc/control.h"
#include "backend/ipc/export_message.h"
#include "backend/ipc/records.h"
#include "backend/ipc/ring.h"
#include "common/shared_memory.h"

namespace rendercar::ipc {
namespace {

struct Ends {
  RingConsumer commands;
  RingProducer completions;

  void Write(CompletionKind kind, uint64_t seq, uint32_t value) {
    const CompletionRecord record{seq, static_cast<uint32_t>(kind), value};
    std::memcpy(completions.Reserve(sizeof(record)).data(), &record, sizeof(record));
    completions.Commit(sizeof(record));
    Ring();
  }
  void Ring() {
    const uint64_t one = 1;
    (void)!::write(kDoorbellFd, &one, sizeof(one));
  }
  void AwaitCommands(uint64_t bytes) {
    while (commands.indexes().tail.load() < bytes) ::usleep(500);
  }
  void Ready() { Write(CompletionKind::kReady, kProtocolMagic, 0); }
  void ReadyAndCommanded() {
    Ready();
    AwaitCommands(1);
  }
};

void CompleteUnknown(Ends& ends) { ends.Write(CompletionKind::kComplete, 999, 0); }
void UnknownResult(Ends& ends) { ends.Write(CompletionKind::kComplete, 1, 77); }
void UnknownKind(Ends& ends) { ends.Write(static_cast<CompletionKind>(99), 1, 0); }
void ClaimDeath(Ends& ends) {
  ends.Write(CompletionKind::kComplete, 1, static_cast<uint32_t>(gpu::RenderResult::kRendererDied));
}
void ReadyTwice(Ends& ends) { ends.Ready(); }
void CompleteTwice(Ends& ends) {
  ends.Write(CompletionKind::kComplete, 1, 0);
  ends.Write(CompletionKind::kComplete, 1, 0);
}
void CompleteBackwards(Ends& ends) {
  ends.AwaitCommands(3 * kRecordAlign);
  ends.Write(CompletionKind::kComplete, 2, 0);
  ends.Write(CompletionKind::kComplete, 1, 0);
}
void ImpossibleHead(Ends& ends) {
  ends.commands.indexes().head.store(uint64_t{1} << 60);
  ends.Ring();
}
void ImpossibleTail(Ends& ends) {
  ends.completions.indexes().tail.store(uint64_t{1} << 60);
  ends.Ring();
}
void CrookedTail(Ends& ends) {
  ends.completions.indexes().tail.fetch_add(8);
  ends.Ring();
}
void Garbage(Ends& ends) {
  const auto room = ends.completions.Reserve(ends.completions.free_bytes());
  for (std::byte& b : room) b = static_cast<std::byte>(std::rand());
  ends.completions.Commit(room.size());
  ends.Ring();
}
// Says that contexts failed, without end, so that the device is kept reading and remembering.
void FloodContextErrors(Ends& ends) {
  const CompletionRecord record{0, static_cast<uint32_t>(CompletionKind::kContextError), 5};
  for (;;) {
    while (ends.completions.free_bytes() < sizeof(record))
      if (!ends.completions.Refresh()) return;
    std::memcpy(ends.completions.Reserve(sizeof(record)).data(), &record, sizeof(record));
    ends.completions.Commit(sizeof(record));
    if (ends.completions.TakeSleeper()) ends.Ring();
  }
}
// Memory for the first command, as if it were an ExportScanout.
void ExportTo(Ends& ends, uint64_t seq, UniqueFd fd) {
  gpu::ExportedBuffer buffer;
  buffer.fd = std::move(fd);
  buffer.width = buffer.height = 16;
  buffer.stride_bytes = 64;
  SendExport(kControlFd, seq, buffer).IgnoreError();
  ends.Write(CompletionKind::kComplete, 1, 0);
}
void Export(Ends& ends) { ExportTo(ends, 1, *CreateSealedMemory("exported", 1024)); }
void ExportToOthers(Ends& ends) { ExportTo(ends, 2, *CreateSealedMemory("exported", 1024)); }
void ExportAFile(Ends& ends) {
  ExportTo(ends, 1, UniqueFd(::open("/etc/passwd", O_RDONLY | O_CLOEXEC)));
}
// Tries to make the device's doorbell block whoever touches it.
void StuffDoorbell(Ends&) {
  ::fcntl(kDoorbellFd, F_SETFL, 0);
  const uint64_t most = ~uint64_t{0} - 1;
  uint64_t ignored = 0;
  (void)!::read(kDoorbellFd, &ignored, sizeof(ignored));
  (void)!::write(kDoorbellFd, &most, sizeof(most));
}
// Claims to sleep again and again, so that the device wakes it until the socket is full.
void SleepForever(Ends& ends) {
  for (;;) ends.commands.indexes().consumer_sleeps.store(1);
}

const std::map<std::string, std::function<void(Ends&)>>& AfterFirstCommand() {
  static const std::map<std::string, std::function<void(Ends&)>> behaviours{
      {"complete-unknown", CompleteUnknown},
      {"unknown-result", UnknownResult},
      {"unknown-kind", UnknownKind},
      {"claim-death", ClaimDeath},
      {"ready-twice", ReadyTwice},
      {"complete-twice", CompleteTwice},
      {"complete-backwards", CompleteBackwards},
      {"impossible-head", ImpossibleHead},
      {"impossible-tail", ImpossibleTail},
      {"crooked-tail", CrookedTail},
      {"garbage", Garbage},
      {"flood-context-errors", FloodContextErrors},
      {"export", Export},
      {"export-nothing", [](Ends& ends) { ends.Write(CompletionKind::kComplete, 1, 0); }},
      {"export-a-file", ExportAFile},
      {"export-to-others", ExportToOthers},
      {"stuff-doorbell", StuffDoorbell},
      {"sleep-forever", SleepForever},
      {"never-consume", [](Ends&) {}}};
  return behaviours;
}

int Main(const std::string& behaviour) {
  if (behaviour == "exit-at-start") return 3;
  if (behaviour == "abort-at-start") std::abort();
  Ends ends{RingConsumer(*RingMemory::Map(kCommandRingFd, Mapping::Access::kReadOnly)),
            RingProducer(*RingMemory::Map(kCompletionRingFd, Mapping::Access::kReadWrite))};
  if (behaviour == "ready-and-idle") {
    ends.Ready();
  } else if (behaviour == "wrong-version") {
    ends.Write(CompletionKind::kReady, 4711, 0);
  } else if (behaviour != "never-ready") {
    ends.ReadyAndCommanded();
    AfterFirstCommand().at(behaviour)(ends);
  }
  for (;;) ::pause();
}

}  // namespace
}  // namespace rendercar::ipc

int main(int argc, char** argv) { return argc < 2 ? 64 : rendercar::ipc::Main(argv[1]); }
