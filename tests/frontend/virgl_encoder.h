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

class VirglEncoder {
 public:
  struct Color {
    float red = 0, green = 0, blue = 0, alpha = 1;
  };

  // VIRGL_CCMD_NOP without words: what an empty submit carries.
  void Nop() { Command(kNop, 0, {}); }
  // VIRGL_CCMD_CREATE_OBJECT of a surface over level 0 of `resource_id`.
  void CreateSurface(uint32_t handle, uint32_t resource_id, uint32_t format) {
    Command(kCreateObject, kSurface, {handle, resource_id, format, 0, 0});
  }
  void DestroySurface(uint32_t handle) { Command(kDestroyObject, kSurface, {handle}); }
  // VIRGL_CCMD_SET_FRAMEBUFFER_STATE with one colour buffer.
  void SetFramebuffer(uint32_t surface) { Command(kSetFramebufferState, 0, {1, 0, surface}); }
  // VIRGL_CCMD_CLEAR of colour buffer 0.
  void Clear(const Color& color) {
    constexpr uint32_t kPipeClearColor0 = 1U << 2;
    Command(kClear, 0,
            {kPipeClearColor0, Word(color.red), Word(color.green), Word(color.blue),
             Word(color.alpha), 0, 0, 0});
  }
  // Any command, right or wrong.
  void Command(uint32_t command, uint32_t object, std::span<const uint32_t> words) {
    words_.push_back(command | object << 8 | static_cast<uint32_t>(words.size()) << 16);
    for (const uint32_t word : words) words_.push_back(word);
  }

  std::span<const std::byte> bytes() const { return std::as_bytes(std::span(words_)); }

 private:
  static constexpr uint32_t kNop = 0, kCreateObject = 1, kDestroyObject = 3,
                            kSetFramebufferState = 5, kClear = 7, kSurface = 8;
  void Command(uint32_t command, uint32_t object, std::initializer_list<uint32_t> words) {
    Command(command, object, std::span<const uint32_t>(words.begin(), words.size()));
  }
  static uint32_t Word(float value) { return std::bit_cast<uint32_t>(value); }

  std::vector<uint32_t> words_;
};

}  // namespace rendercar::frontend
