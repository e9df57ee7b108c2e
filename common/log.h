// Structured logs to stderr: one event a line, as text for people or JSON for collectors.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace rendercar::log {

enum class Level { kDebug, kInfo, kWarning, kError };
enum class Format { kText, kJson };

struct Options {
  std::string program;  // "rendercar-backend"; in each line
  Level level = Level::kInfo;
  Format format = Format::kText;
};

// Call once, in main, before any thread starts. Without it lines go out as text at level info.
void Init(const Options& options);

// From now on the last `lines` lines are kept for Recent. Call once, before any thread starts.
void KeepRecent(size_t lines);
// The lines kept, oldest first, as they went out. Any thread.
std::vector<std::string> Recent();

// One key and its value, written down as text.
struct Field {
  template <typename T>
  Field(std::string_view k, const T& v) : key(k), value(fmt::format("{}", v)) {}
  std::string_view key;
  std::string value;
};
using Fields = std::initializer_list<Field>;

// `event` is a constant sentence without values; values go into `fields`. Any thread.
void Debug(std::string_view event, Fields fields = {});
void Info(std::string_view event, Fields fields = {});
void Warning(std::string_view event, Fields fields = {});
void Error(std::string_view event, Fields fields = {});

// For events that a guest or a peer can cause at will: lets `burst` through in each `window`,
// counts the rest. Any thread.
class RateLimit {
 public:
  explicit RateLimit(uint32_t burst = 5, std::chrono::seconds window = std::chrono::seconds(10))
      : burst_(burst), window_(window) {}
  // Whether this event may be logged now.
  bool Allow();
  // How many were held back since the last one that was allowed.
  uint64_t TakeSuppressed() { return suppressed_.exchange(0); }

 private:
  const uint32_t burst_;
  const std::chrono::seconds window_;
  std::atomic<int64_t> window_start_ns_{0};
  std::atomic<uint32_t> in_window_{0};
  std::atomic<uint64_t> suppressed_{0};
};

}  // namespace rendercar::log
