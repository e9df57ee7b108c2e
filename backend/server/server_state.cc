// What a device process leaves for its successor, into memory and back.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/server_state.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace rendercar::server {
namespace {

constexpr uint64_t kMagic = 0x5441545352414352;  // "RCARSTAT"
constexpr uint64_t kPageBytes = 4096;
constexpr uint64_t kMaxStateBytes = uint64_t{1} << 30;

struct Header {
  uint64_t magic = kMagic;
  uint32_t version = kStateVersion;
  uint32_t reserved = 0;
  uint64_t state_bytes = 0;
  uint64_t pixels_offset = 0;
  uint64_t pixel_bytes = 0;
};
static_assert(sizeof(Header) == 40);

template <typename Codec>
void Fields(Codec& codec, RingState& ring) {
  guest::Virtqueue::Config& config = ring.config;
  codec.Numbers(config.size, config.desc_user_addr, config.avail_user_addr, config.used_user_addr,
                config.last_avail_index, ring.kick, ring.call, ring.err);
  codec.Flags(config.event_idx, config.indirect_desc, ring.has_addr, ring.enabled, ring.broken,
              ring.started);
  codec.Optional(ring.stopped_at, [&codec](uint16_t& at) { codec.Numbers(at); });
}

template <typename Codec>
void Fields(Codec& codec, WorkerState& worker) {
  codec.Numbers(worker.features);
  codec.Flags(worker.has_memory);
  codec.List(worker.regions, guest::GuestMemory::kMaxRegions, [&codec](RegionState& region) {
    codec.Numbers(region.guest_addr, region.size_bytes, region.user_addr, region.mmap_offset,
                  region.fd);
  });
  for (RingState& ring : worker.rings) Fields(codec, ring);
}

template <typename Codec>
void Fields(Codec& codec, FrontendState& frontend) {
  codec.Numbers(frontend.socket, frontend.offered_features, frontend.protocol_features);
  codec.Flags(frontend.memory_came, frontend.memory_expected);
  Fields(codec, frontend.worker);
}

void Device(wire::StateEncoder& codec, gpu::DeviceState& state) { gpu::Encode(codec, state); }
void Device(wire::StateDecoder& codec, gpu::DeviceState& state) { gpu::Decode(codec, state); }

template <typename Codec>
void AllFields(Codec& codec, ServerState& state) {
  codec.Numbers(state.listener, state.screenshots, state.handovers, state.stats,
                state.frozen_at_ns);
  codec.Optional(state.frontend, [&codec](FrontendState& frontend) {
    Fields(codec, frontend);
    Device(codec, frontend.worker.device);
  });
}

uint64_t WholePages(uint64_t bytes) { return (bytes + kPageBytes - 1) / kPageBytes * kPageBytes; }

absl::Status NoState(const char* why) {
  return absl::InvalidArgumentError(fmt::format("what was handed over is no state: {}", why));
}

absl::StatusOr<uint64_t> SizeOf(int memory) {
  struct stat info {};
  if (::fstat(memory, &info) != 0) return ErrnoStatus(errno, "fstat of a state");
  const auto size = static_cast<uint64_t>(info.st_size);
  RC_RETURN_IF_ERROR(SealAgainstShrinking(memory, size));
  if (size < sizeof(Header)) return NoState("it is too short");
  return size;
}

absl::Status Check(const Header& header, uint64_t size) {
  if (header.magic != kMagic) return NoState("it begins with something else");
  if (header.version < kOldestStateVersion || header.version > kStateVersion)
    return absl::FailedPreconditionError(
        fmt::format("the running backend hands over a state of version {}, this one reads {} to {}",
                    header.version, kOldestStateVersion, kStateVersion));
  if (header.state_bytes > kMaxStateBytes || header.state_bytes > size - sizeof(Header) ||
      header.pixels_offset > size || header.pixel_bytes > size - header.pixels_offset)
    return NoState("it is longer than its memory");
  return absl::OkStatus();
}

}  // namespace

std::vector<std::byte> EncodeState(ServerState& state) {
  wire::StateEncoder codec;
  AllFields(codec, state);
  return codec.Take();
}

absl::StatusOr<ServerState> DecodeState(std::span<const std::byte> bytes) {
  ServerState state;
  wire::StateDecoder codec(bytes);
  AllFields(codec, state);
  if (!codec.done()) return NoState("its fields are not those of this version");
  return state;
}

absl::StatusOr<UniqueFd> Pack(ServerState& state, const gpu::Pictures& pictures) {
  const std::vector<std::byte> bytes = EncodeState(state);
  Header header;
  header.state_bytes = bytes.size();
  header.pixels_offset = WholePages(sizeof(header) + bytes.size());
  header.pixel_bytes = state.frontend ? state.frontend->worker.device.pixel_bytes() : 0;
  const uint64_t size = header.pixels_offset + header.pixel_bytes;
  RC_ASSIGN_OR_RETURN(UniqueFd memory, CreateSealedMemory("rendercar-state", size));
  RC_ASSIGN_OR_RETURN(const Mapping mapping,
                      Mapping::Map(memory.get(), 0, size, Mapping::Access::kReadWrite));
  std::memcpy(mapping.bytes().data(), &header, sizeof(header));
  std::copy(bytes.begin(), bytes.end(), mapping.bytes().begin() + sizeof(header));
  if (state.frontend)
    gpu::CopyPictures(state.frontend->worker.device, pictures,
                      mapping.bytes().subspan(header.pixels_offset));
  return memory;
}

absl::StatusOr<Unpacked> Unpack(int memory) {
  RC_ASSIGN_OR_RETURN(const uint64_t size, SizeOf(memory));
  Unpacked unpacked;
  RC_ASSIGN_OR_RETURN(unpacked.memory, Mapping::Map(memory, 0, size, Mapping::Access::kReadOnly));
  const std::span<const std::byte> all = unpacked.memory.bytes();
  Header header;
  std::memcpy(&header, all.data(), sizeof(header));
  RC_RETURN_IF_ERROR(Check(header, size));
  const auto bytes = all.subspan(sizeof(header), header.state_bytes);
  RC_ASSIGN_OR_RETURN(unpacked.state, DecodeState(std::vector(bytes.begin(), bytes.end())));
  unpacked.pixels = all.subspan(header.pixels_offset, header.pixel_bytes);
  return unpacked;
}

}  // namespace rendercar::server
