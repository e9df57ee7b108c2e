// Command records: what is written is decoded, and nothing else is.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/records.h"

#include <gtest/gtest.h>

#include <cstring>

namespace rendercar::ipc {
namespace {

std::vector<std::byte> Written(const gpu::RenderCommand& command) {
  std::vector<std::byte> bytes(RecordSize(command));
  RecordHeader header{};
  header.seq = 5;
  WriteRecord(bytes, header, command);
  return bytes;
}

template <typename T>
T Decoded(RecordDecoder& decoder, const std::vector<std::byte>& bytes) {
  auto record = decoder.Decode(bytes);
  EXPECT_TRUE(record.ok()) << record.status();
  EXPECT_EQ(record->header.seq, 5u);
  EXPECT_EQ(record->header.size_bytes, bytes.size());
  return std::get<T>(std::get<gpu::RenderCommand>(record->body));
}

TEST(RecordsTest, a_transfer_comes_out_as_it_went_in) {
  gpu::Transfer c;
  c.direction = gpu::Transfer::Direction::kFromHost;
  c.ctx_id = 3;
  c.resource_id = 4;
  c.box = {1, 2, 3, 4, 5, 6};
  c.offset = uint64_t{1} << 40;
  c.level = 7;
  c.stride = 8;
  c.layer_stride = 9;
  RecordDecoder decoder;
  const auto out = Decoded<gpu::Transfer>(decoder, Written(c));
  EXPECT_EQ(out.direction, c.direction);
  EXPECT_EQ(out.ctx_id, 3u);
  EXPECT_EQ(out.resource_id, 4u);
  EXPECT_EQ(out.box.d, 6u);
  EXPECT_EQ(out.offset, c.offset);
  EXPECT_EQ(out.layer_stride, 9u);
}

TEST(RecordsTest, a_submit_gathers_its_parts_aligned_to_eight) {
  const std::array<uint32_t, 3> words{1, 2, 3};
  const auto bytes = std::as_bytes(std::span(words));
  const std::array<std::span<const std::byte>, 2> parts{bytes.first(4), bytes.subspan(4)};
  RecordDecoder decoder;
  const std::vector<std::byte> record = Written(gpu::Submit3d{9, 12, parts});
  const auto out = Decoded<gpu::Submit3d>(decoder, record);
  ASSERT_EQ(out.parts.size(), 1u);
  ASSERT_EQ(out.parts[0].size(), 12u);
  EXPECT_EQ(std::memcmp(out.parts[0].data(), words.data(), 12), 0);
  EXPECT_EQ((out.parts[0].data() - record.data()) % 8, 0);
}

TEST(RecordsTest, a_backing_keeps_its_64_bit_addresses) {
  const std::array<gpu::GuestRange, 2> ranges{{{0x1'2345'6789'a000, 4096}, {0x1000, 8192}}};
  RecordDecoder decoder;
  const auto out = Decoded<gpu::AttachBacking>(decoder, Written(gpu::AttachBacking{2, ranges}));
  ASSERT_EQ(out.ranges.size(), 2u);
  EXPECT_EQ(out.ranges[0].guest_addr, 0x1'2345'6789'a000u);
  EXPECT_EQ(out.ranges[1].size_bytes, 8192u);
}

TEST(RecordsTest, a_blob_comes_out_as_it_went_in) {
  const std::array<gpu::GuestRange, 2> ranges{{{uint64_t{1} << 40, 4096}, {8192, 100}}};
  RecordDecoder decoder;
  const std::vector<std::byte> record =
      Written(gpu::CreateBlob{7, 3, 3, 5, ~uint64_t{1}, uint64_t{1} << 33, ranges});
  const auto out = Decoded<gpu::CreateBlob>(decoder, record);
  EXPECT_EQ(out.resource_id, 7u);
  EXPECT_EQ(out.ctx_id, 3u);
  EXPECT_EQ(out.blob_mem, 3u);
  EXPECT_EQ(out.blob_flags, 5u);
  EXPECT_EQ(out.blob_id, ~uint64_t{1});
  EXPECT_EQ(out.size_bytes, uint64_t{1} << 33);
  ASSERT_EQ(out.ranges.size(), 2u);
  EXPECT_EQ(out.ranges[0].guest_addr, uint64_t{1} << 40);
  EXPECT_EQ(out.ranges[1].size_bytes, 100u);
}

TEST(RecordsTest, a_context_keeps_its_name) {
  gpu::CreateContext c;
  c.ctx_id = 4;
  c.debug_name_len = 4;
  std::memcpy(c.debug_name.data(), "kmsc", 4);
  RecordDecoder decoder;
  const auto out = Decoded<gpu::CreateContext>(decoder, Written(c));
  EXPECT_EQ(std::string(out.debug_name.data(), out.debug_name_len), "kmsc");
}

TEST(RecordsTest, an_internal_record_carries_its_number) {
  std::array<std::byte, kInternalRecordBytes> bytes{};
  WriteInternalRecord(bytes, {}, RecordType::kUseMemory, 12);
  RecordDecoder decoder;
  const auto record = decoder.Decode(bytes);
  ASSERT_TRUE(record.ok());
  EXPECT_EQ(std::get<UseMemory>(record->body).generation, 12u);
}

TEST(RecordsTest, every_truncation_is_refused) {
  const std::vector<std::byte> whole = Written(gpu::UnrefResource{3});
  RecordDecoder decoder;
  for (size_t size = 0; size < whole.size(); ++size)
    EXPECT_FALSE(decoder.Decode(std::span(whole).first(size)).ok()) << size;
}

TEST(RecordsTest, an_unknown_type_is_refused) {
  std::vector<std::byte> bytes = Written(gpu::UnrefResource{3});
  bytes[offsetof(RecordHeader, type)] = std::byte{200};
  RecordDecoder decoder;
  EXPECT_FALSE(decoder.Decode(bytes).ok());
}

TEST(RecordsTest, a_backing_whose_count_and_size_differ_is_refused) {
  const std::array<gpu::GuestRange, 1> ranges{{{0x1000, 4096}}};
  std::vector<std::byte> bytes = Written(gpu::AttachBacking{2, ranges});
  bytes[sizeof(RecordHeader) + offsetof(AttachBackingBody, count)] = std::byte{2};
  RecordDecoder decoder;
  EXPECT_FALSE(decoder.Decode(bytes).ok());
}

TEST(RecordsTest, a_name_longer_than_its_room_is_refused) {
  gpu::CreateContext c;
  c.debug_name_len = 65;
  RecordDecoder decoder;
  EXPECT_FALSE(decoder.Decode(Written(c)).ok());
}

}  // namespace
}  // namespace rendercar::ipc
