// Values that one process leaves for its successor, into bytes and back. One function a struct
// describes both directions, so that they cannot differ.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace rendercar::wire {

// Both have the same methods: Number(s), Flag, Enum, Raw (a struct without padding), Text, List,
// Optional. `most` bounds a list before anything is allocated.
class StateEncoder {
 public:
  template <typename... T>
  void Numbers(const T&... values) {
    static_assert((std::is_integral_v<T> && ...) && (!std::is_same_v<T, bool> && ...));
    (Append(&values, sizeof(values)), ...);
  }
  template <typename... T>
  void Flags(const T&... flags) {
    static_assert((std::is_same_v<T, bool> && ...));
    const auto put = [this](uint8_t value) { Numbers(value); };
    (put(flags ? 1 : 0), ...);
  }
  template <typename T>
  void Enum(const T& value, T) {
    Numbers(static_cast<uint32_t>(value));
  }
  template <typename T>
  void Raw(const T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    Append(&value, sizeof(value));
  }
  void Text(const std::string& text, size_t most) {
    const auto size = static_cast<uint32_t>(std::min(text.size(), most));
    Numbers(size);
    Append(text.data(), size);
  }
  template <typename T, typename Function>
  void List(std::vector<T>& list, size_t, Function element) {
    Numbers(static_cast<uint32_t>(list.size()));
    for (T& one : list) element(one);
  }
  template <typename T, typename Function>
  void Optional(std::optional<T>& value, Function content) {
    Flags(value.has_value());
    if (value) content(*value);
  }

  std::vector<std::byte> Take() { return std::move(bytes_); }

 private:
  void Append(const void* from, size_t size) {
    const auto* first = static_cast<const std::byte*>(from);
    bytes_.insert(bytes_.end(), first, first + size);
  }
  std::vector<std::byte> bytes_;
};

// After the first thing that does not fit everything reads as zero and ok() is false.
class StateDecoder {
 public:
  explicit StateDecoder(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename... T>
  void Numbers(T&... values) {
    static_assert((std::is_integral_v<T> && ...) && (!std::is_same_v<T, bool> && ...));
    (Read(&values, sizeof(values)), ...);
  }
  template <typename... T>
  void Flags(T&... flags) {
    const auto get = [this](bool& flag) {
      uint8_t value = 0;
      Numbers(value);
      if (value > 1) ok_ = false;
      flag = value == 1;
    };
    (get(flags), ...);
  }
  // `last` is the highest value that there is; all from 0 on are.
  template <typename T>
  void Enum(T& value, T last) {
    uint32_t number = 0;
    Numbers(number);
    if (number > static_cast<uint32_t>(last)) ok_ = false;
    value = ok_ ? static_cast<T>(number) : T{};
  }
  template <typename T>
  void Raw(T& value) {
    static_assert(std::is_trivially_copyable_v<T>);
    Read(&value, sizeof(value));
  }
  void Text(std::string& text, size_t most) {
    text.assign(Count(most), '\0');
    if (!text.empty()) Read(text.data(), text.size());
  }
  template <typename T, typename Function>
  void List(std::vector<T>& list, size_t most, Function element) {
    list.clear();
    for (size_t left = Count(most); left > 0 && ok_; --left) element(list.emplace_back());
  }
  template <typename T, typename Function>
  void Optional(std::optional<T>& value, Function content) {
    bool there = false;
    Flags(there);
    if (!there) return value.reset();
    T made{};
    content(made);
    value = std::move(made);
  }

  bool ok() const { return ok_; }
  // Whether all was read and nothing is left.
  bool done() const { return ok_ && bytes_.empty(); }

 private:
  // Each element has a byte at least.
  size_t Count(size_t most) {
    uint32_t count = 0;
    Numbers(count);
    if (count > most || count > bytes_.size()) ok_ = false;
    return ok_ ? count : 0;
  }
  void Read(void* to, size_t size) {
    if (!ok_ || bytes_.size() < size) {
      ok_ = false;
      std::memset(to, 0, size);
      return;
    }
    std::memcpy(to, bytes_.data(), size);
    bytes_ = bytes_.subspan(size);
  }
  std::span<const std::byte> bytes_;
  bool ok_ = true;
};

}  // namespace rendercar::wire
