// What a fuzzer makes its decisions from: the bytes of one input in turn, zeros behind their end.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>
#include <vector>

#include "common/log.h"

namespace rendercar {

class FuzzInput {
 public:
  explicit FuzzInput(std::span<const uint8_t> data) : data_(data) {}
  bool empty() const { return data_.empty(); }

  template <typename T>
  T Take() {
    static_assert(std::is_trivially_copyable_v<T>);
    T value{};
    const auto taken = Next(sizeof(T));
    if (!taken.empty()) std::memcpy(&value, taken.data(), taken.size());
    return value;
  }
  uint8_t Byte() { return Take<uint8_t>(); }
  uint16_t Word() { return Take<uint16_t>(); }
  uint32_t Below(uint32_t bound) { return Word() % bound; }
  template <typename T, size_t N>
  T OneOf(const std::array<T, N>& values) {
    return values[Byte() % N];
  }
  // As many bytes as there are, `size` at most.
  std::vector<std::byte> BytesUpTo(size_t size) {
    const auto taken = std::as_bytes(Next(size));
    return {taken.begin(), taken.end()};
  }
  // Exactly `size` bytes.
  std::vector<std::byte> Bytes(size_t size) {
    std::vector<std::byte> bytes = BytesUpTo(size);
    bytes.resize(size);
    return bytes;
  }

 private:
  std::span<const uint8_t> Next(size_t size) {
    const auto taken = data_.first(std::min(size, data_.size()));
    data_ = data_.subspan(taken.size());
    return taken;
  }

  std::span<const uint8_t> data_;
};

// A misbehaving peer is a fuzzer's daily work: only what is logged as an error is shown.
inline void QuietLogs() {
  static const bool quiet = [] {
    log::Init({"fuzz", log::Level::kError, log::Format::kText});
    return true;
  }();
  (void)quiet;
}

}  // namespace rendercar
