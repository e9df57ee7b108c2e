// A small writer of virgl's command stream: enough to clear a texture.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace rendercar::frontend {

// The host's pixel formats that tests use (VIRGL_FORMAT_*).
inline constexpr uint32_t kVirglFormatB8G8R8A8Unorm = 1;
inline constexpr uint32_t kVirglFormatR8G8B8A8Unorm = 67;

// VIRGL_CCMD_* and VIRGL_OBJECT_*, as virgl's protocol numbers them.
enum class VirglCommand : uint32_t {
  kNop = 0,
  kCreateObject = 1,
  kBindObject = 2,
  kDestroyObject = 3,
  kSetViewport = 4,
  kSetFramebuffer = 5,
  kSetVertexBuffers = 6,
  kClear = 7,
  kDrawVbo = 8,
  kInlineWrite = 9,
  kBindShader = 31,
};
enum class VirglObject : uint32_t {
  kNone = 0,
  kBlend = 1,
  kRasterizer = 2,
  kDepthStencil = 3,
  kShader = 4,
  kVertexElements = 5,
  kSurface = 8,
};

class VirglEncoder {
 public:
  struct Color {
    float red = 0, green = 0, blue = 0, alpha = 1;
  };

  // What an empty submit carries.
  void Nop() { Command(VirglCommand::kNop, VirglObject::kNone, {}); }
  // A surface over level 0 of `resource_id`.
  void CreateSurface(uint32_t handle, uint32_t resource_id, uint32_t format) {
    Command(VirglCommand::kCreateObject, VirglObject::kSurface,
            {handle, resource_id, format, 0, 0});
  }
  void DestroySurface(uint32_t handle) {
    Command(VirglCommand::kDestroyObject, VirglObject::kSurface, {handle});
  }
  // One colour buffer.
  void SetFramebuffer(uint32_t surface) {
    Command(VirglCommand::kSetFramebuffer, VirglObject::kNone, {1, 0, surface});
  }
  // Of colour buffer 0.
  void Clear(const Color& color) {
    constexpr uint32_t kPipeClearColor0 = 1U << 2;
    Command(VirglCommand::kClear, VirglObject::kNone,
            {kPipeClearColor0, Word(color.red), Word(color.green), Word(color.blue),
             Word(color.alpha), 0, 0, 0});
  }
  void Command(VirglCommand command, VirglObject object, std::span<const uint32_t> words) {
    Command(static_cast<uint32_t>(command), static_cast<uint32_t>(object), words);
  }
  // Any command, right or wrong.
  void Command(uint32_t command, uint32_t object, std::span<const uint32_t> words) {
    words_.push_back(command | object << 8 | static_cast<uint32_t>(words.size()) << 16);
    for (const uint32_t word : words) words_.push_back(word);
  }

  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(words_)); }

 private:
  void Command(VirglCommand command, VirglObject object, std::initializer_list<uint32_t> words) {
    Command(command, object, std::span<const uint32_t>(words.begin(), words.size()));
  }
  static uint32_t Word(float value) { return std::bit_cast<uint32_t>(value); }

  std::vector<uint32_t> words_;
};

}  // namespace rendercar::frontend
