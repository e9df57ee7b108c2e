// Guest memory: what is mapped, what is refused, and what survives truncation.
// SPDX-License-Identifier: Apache-2.0
#include "backend/guest/guest_memory.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <fstream>
#include <limits>
#include <utility>

#include "backend/guest/fake_guest.h"
#include "backend/guest/memory_guard.h"
#include "common/temp_dir.h"

namespace rendercar::guest {
namespace {

constexpr uint64_t kBase = FakeGuestMemory::kGuestBase;
constexpr uint64_t kMax = std::numeric_limits<uint64_t>::max();

RegionDescription Describe(uint64_t guest_addr, uint64_t size, uint64_t offset, UniqueFd fd) {
  RegionDescription description;
  description.guest_addr = guest_addr;
  description.user_addr = guest_addr + FakeGuestMemory::kUserOffset;
  description.size_bytes = size;
  description.mmap_offset = offset;
  description.fd = std::move(fd);
  return description;
}

absl::StatusOr<std::shared_ptr<const GuestMemory>> MapOne(RegionDescription description) {
  std::vector<RegionDescription> regions;
  regions.push_back(std::move(description));
  return GuestMemory::Map(std::move(regions), nullptr);
}

TEST(GuestMemoryTest, an_address_finds_the_guests_own_bytes) {
  FakeGuestMemory guest({8192, 4096});
  guest.Write<uint32_t>(kBase + 8192 + 16, 0xfeedu);
  const auto memory = guest.Map();
  const auto bytes = memory->Translate(kBase + 8192 + 16, 4);
  ASSERT_TRUE(bytes.ok()) << bytes.status();
  uint32_t found = 0;
  std::memcpy(&found, bytes->data(), 4);
  EXPECT_EQ(found, 0xfeedu);
  EXPECT_EQ(memory->TranslateUser(kBase + FakeGuestMemory::kUserOffset + 8192 + 16, 4)->data(),
            bytes->data());
}

TEST(GuestMemoryTest, bytes_outside_one_region_are_refused) {
  const auto memory = FakeGuestMemory({4096, 4096}).Map();
  EXPECT_TRUE(memory->Translate(kBase, 4096).ok());
  EXPECT_FALSE(memory->Translate(kBase, 4097).ok());
  EXPECT_FALSE(memory->Translate(kBase - 1, 2).ok());
  EXPECT_FALSE(memory->Translate(kBase + 8192, 1).ok());
  EXPECT_FALSE(memory->Translate(kBase + 4095, kMax).ok());
  EXPECT_FALSE(memory->Translate(kMax, 2).ok());
  EXPECT_FALSE(memory->Translate(0, 0).ok());
}

TEST(GuestMemoryTest, a_prefix_ends_where_its_region_ends) {
  const auto memory = FakeGuestMemory({4096, 4096}).Map();
  EXPECT_EQ(memory->TranslatePrefix(kBase + 4000, 500).size(), 96u);
  EXPECT_EQ(memory->TranslatePrefix(kBase + 4096, 500).size(), 500u);
  EXPECT_TRUE(memory->TranslatePrefix(kBase + 8192, 1).empty());
  EXPECT_EQ(memory->TranslatePrefix(kBase + 1, kMax).size(), 4095u);
}

TEST(GuestMemoryTest, a_region_may_start_in_the_middle_of_a_page_of_its_file) {
  FakeGuestMemory guest({8192});
  guest.Write<uint8_t>(kBase + 5000, 77);
  UniqueFd fd(::fcntl(guest.fd(0), F_DUPFD_CLOEXEC, 0));
  const auto memory = MapOne(Describe(0x1000, 3000, 5000, std::move(fd)));
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ((*memory)->Translate(0x1000, 3000)->front(), std::byte{77});
}

TEST(GuestMemoryTest, impossible_regions_are_refused_with_a_sentence) {
  FakeGuestMemory guest({4096});
  const auto fd = [&] { return UniqueFd(::fcntl(guest.fd(0), F_DUPFD_CLOEXEC, 0)); };
  EXPECT_FALSE(MapOne(Describe(kBase, 0, 0, fd())).ok());
  EXPECT_FALSE(MapOne(Describe(kBase, 4097, 0, fd())).ok());
  EXPECT_FALSE(MapOne(Describe(kBase, 4096, 1, fd())).ok());
  EXPECT_FALSE(MapOne(Describe(kMax - 4095, 4096, 0, fd())).ok());
  EXPECT_FALSE(MapOne(Describe(kBase, 4096, kMax - 4000, fd())).ok());
  EXPECT_FALSE(MapOne(Describe(kBase, kMax, 0, fd())).ok());
  EXPECT_FALSE(MapOne(Describe(kBase, 4096, 0, UniqueFd())).ok());
  EXPECT_FALSE(
      MapOne(Describe(kBase, 4096, 0, UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)))).ok());
}

TEST(GuestMemoryTest, overlapping_regions_are_refused) {
  FakeGuestMemory guest({8192, 8192});
  auto regions = guest.Describe();
  regions[1].guest_addr = kBase + 4096;
  EXPECT_FALSE(GuestMemory::Map(std::move(regions), nullptr).ok());
  regions = guest.Describe();
  regions[1].user_addr = regions[0].user_addr;
  EXPECT_FALSE(GuestMemory::Map(std::move(regions), nullptr).ok());
}

TEST(GuestMemoryTest, too_many_regions_are_refused) {
  const FakeGuestMemory guest(std::vector<size_t>(GuestMemory::kMaxRegions + 1, 4096));
  EXPECT_FALSE(GuestMemory::Map(guest.Describe(), nullptr).ok());
}

TEST(GuestMemoryTest, the_same_table_again_keeps_host_addresses) {
  const FakeGuestMemory guest({4096, 8192});
  const auto first = guest.Map();
  const auto second = GuestMemory::Map(guest.Describe(), first.get());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(first->regions()[1].bytes().data(), (*second)->regions()[1].bytes().data());
}

TEST(GuestMemoryTest, a_region_that_moved_in_the_guest_keeps_its_mapping) {
  const FakeGuestMemory guest({4096});
  const auto first = guest.Map();
  auto regions = guest.Describe();
  regions[0].guest_addr = 0x40000000;
  const auto second = GuestMemory::Map(std::move(regions), first.get());
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ((*second)->Translate(0x40000000, 4096)->data(), first->regions()[0].bytes().data());
  EXPECT_FALSE((*second)->Translate(kBase, 1).ok());
}

TEST(GuestMemoryTest, memory_that_can_be_sealed_cannot_shrink_any_more) {
  const FakeGuestMemory guest({8192});
  const auto memory = guest.Map();
  EXPECT_NE(::fcntl(guest.fd(0), F_GET_SEALS) & F_SEAL_SHRINK, 0);
  EXPECT_NE(::ftruncate(guest.fd(0), 4096), 0);
}

TEST(GuestMemoryTest, truncated_memory_reads_as_zeros_and_is_reported) {
  const TempDir dir;
  const std::string path = dir / "memory";
  { std::ofstream(path) << std::string(3 * 4096, 'x'); }
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const auto memory = MapOne(Describe(kBase, 3 * 4096, 0, fd.Duplicate()));
  ASSERT_TRUE(memory.ok()) << memory.status();
  ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);
  const uint64_t events = LostMemoryEvents();
  const auto bytes = (*memory)->Translate(kBase, 3 * 4096);
  EXPECT_EQ((*bytes)[4096], std::byte{0});
  EXPECT_EQ((*bytes)[2 * 4096], std::byte{0});
  EXPECT_EQ((*bytes)[0], std::byte{'x'});
  (*bytes)[2 * 4096] = std::byte{1};
  EXPECT_TRUE((*memory)->regions()[0].lost());
  EXPECT_EQ(LostMemoryEvents(), events + 1);
}

TEST(GuestMemoryTest, lost_memory_is_mapped_afresh_by_the_next_table) {
  const TempDir dir;
  const std::string path = dir / "memory";
  { std::ofstream(path) << std::string(4096, 'x'); }
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CLOEXEC));
  const auto memory = MapOne(Describe(kBase, 4096, 0, fd.Duplicate()));
  ASSERT_TRUE(memory.ok()) << memory.status();
  ASSERT_EQ(::ftruncate(fd.get(), 0), 0);
  EXPECT_EQ((*memory)->Translate(kBase, 1)->front(), std::byte{0});
  ASSERT_EQ(::ftruncate(fd.get(), 4096), 0);
  std::vector<RegionDescription> regions;
  regions.push_back(Describe(kBase, 4096, 0, fd.Duplicate()));
  const auto again = GuestMemory::Map(std::move(regions), memory->get());
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_FALSE((*again)->regions()[0].lost());
  EXPECT_NE((*again)->regions()[0].bytes().data(), (*memory)->regions()[0].bytes().data());
}

}  // namespace
}  // namespace rendercar::guest
