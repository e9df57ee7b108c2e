// The statistics page of a session: counters that the backend writes and everybody else only reads,
// in one shared mapping.
// SPDX-License-Identifier: Apache-2.0
#include "common/stats_page.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <vector>

namespace rendercar {
namespace {

void Initialise(StatsPage& page) {
  page.magic = kStatsMagic;
  page.version = kStatsVersion;
  page.size_bytes = sizeof(StatsPage);
  page.pid.store(static_cast<uint64_t>(::getpid()));
  page.start_time_unix_ns.store(static_cast<uint64_t>(
      std::chrono::nanoseconds(std::chrono::system_clock::now().time_since_epoch()).count()));
}

uint64_t Load(const std::atomic<uint64_t>& cell) { return cell.load(std::memory_order_relaxed); }

StatsDurations Load(const StatsHistogramCells& cells) {
  StatsDurations durations;
  for (size_t i = 0; i < durations.buckets.size(); ++i)
    durations.buckets[i] = Load(cells.buckets[i]);
  durations.sum_ns = Load(cells.sum_ns);
  return durations;
}

}  // namespace

std::string_view ToString(StatsCommand command) {
  switch (command) {
    case StatsCommand::kGetDisplayInfo:
      return "get_display_info";
    case StatsCommand::kResourceCreate2d:
      return "resource_create_2d";
    case StatsCommand::kResourceUnref:
      return "resource_unref";
    case StatsCommand::kSetScanout:
      return "set_scanout";
    case StatsCommand::kResourceFlush:
      return "resource_flush";
    case StatsCommand::kTransferToHost2d:
      return "transfer_to_host_2d";
    case StatsCommand::kResourceAttachBacking:
      return "resource_attach_backing";
    case StatsCommand::kResourceDetachBacking:
      return "resource_detach_backing";
    case StatsCommand::kGetCapsetInfo:
      return "get_capset_info";
    case StatsCommand::kGetCapset:
      return "get_capset";
    case StatsCommand::kGetEdid:
      return "get_edid";
    case StatsCommand::kResourceAssignUuid:
      return "resource_assign_uuid";
    case StatsCommand::kResourceCreateBlob:
      return "resource_create_blob";
    case StatsCommand::kSetScanoutBlob:
      return "set_scanout_blob";
    case StatsCommand::kCtxCreate:
      return "ctx_create";
    case StatsCommand::kCtxDestroy:
      return "ctx_destroy";
    case StatsCommand::kCtxAttachResource:
      return "ctx_attach_resource";
    case StatsCommand::kCtxDetachResource:
      return "ctx_detach_resource";
    case StatsCommand::kResourceCreate3d:
      return "resource_create_3d";
    case StatsCommand::kTransferToHost3d:
      return "transfer_to_host_3d";
    case StatsCommand::kTransferFromHost3d:
      return "transfer_from_host_3d";
    case StatsCommand::kSubmit3d:
      return "submit_3d";
    case StatsCommand::kResourceMapBlob:
      return "resource_map_blob";
    case StatsCommand::kResourceUnmapBlob:
      return "resource_unmap_blob";
    case StatsCommand::kUpdateCursor:
      return "update_cursor";
    case StatsCommand::kMoveCursor:
      return "move_cursor";
    case StatsCommand::kUnknown:
    case StatsCommand::kCount:
      break;
  }
  return "unknown";
}

std::string_view ToString(StatsResult result) {
  return result == StatsResult::kOk ? "ok" : "error";
}

std::string_view ToString(StatsError error) {
  switch (error) {
    case StatsError::kBadDescriptor:
      return "bad_descriptor";
    case StatsError::kShortCommand:
      return "short_command";
    case StatsError::kUnknownCommand:
      return "unknown_command";
    case StatsError::kInvalidResource:
      return "invalid_resource";
    case StatsError::kInvalidContext:
      return "invalid_context";
    case StatsError::kInvalidScanout:
      return "invalid_scanout";
    case StatsError::kInvalidParameter:
      return "invalid_parameter";
    case StatsError::kOutOfMemory:
      return "out_of_memory";
    case StatsError::kRendererRefused:
      return "renderer_refused";
    case StatsError::kFrontendProtocol:
      return "frontend_protocol";
    case StatsError::kDisplayProtocol:
      return "display_protocol";
    case StatsError::kMemoryLost:
      return "memory_lost";
    case StatsError::kRendererProtocol:
      return "renderer_protocol";
    case StatsError::kCount:
      break;
  }
  return "unknown";
}

StatsWriter::StatsWriter(UniqueFd fd, Mapping mapping)
    : fd_(std::move(fd)),
      mapping_(std::move(mapping)),
      page_(reinterpret_cast<StatsPage*>(mapping_.bytes().data())) {
  Initialise(page());
}

StatsWriter::StatsWriter()
    : StatsWriter([] {
        auto fd = CreateSealedMemory("rendercar-stats", sizeof(StatsPage));
        RC_CHECK(fd.ok(), "no memory for a statistics page");
        auto mapping = Mapping::Map(fd->get(), 0, sizeof(StatsPage), Mapping::Access::kReadWrite);
        RC_CHECK(mapping.ok(), "no memory for a statistics page");
        return StatsWriter(*std::move(fd), *std::move(mapping));
      }()) {}

absl::StatusOr<StatsWriter> StatsWriter::Create(const std::string& path) {
  const std::string temporary = absl::StrCat(path, ".", ::getpid(), ".tmp");
  UniqueFd fd(::open(temporary.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0640));
  if (!fd.valid())
    return ErrnoStatus(errno, absl::StrCat("cannot create statistics page '", path, "'"));
  // Blocks are allocated now: a full disk is an error here and no SIGBUS at the first count.
  if (const int error = ::posix_fallocate(fd.get(), 0, sizeof(StatsPage)); error != 0) {
    ::unlink(temporary.c_str());
    return ErrnoStatus(error, absl::StrCat("cannot allocate statistics page '", path, "'"));
  }
  auto mapping = Mapping::Map(fd.get(), 0, sizeof(StatsPage), Mapping::Access::kReadWrite);
  if (!mapping.ok() || ::rename(temporary.c_str(), path.c_str()) != 0) {
    const absl::Status status =
        mapping.ok()
            ? ErrnoStatus(errno, absl::StrCat("cannot create statistics page '", path, "'"))
            : mapping.status();
    ::unlink(temporary.c_str());
    return status;
  }
  return StatsWriter(std::move(fd), *std::move(mapping));
}

// The file may be one that cannot be sealed: it is our own, and nobody else truncates it.
absl::Status StatsWriter::Continue(UniqueFd fd) {
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || info.st_size < static_cast<off_t>(sizeof(StatsPage)))
    return absl::InvalidArgumentError("what was handed over is too small for a statistics page");
  RC_ASSIGN_OR_RETURN(Mapping mapping,
                      Mapping::Map(fd.get(), 0, sizeof(StatsPage), Mapping::Access::kReadWrite));
  auto* page = reinterpret_cast<StatsPage*>(mapping.bytes().data());
  if (page->magic != kStatsMagic || page->version != kStatsVersion)
    return absl::InvalidArgumentError("what was handed over is no statistics page of this version");
  fd_ = std::move(fd);
  mapping_ = std::move(mapping);
  page_ = page;
  page_->pid.store(static_cast<uint64_t>(::getpid()));
  return absl::OkStatus();
}

StatsDurations StatsWriter::Get(StatsHistogram histogram) const {
  return Load(page().histograms[static_cast<size_t>(histogram)]);
}

absl::StatusOr<StatsSnapshot> ReadStats(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid())
    return ErrnoStatus(errno, absl::StrCat("cannot open statistics page '", path, "'"));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("'", path, "' is no plain file"));
  }
  const auto page = std::make_unique<StatsPage>();
  const ssize_t got = ::pread(fd.get(), static_cast<void*>(page.get()), sizeof(StatsPage), 0);
  if (got != sizeof(StatsPage) || page->magic != kStatsMagic || page->version != kStatsVersion) {
    return absl::InvalidArgumentError(
        absl::StrCat("'", path, "' is no statistics page of version ", kStatsVersion));
  }
  StatsSnapshot snapshot;
  snapshot.pid = Load(page->pid);
  snapshot.start_time_unix_ns = Load(page->start_time_unix_ns);
  for (size_t i = 0; i < snapshot.commands.size(); ++i) {
    for (size_t j = 0; j < snapshot.commands[i].size(); ++j)
      snapshot.commands[i][j] = Load(page->commands[i][j]);
  }
  for (size_t i = 0; i < snapshot.errors.size(); ++i) snapshot.errors[i] = Load(page->errors[i]);
  for (size_t i = 0; i < snapshot.values.size(); ++i) snapshot.values[i] = Load(page->values[i]);
  for (size_t i = 0; i < snapshot.histograms.size(); ++i)
    snapshot.histograms[i] = Load(page->histograms[i]);
  return snapshot;
}

}  // namespace rendercar
