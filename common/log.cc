// Structured logs to stderr: one event a line, as text for people or JSON for collectors.
// SPDX-License-Identifier: Apache-2.0
#include "common/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>

namespace rendercar::log {
namespace {

constexpr char kTextPattern[] = "%Y-%m-%dT%H:%M:%S.%eZ %v";

struct State {
  Options options;
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> recent;  // null: nothing is kept
  std::shared_ptr<spdlog::logger> logger = std::make_shared<spdlog::logger>(
      "rendercar", std::make_shared<spdlog::sinks::stderr_sink_mt>());
};

State& GlobalState() {
  static State* state = [] {
    auto* made = new State();  // never destroyed: threads may log while the process exits
    made->logger->set_pattern(kTextPattern, spdlog::pattern_time_type::utc);
    return made;
  }();
  return *state;
}

constexpr const char* Name(Level level) {
  switch (level) {
    case Level::kDebug:
      return "debug";
    case Level::kInfo:
      return "info";
    case Level::kWarning:
      return "warning";
    case Level::kError:
      return "error";
  }
  return "unknown";
}

// Values may come from a guest or a pod: quoted whenever they could be taken for something else.
std::string Quoted(const std::string& value) {
  const auto is_special = [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7f || c == '"' || c == '=' || c == '\\';
  };
  if (!value.empty() && std::none_of(value.begin(), value.end(), is_special)) return value;
  return nlohmann::json(value).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string AsText(const Options& options, Level level, std::string_view event, Fields fields) {
  std::string line = fmt::format("{} {}: {}", Name(level), options.program, event);
  for (const Field& field : fields) line += fmt::format(" {}={}", field.key, Quoted(field.value));
  return line;
}

std::string AsJson(const Options& options, Level level, std::string_view event, Fields fields) {
  nlohmann::ordered_json line;
  line["time"] = fmt::format(
      "{:.3f}",
      std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count());
  line["level"] = Name(level);
  line["program"] = options.program;
  line["event"] = event;
  for (const Field& field : fields) line[std::string(field.key)] = field.value;
  return line.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

void Write(Level level, std::string_view event, Fields fields) {
  State& state = GlobalState();
  if (level < state.options.level) return;
  const bool json = state.options.format == Format::kJson;
  state.logger->log(spdlog::level::info, "{}",
                    json ? AsJson(state.options, level, event, fields)
                         : AsText(state.options, level, event, fields));
}

}  // namespace

void Init(const Options& options) {
  State& state = GlobalState();
  state.options = options;
  if (options.format == Format::kJson) state.logger->set_pattern("%v");
}

void KeepRecent(size_t lines) {
  State& state = GlobalState();
  state.recent = std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(lines);
  const bool json = state.options.format == Format::kJson;
  state.recent->set_formatter(std::make_unique<spdlog::pattern_formatter>(
      json ? "%v" : kTextPattern, spdlog::pattern_time_type::utc));
  state.logger->sinks().push_back(state.recent);
}

std::vector<std::string> Recent() {
  const State& state = GlobalState();
  return state.recent ? state.recent->last_formatted() : std::vector<std::string>();
}

void Debug(std::string_view event, Fields fields) { Write(Level::kDebug, event, fields); }
void Info(std::string_view event, Fields fields) { Write(Level::kInfo, event, fields); }
void Warning(std::string_view event, Fields fields) { Write(Level::kWarning, event, fields); }
void Error(std::string_view event, Fields fields) { Write(Level::kError, event, fields); }

bool RateLimit::Allow() {
  const int64_t now = std::chrono::steady_clock::now().time_since_epoch().count();
  int64_t start = window_start_ns_.load();
  if (now - start > std::chrono::nanoseconds(window_).count() &&
      window_start_ns_.compare_exchange_strong(start, now)) {
    in_window_.store(0);
  }
  if (in_window_.fetch_add(1) < burst_) return true;
  suppressed_.fetch_add(1);
  return false;
}

}  // namespace rendercar::log
