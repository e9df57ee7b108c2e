// A guest that may move is promised nothing that one of its renderers cannot keep.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/capset_intersection.h"

#include <gtest/gtest.h>

#include <cstring>

namespace rendercar::ipc {
namespace {

gpu::Capset Virgl2(uint32_t filled_with = 0) {
  gpu::Capset capset{2, 2, std::vector<std::byte>(1380)};
  for (size_t word = 0; word < 345; ++word)
    std::memcpy(capset.data.data() + word * 4, &filled_with, 4);
  return capset;
}
void Set(gpu::Capset& capset, size_t word, uint32_t value) {
  std::memcpy(capset.data.data() + word * 4, &value, 4);
}
uint32_t Get(const gpu::Capset& capset, size_t word) {
  uint32_t value = 0;
  std::memcpy(&value, capset.data.data() + word * 4, 4);
  return value;
}
gpu::RendererCapabilities With(std::vector<gpu::Capset> capsets) {
  gpu::RendererCapabilities capabilities;
  capabilities.capsets = std::move(capsets);
  return capabilities;
}

TEST(CapsetIntersectionTest, the_same_stays_the_same) {
  const auto a = With({Virgl2(0x12345678)});
  EXPECT_EQ(Intersect(a, a).capsets[0].data, a.capsets[0].data);
}

TEST(CapsetIntersectionTest, masks_limits_and_lower_bounds_become_what_both_keep_to) {
  gpu::Capset a = Virgl2(), b = Virgl2();
  Set(a, 1, 0xff), Set(b, 1, 0x0f);  // a mask of formats
  Set(a, 66, 460), Set(b, 66, 330);  // glsl_level
  Set(a, 91, static_cast<uint32_t>(-8)), Set(b, 91, static_cast<uint32_t>(-32));
  Set(a, 96, 16), Set(b, 96, 256);                   // uniform_buffer_offset_alignment
  Set(a, 72, 0x3f), Set(b, 72, 0x1f);                // prim_mask
  Set(a, 98, 6), Set(b, 98, 3);                      // capability_bits
  Set(a, 171, 5), Set(b, 171, 4);                    // the scanout formats' last word
  Set(a, 172, 5), Set(b, 172, 12);                   // capability_bits_v2
  Set(a, 191, 32), Set(b, 191, 16);                  // max_texture_samplers
  Set(a, 343, 65536), Set(b, 343, 16384);            // max_uniform_block_size
  Set(a, 174, 0x41414141), Set(b, 174, 0x42424242);  // renderer
  Set(a, 214, 2), Set(a, 215, 7), Set(b, 214, 2), Set(b, 215, 8);  // video
  const gpu::Capset both = Intersect(With({a}), With({b})).capsets.at(0);
  EXPECT_EQ(Get(both, 1), 0x0fu);
  EXPECT_EQ(Get(both, 66), 330u);
  EXPECT_EQ(static_cast<int32_t>(Get(both, 91)), -8);
  EXPECT_EQ(Get(both, 96), 256u);
  EXPECT_EQ(Get(both, 72), 0x1fu);
  EXPECT_EQ(Get(both, 98), 2u);
  EXPECT_EQ(Get(both, 171), 4u);
  EXPECT_EQ(Get(both, 172), 4u);
  EXPECT_EQ(Get(both, 191), 16u);
  EXPECT_EQ(Get(both, 343), 16384u);
  EXPECT_EQ(Get(both, 174), 0x41414141u);
  EXPECT_EQ(Get(both, 214), 0u);
}

TEST(CapsetIntersectionTest, opengl_and_opengl_es_have_nothing_in_common) {
  gpu::Capset gl = Virgl2(), gles = Virgl2();
  Set(gles, 98, 1u << 19);
  const gpu::Capset first{1, 1, std::vector<std::byte>(308)};
  EXPECT_TRUE(Intersect(With({first, gl}), With({first, gles})).capsets.empty());
  EXPECT_EQ(Intersect(With({first, gles}), With({first, gles})).capsets.size(), 2u);
}

TEST(CapsetIntersectionTest, a_capset_that_one_lacks_is_not_offered) {
  const gpu::Capset venus{4, 0, std::vector<std::byte>(160, std::byte{1})};
  const gpu::Capset other{4, 0, std::vector<std::byte>(160, std::byte{2})};
  EXPECT_EQ(Intersect(With({Virgl2(), venus}), With({Virgl2()})).capsets.size(), 1u);
  EXPECT_EQ(Intersect(With({venus}), With({other})).capsets.size(), 0u);
  EXPECT_EQ(Intersect(With({venus}), With({venus})).capsets.size(), 1u);
}

TEST(CapsetIntersectionTest, the_shorter_one_counts) {
  gpu::Capset a = Virgl2();
  gpu::Capset b = Virgl2();
  b.data.resize(308);
  b.max_version = 1;
  const gpu::Capset both = Intersect(With({a}), With({b})).capsets.at(0);
  EXPECT_EQ(both.data.size(), 308u);
  EXPECT_EQ(both.max_version, 1u);
}

}  // namespace
}  // namespace rendercar::ipc
