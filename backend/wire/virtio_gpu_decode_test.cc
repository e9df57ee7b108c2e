// Requests from raw bytes: too short, too many, unknown, and what is right.
// SPDX-License-Identifier: Apache-2.0
#include "backend/wire/virtio_gpu_decode.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace rendercar::wire {
namespace {

std::vector<std::byte> Command(uint32_t type, size_t size) {
  std::vector<std::byte> bytes(size);
  std::memcpy(bytes.data(), &type, std::min(size, sizeof(type)));
  return bytes;
}

Malformed::Kind KindOf(const Decoded& decoded) { return std::get<Malformed>(decoded.request).kind; }

struct Fixed {
  uint32_t type;
  size_t size;
};
class FixedCommand : public testing::TestWithParam<Fixed> {};

TEST_P(FixedCommand, IsDecodedAtItsSizeAndShortOneByteLess) {
  const auto [type, size] = GetParam();
  const auto bytes = Command(type, size);
  EXPECT_FALSE(std::holds_alternative<Malformed>(DecodeRequest(bytes, bytes.size()).request));
  const auto less = std::span(bytes).first(size - 1);
  const Decoded decoded = DecodeRequest(less, less.size());
  ASSERT_TRUE(std::holds_alternative<Malformed>(decoded.request));
  EXPECT_EQ(KindOf(decoded), Malformed::Kind::kShort);
}

INSTANTIATE_TEST_SUITE_P(All, FixedCommand,
                         testing::Values(Fixed{0x100, 24}, Fixed{0x101, 40}, Fixed{0x102, 32},
                                         Fixed{0x103, 48}, Fixed{0x104, 48}, Fixed{0x105, 56},
                                         Fixed{0x106, 32}, Fixed{0x107, 32}, Fixed{0x108, 32},
                                         Fixed{0x109, 32}, Fixed{0x10a, 32}, Fixed{0x10b, 32},
                                         Fixed{0x10c, 56}, Fixed{0x10d, 96}, Fixed{0x200, 96},
                                         Fixed{0x201, 24}, Fixed{0x202, 32}, Fixed{0x203, 32},
                                         Fixed{0x204, 72}, Fixed{0x205, 72}, Fixed{0x206, 72},
                                         Fixed{0x207, 32}, Fixed{0x208, 40}, Fixed{0x209, 32},
                                         Fixed{0x300, 56}, Fixed{0x301, 56}));

TEST(DecodeRequest, KnowsEveryCommandsCounter) {
  EXPECT_EQ(ToStatsCommand(0x100), StatsCommand::kGetDisplayInfo);
  EXPECT_EQ(ToStatsCommand(0x10d), StatsCommand::kSetScanoutBlob);
  EXPECT_EQ(ToStatsCommand(0x200), StatsCommand::kCtxCreate);
  EXPECT_EQ(ToStatsCommand(0x209), StatsCommand::kResourceUnmapBlob);
  EXPECT_EQ(ToStatsCommand(0x301), StatsCommand::kMoveCursor);
  EXPECT_EQ(ToStatsCommand(0x10e), StatsCommand::kUnknown);
}

TEST(DecodeRequest, RefusesAnUnknownCommand) {
  const auto bytes = Command(0x10e, 128);
  EXPECT_EQ(KindOf(DecodeRequest(bytes, bytes.size())), Malformed::Kind::kUnknownCommand);
}

TEST(DecodeRequest, RefusesEntriesThatAreNotThere) {
  virtio_gpu_resource_attach_backing wire{};
  wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
  std::vector<std::byte> bytes(sizeof(wire) + 2 * sizeof(virtio_gpu_mem_entry));
  for (const uint32_t count : {3u, 0xffffffffu}) {
    wire.nr_entries = count;
    std::memcpy(bytes.data(), &wire, sizeof(wire));
    EXPECT_EQ(KindOf(DecodeRequest(bytes, bytes.size())), Malformed::Kind::kBadCount);
  }
}

TEST(DecodeRequest, TakesEntriesThatAreThere) {
  virtio_gpu_resource_attach_backing wire{};
  wire.hdr.type = VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING;
  wire.nr_entries = 2;
  std::vector<std::byte> bytes(sizeof(wire) + 2 * sizeof(virtio_gpu_mem_entry));
  std::memcpy(bytes.data(), &wire, sizeof(wire));
  const auto request = std::get<AttachBackingRequest>(DecodeRequest(bytes, bytes.size()).request);
  EXPECT_EQ(request.wire.nr_entries, 2u);
  EXPECT_EQ(request.entries_offset, sizeof(wire));
}

TEST(DecodeRequest, RefusesASubmitLongerThanItsBytes) {
  virtio_gpu_cmd_submit wire{};
  wire.hdr.type = VIRTIO_GPU_CMD_SUBMIT_3D;
  wire.size = 9;
  std::vector<std::byte> bytes(sizeof(wire) + 8);
  std::memcpy(bytes.data(), &wire, sizeof(wire));
  EXPECT_EQ(KindOf(DecodeRequest(bytes, bytes.size())), Malformed::Kind::kBadCount);
}

}  // namespace
}  // namespace rendercar::wire
