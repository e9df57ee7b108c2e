// What several renderers can all do.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/capset_intersection.h"

#include <algorithm>
#include <cstring>

namespace rendercar::ipc {
namespace {

constexpr uint32_t kVirgl = 1, kVirgl2 = 2;  // VIRTIO_GPU_CAPSET_*

// How two values of one 32 bit word become one that both renderers keep to.
enum class Rule {
  kLess,           // a limit; floats too, which order like numbers while they are positive
  kGreater,        // a lower bound or an alignment (a power of two)
  kGreaterSigned,  // a lower bound that may be negative
  kBoth,           // a mask
  kFirst,          // no promise
  kSameOrNone      // means something only as a whole
};

struct Words {
  size_t first, last;
  Rule rule;
};

// Words of virgl_caps_v1 and, from 77 on, virgl_caps_v2 (virglrenderer's virgl_hw.h, to which later
// versions only append) that are no plain limits.
constexpr Words kWords[] = {
    {1, 65, Rule::kBoth},            // format masks, bset
    {72, 72, Rule::kBoth},           // prim_mask
    {77, 77, Rule::kGreater},        // min_aliased_point_size
    {79, 79, Rule::kGreater},        // min_smooth_point_size
    {81, 81, Rule::kGreater},        // min_aliased_line_width
    {83, 83, Rule::kGreater},        // min_smooth_line_width
    {91, 91, Rule::kGreaterSigned},  // min_texel_offset
    {93, 93, Rule::kGreaterSigned},  // min_texture_gather_offset
    {95, 97, Rule::kGreater},        // buffer offset alignments
    {98, 98, Rule::kBoth},           // capability_bits
    {99, 106, Rule::kFirst},         // sample_locations
    {140, 172, Rule::kBoth},         // readback and scanout formats, capability_bits_v2
    {174, 189, Rule::kFirst},        // renderer, a name
    {192, 207, Rule::kBoth},         // multisample formats
    {214, 342, Rule::kSameOrNone}};  // video

// Bits of capability_bits that take something from the guest: a driver that saw them set has made
// other shaders and formats than one that did not.
constexpr size_t kCapabilityBits = 98;
constexpr uint32_t kHostIsGles = 1u << 19, kBgraSrgbIsEmulated = 1u << 29;

uint32_t WordOf(const gpu::Capset& capset, size_t word) {
  uint32_t value = 0;
  if (capset.data.size() >= (word + 1) * 4)
    std::memcpy(&value, capset.data.data() + word * 4, sizeof(value));
  return value;
}

// Whether a guest that was made for one of them may use the other.
bool AreOfOneKind(const gpu::Capset& a, const gpu::Capset& b) {
  const uint32_t differs = WordOf(a, kCapabilityBits) ^ WordOf(b, kCapabilityBits);
  return a.id != kVirgl2 || (differs & (kHostIsGles | kBgraSrgbIsEmulated)) == 0;
}

Rule RuleOf(size_t word) {
  for (const Words& words : kWords) {
    if (word >= words.first && word <= words.last) return words.rule;
  }
  return Rule::kLess;
}

uint32_t Combine(Rule rule, uint32_t a, uint32_t b) {
  switch (rule) {
    case Rule::kLess:
      return std::min(a, b);
    case Rule::kGreater:
      return std::max(a, b);
    case Rule::kGreaterSigned:
      return static_cast<int32_t>(a) > static_cast<int32_t>(b) ? a : b;
    case Rule::kBoth:
      return a & b;
    case Rule::kFirst:
      return a;
    case Rule::kSameOrNone:
      return a == b ? a : 0;
  }
  return 0;
}

// Whether video is promised by both alike; otherwise by none.
void DropDifferentVideo(gpu::Capset& both, const gpu::Capset& a, const gpu::Capset& b) {
  constexpr size_t kBegin = 214 * 4, kEnd = 343 * 4;
  if (both.data.size() < kEnd) return;
  if (std::memcmp(a.data.data() + kBegin, b.data.data() + kBegin, kEnd - kBegin) != 0)
    std::fill_n(both.data.begin() + kBegin, kEnd - kBegin, std::byte{0});
}

gpu::Capset IntersectVirgl(const gpu::Capset& a, const gpu::Capset& b) {
  gpu::Capset both{a.id, std::min(a.max_version, b.max_version), {}};
  both.data.resize(std::min(a.data.size(), b.data.size()) / 4 * 4);
  for (size_t word = 0; word < both.data.size() / 4; ++word) {
    const uint32_t combined = Combine(RuleOf(word), WordOf(a, word), WordOf(b, word));
    std::memcpy(both.data.data() + word * 4, &combined, 4);
  }
  DropDifferentVideo(both, a, b);
  return both;
}

}  // namespace

gpu::RendererCapabilities Intersect(const gpu::RendererCapabilities& a,
                                    const gpu::RendererCapabilities& b) {
  gpu::RendererCapabilities both;
  both.gl_renderer = a.gl_renderer;
  for (const gpu::Capset& one : a.capsets) {
    const auto other =
        std::find_if(b.capsets.begin(), b.capsets.end(),
                     [&one](const gpu::Capset& candidate) { return candidate.id == one.id; });
    if (other == b.capsets.end()) continue;
    if (!AreOfOneKind(one, *other)) return {};
    const bool virgl = one.id == kVirgl || one.id == kVirgl2;
    if (virgl) both.capsets.push_back(IntersectVirgl(one, *other));
    if (!virgl && one.max_version == other->max_version && one.data == other->data)
      both.capsets.push_back(one);
  }
  return both;
}

}  // namespace rendercar::ipc
