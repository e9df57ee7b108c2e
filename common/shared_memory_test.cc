// Sealed memory and mappings.
// SPDX-License-Identifier: Apache-2.0
#include "common/shared_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

namespace rendercar {
namespace {

TEST(SharedMemoryTest, two_mappings_of_one_memfd_see_the_same_bytes) {
  const auto fd = CreateSealedMemory("test", 4096);
  ASSERT_TRUE(fd.ok()) << fd.status();
  const auto a = Mapping::Map(fd->get(), 0, 4096, Mapping::Access::kReadWrite);
  const auto b = Mapping::Map(fd->get(), 0, 4096, Mapping::Access::kReadOnly);
  ASSERT_TRUE(a.ok() && b.ok());
  a->bytes()[17] = std::byte{42};
  EXPECT_EQ(b->bytes()[17], std::byte{42});
}

TEST(SharedMemoryTest, sealed_memory_cannot_be_truncated) {
  const auto fd = CreateSealedMemory("test", 4096);
  ASSERT_TRUE(fd.ok());
  EXPECT_NE(::ftruncate(fd->get(), 0), 0);
}

TEST(SharedMemoryTest, a_double_mapping_wraps_around) {
  const auto fd = CreateSealedMemory("test", 4096);
  ASSERT_TRUE(fd.ok());
  const auto twice = Mapping::MapTwice(fd->get(), 0, 4096, Mapping::Access::kReadWrite);
  ASSERT_TRUE(twice.ok());
  twice->bytes()[4096] = std::byte{7};
  EXPECT_EQ(twice->bytes()[0], std::byte{7});
}

TEST(SharedMemoryTest, an_unsealed_memfd_is_sealed_on_receipt) {
  const UniqueFd fd(::memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  ASSERT_EQ(::ftruncate(fd.get(), 8192), 0);
  EXPECT_TRUE(SealAgainstShrinking(fd.get(), 8192).ok());
  EXPECT_NE(::ftruncate(fd.get(), 0), 0);
}

TEST(SharedMemoryTest, memory_smaller_than_promised_is_refused) {
  const UniqueFd fd(::memfd_create("peer", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  EXPECT_EQ(SealAgainstShrinking(fd.get(), 1).code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace rendercar
