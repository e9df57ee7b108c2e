// The statistics page of a session: counters that the backend writes and everybody else only reads,
// in one shared mapping.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "common/shared_memory.h"

namespace rendercar {

// Layout rules: little-endian, 64-bit cells, append only. A reader takes the cells that it knows
// and the page has; a page whose magic or version differs is not read. Writers use relaxed atomic
// adds; readers may see counters of one moment apart. The reader treats the content as hostile: a
// pod can write anything here (only numbers are taken, nothing is followed).

inline constexpr uint64_t kStatsMagic = 0x5453544154534352;  // "RCSTATST"
inline constexpr uint32_t kStatsVersion = 1;

// virtio-gpu commands, by the specification's names. Never reorder.
enum class StatsCommand : uint32_t {
  kGetDisplayInfo,
  kResourceCreate2d,
  kResourceUnref,
  kSetScanout,
  kResourceFlush,
  kTransferToHost2d,
  kResourceAttachBacking,
  kResourceDetachBacking,
  kGetCapsetInfo,
  kGetCapset,
  kGetEdid,
  kResourceAssignUuid,
  kResourceCreateBlob,
  kSetScanoutBlob,
  kCtxCreate,
  kCtxDestroy,
  kCtxAttachResource,
  kCtxDetachResource,
  kResourceCreate3d,
  kTransferToHost3d,
  kTransferFromHost3d,
  kSubmit3d,
  kResourceMapBlob,
  kResourceUnmapBlob,
  kUpdateCursor,
  kMoveCursor,
  kUnknown,
  kCount
};

enum class StatsResult : uint32_t { kOk, kError, kCount };

// What a guest or a frontend did wrong, counted at the event. Never reorder.
enum class StatsError : uint32_t {
  kBadDescriptor,  // a ring or chain that cannot be walked
  kShortCommand,   // fewer bytes than the command has
  kUnknownCommand,
  kInvalidResource,
  kInvalidContext,
  kInvalidScanout,
  kInvalidParameter,
  kOutOfMemory,       // over a limit, or the host has none
  kRendererRefused,   // virglrenderer said no
  kFrontendProtocol,  // a vhost-user message that breaks the protocol
  kDisplayProtocol,   // a display message that breaks the protocol
  kMemoryLost,        // guest memory that went away under a mapping
  kRendererProtocol,  // the renderer wrote something impossible
  kCount
};

// Single counters and gauges. Never reorder.
enum class StatsValue : uint32_t {
  kFrontendConnected,   // gauge, 0 or 1
  kBytes2d,             // counter: bytes of 2D transfers
  kBytes3d,             // counter: bytes of 3D submits and transfers
  kFencesCreated,       // counter
  kFencesSignaled,      // counter
  kFramesShown,         // counter: updates sent to the display socket
  kFramesCoalesced,     // counter: flushes merged into a later update
  kDisplayBytes,        // counter: pixel bytes sent
  kResources,           // gauge
  kResourceBytes,       // gauge: host bytes of all resources
  kContexts,            // gauge
  kRendererUp,          // gauge, 0 or 1; 0 also while no 3D was used
  kRendererStarts,      // counter
  kRendererDeaths,      // counter
  kWatchdogKills,       // counter
  kDeviceResets,        // counter
  kDisplaySockets,      // counter: GPU_SET_SOCKET received
  kQueueNotifications,  // counter: used-buffer notifications sent
  kVirglEnabled,        // gauge, 0 or 1: F_VIRGL offered
  kResourceBytesLimit,  // gauge: what kResourceBytes may reach
  kResourcesLimit,      // gauge
  kContextsLimit,       // gauge
  kRequestsInFlight,    // gauge: requests that wait for the renderer or for an earlier fence
  kQueueStalls,         // counter: times that requests had to be left in the queue
  kFlushedPixels,       // counter: pixels that the guest flushed; of kDisplayBytes / 4 sent
  kSandboxKills,        // counter: renderers that made a forbidden system call
  kRendererThrottles,  // counter: times that the guest had used up its share of the renderer's time
  kDisplayThrottles,   // counter: frames after which the display's bandwidth was used up
  kFailovers,          // counter: times that 3D moved to another render node
  kCount
};

// Durations. Never reorder.
enum class StatsHistogram : uint32_t {
  kCommand2d,     // from a request's arrival to its answer, by kind of command
  kCommand3d,     // also contexts and 3D resources
  kCommandOther,  // queries and the cursor
  kFence,         // from a fenced request's arrival to the fence's signal
  kRecovery,      // from a renderer's death to its successor's having everything
  kCount
};

// Bucket i counts durations of at most 2^i microseconds, the one after the last the longer ones.
inline constexpr size_t kStatsBuckets = 24;
constexpr double StatsBucketSeconds(size_t bucket) {
  return static_cast<double>(uint64_t{1} << bucket) * 1e-6;
}
constexpr size_t StatsBucketOf(uint64_t ns) {
  const uint64_t us = ns / 1000 + (ns % 1000 != 0 ? 1 : 0);
  const auto bucket = static_cast<size_t>(us <= 1 ? 0 : std::bit_width(us - 1));
  return bucket < kStatsBuckets ? bucket : kStatsBuckets;
}

struct StatsHistogramCells {
  std::array<std::atomic<uint64_t>, kStatsBuckets + 1> buckets;  // each by itself, not cumulative
  std::atomic<uint64_t> sum_ns;
  std::array<std::atomic<uint64_t>, 6> reserved;
};

struct StatsPage {
  uint64_t magic;
  uint32_t version;
  uint32_t size_bytes;
  std::atomic<uint64_t> pid;
  std::atomic<uint64_t> start_time_unix_ns;
  std::array<std::atomic<uint64_t>, 4> reserved;
  std::array<std::array<std::atomic<uint64_t>, 2>, 64> commands;  // [StatsCommand][StatsResult]
  std::array<std::atomic<uint64_t>, 64> errors;                   // [StatsError]
  std::array<std::atomic<uint64_t>, 128> values;                  // [StatsValue]
  std::array<StatsHistogramCells, 16> histograms;                 // [StatsHistogram]
  std::array<std::atomic<uint64_t>, 184> unused;
};
static_assert(sizeof(StatsPage) == 8192);

// The metric label of each: "resource_create_2d", "bad_descriptor".
std::string_view ToString(StatsCommand command);
std::string_view ToString(StatsResult result);
std::string_view ToString(StatsError error);

// A histogram at one moment.
struct StatsDurations {
  std::array<uint64_t, kStatsBuckets + 1> buckets{};
  uint64_t sum_ns = 0;

  uint64_t count() const { return std::accumulate(buckets.begin(), buckets.end(), uint64_t{0}); }
};

// The writing side, owned by the device process; also usable without a file (tests, a backend
// without --stats-path).
class StatsWriter {
 public:
  // Private memory that nobody else sees.
  StatsWriter();
  // A file that others may map, made anew (mode 0640, replaced atomically). The file stays when
  // this object goes, so that last values can still be read.
  static absl::StatusOr<StatsWriter> Create(const std::string& path);

  // The page's memory, for a process that goes on with it.
  int fd() const { return fd_.get(); }
  // Goes on counting in the page of another process, of which this is the successor; what was
  // counted here is forgotten. While no other thread counts. InvalidArgument when it is no page of
  // this version: the own page stays.
  absl::Status Continue(UniqueFd fd);

  void CountCommand(StatsCommand command, StatsResult result) {
    Add(page().commands[static_cast<size_t>(command)][static_cast<size_t>(result)], 1);
  }
  void CountError(StatsError error) { Add(page().errors[static_cast<size_t>(error)], 1); }
  void Count(StatsValue value, uint64_t by = 1) {
    Add(page().values[static_cast<size_t>(value)], by);
  }
  void Set(StatsValue value, uint64_t to) {
    page().values[static_cast<size_t>(value)].store(to, std::memory_order_relaxed);
  }
  // One thread at most: histograms are the work thread's.
  void Observe(StatsHistogram histogram, std::chrono::nanoseconds duration) {
    StatsHistogramCells& cells = page().histograms[static_cast<size_t>(histogram)];
    const auto ns = static_cast<uint64_t>(std::max<int64_t>(duration.count(), 0));
    AddAlone(cells.buckets[StatsBucketOf(ns)], 1);
    AddAlone(cells.sum_ns, ns);
  }
  uint64_t Get(StatsValue value) const {
    return page().values[static_cast<size_t>(value)].load(std::memory_order_relaxed);
  }
  StatsDurations Get(StatsHistogram histogram) const;
  uint64_t Get(StatsError error) const {
    return page().errors[static_cast<size_t>(error)].load(std::memory_order_relaxed);
  }
  uint64_t Get(StatsCommand command, StatsResult result) const {
    return page().commands[static_cast<size_t>(command)][static_cast<size_t>(result)].load(
        std::memory_order_relaxed);
  }

 private:
  StatsWriter(UniqueFd fd, Mapping mapping);
  StatsPage& page() const { return *page_; }
  static void Add(std::atomic<uint64_t>& cell, uint64_t by) {
    cell.fetch_add(by, std::memory_order_relaxed);
  }
  static void AddAlone(std::atomic<uint64_t>& cell, uint64_t by) {
    cell.store(cell.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }

  UniqueFd fd_;
  Mapping mapping_;
  StatsPage* page_;
};

// The numbers of a page at one moment, checked.
struct StatsSnapshot {
  uint64_t pid = 0;
  uint64_t start_time_unix_ns = 0;
  std::array<std::array<uint64_t, static_cast<size_t>(StatsResult::kCount)>,
             static_cast<size_t>(StatsCommand::kCount)>
      commands{};
  std::array<uint64_t, static_cast<size_t>(StatsError::kCount)> errors{};
  std::array<uint64_t, static_cast<size_t>(StatsValue::kCount)> values{};
  std::array<StatsDurations, static_cast<size_t>(StatsHistogram::kCount)> histograms{};

  const StatsDurations& operator[](StatsHistogram histogram) const {
    return histograms[static_cast<size_t>(histogram)];
  }
  uint64_t operator[](StatsValue value) const { return values[static_cast<size_t>(value)]; }
};

// Reads the page at `path` (by pread, so that a truncated file is an error and no signal; never
// follows a symlink).
absl::StatusOr<StatsSnapshot> ReadStats(const std::string& path);

}  // namespace rendercar
