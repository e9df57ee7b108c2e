// Reads YAML values of an expected kind, and says file, line, key, expected and found when they are
// not.
// SPDX-License-Identifier: Apache-2.0
#include "node/yaml_reader.h"

#include <fmt/format.h>

#include <charconv>
#include <utility>

namespace rendercar::node {
namespace {

std::string Found(const YAML::Node& node) {
  switch (node.Type()) {
    case YAML::NodeType::Undefined:
      return "nothing";
    case YAML::NodeType::Null:
      return "an empty value";
    case YAML::NodeType::Scalar:
      return fmt::format("'{}'", node.Scalar().substr(0, 80));
    case YAML::NodeType::Sequence:
      return "a list";
    case YAML::NodeType::Map:
      return "a map";
  }
  return "something else";
}

template <typename T>
std::optional<T> ToNumber(const std::string& text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The factor of a suffix of Kubernetes' quantities.
std::optional<uint64_t> Factor(const std::string& suffix) {
  static const std::map<std::string, uint64_t> factors{{"", 1},
                                                       {"k", 1000},
                                                       {"M", 1000'000},
                                                       {"G", 1000'000'000},
                                                       {"Ki", 1ULL << 10},
                                                       {"Mi", 1ULL << 20},
                                                       {"Gi", 1ULL << 30},
                                                       {"Ti", 1ULL << 40}};
  const auto found = factors.find(suffix);
  return found == factors.end() ? std::nullopt : std::optional(found->second);
}

std::optional<uint64_t> ToBytes(const std::string& text) {
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = ToNumber<uint64_t>(text.substr(0, digits));
  const auto factor = Factor(text.substr(digits));
  if (!number || !factor || *number > UINT64_MAX / *factor) return std::nullopt;
  return *number * *factor;
}

}  // namespace

YamlMap::YamlMap(const YAML::Node& node, std::string path, Errors& errors)
    : node_(node), path_(std::move(path)), errors_(errors) {}

YamlMap::~YamlMap() {
  if (!node_.IsMap()) return;
  std::set<std::string> seen;
  for (const auto& entry : node_) {
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "?";
    if (asked_.count(key) == 0) {
      std::string known;
      for (const std::string& name : asked_) known += (known.empty() ? "" : ", ") + name;
      Wrong(key, entry.first, "one of the keys " + known);
    } else if (!seen.insert(key).second) {
      Wrong(key, entry.first, "each key once");
    }
  }
}

void YamlMap::Wrong(const std::string& key, const std::string& expected) {
  const auto at = Find(key.c_str());
  Wrong(key, at ? *at : YAML::Node(YAML::NodeType::Undefined), expected);
}

// A value that is not there has no line of its own; the map's is told.
void YamlMap::Wrong(const std::string& key, const YAML::Node& at, const std::string& expected) {
  if (!errors_.first.ok()) return;
  const int line = at.IsDefined() ? at.Mark().line : node_.Mark().line;
  errors_.first =
      absl::DataLossError(fmt::format("{}:{}: {}{}: expected {}, found {}", errors_.file, line + 1,
                                      path_, key, expected, Found(at)));
}

std::optional<YAML::Node> YamlMap::Find(const char* key) {
  asked_.insert(key);
  if (!node_.IsMap()) return std::nullopt;
  const YAML::Node value = node_[key];
  if (!value.IsDefined()) return std::nullopt;
  return value;
}

bool YamlMap::Has(const char* key) { return Find(key).has_value(); }

std::optional<YAML::Node> YamlMap::Scalar(const char* key, const std::string& expected,
                                          std::string& text) {
  auto node = Find(key);
  if (!node) return std::nullopt;
  if (!node->IsScalar()) {
    Wrong(key, *node, expected);
    return std::nullopt;
  }
  text = node->Scalar();
  return node;
}

void YamlMap::Read(const char* key, std::string& value) { Scalar(key, "a text", value); }

void YamlMap::Read(const char* key, bool& value) {
  ReadWord<bool>(key, {{"true", true}, {"false", false}}, value);
}

void YamlMap::Read(const char* key, std::vector<std::string>& value) {
  Read(
      key, "a text", [](const std::string&) { return true; }, value);
}

void YamlMap::Read(const char* key, const std::string& expected, bool (*right)(const std::string&),
                   std::vector<std::string>& value) {
  const auto node = Find(key);
  if (!node) return;
  if (!node->IsSequence()) return Wrong(key, *node, "a list of texts");
  for (const YAML::Node& entry : *node) {
    if (!entry.IsScalar() || !right(entry.Scalar())) return Wrong(key, entry, expected);
    value.push_back(entry.Scalar());
  }
}

void YamlMap::ReadNumber(const char* key, uint32_t min, uint32_t max, uint32_t& value) {
  const std::string expected = fmt::format("a whole number from {} to {}", min, max);
  std::string text;
  const auto node = Scalar(key, expected, text);
  if (!node) return;
  const auto number = ToNumber<uint32_t>(text);
  if (!number || *number < min || *number > max) return Wrong(key, *node, expected);
  value = *number;
}

void YamlMap::ReadBytes(const char* key, uint64_t& value) {
  constexpr char kExpected[] = "a number of bytes such as 512Mi, 2Gi or 1000000";
  std::string text;
  const auto node = Scalar(key, kExpected, text);
  if (!node) return;
  const auto bytes = ToBytes(text);
  if (!bytes) return Wrong(key, *node, kExpected);
  value = *bytes;
}

void YamlMap::ReadBytes(const char* key, uint64_t min, uint64_t max, uint64_t& value) {
  uint64_t bytes = value;
  ReadBytes(key, bytes);
  if (Has(key) && errors_.first.ok() && (bytes < min || bytes > max))
    return Wrong(key, fmt::format("a number from {} to {}", min, max));
  value = bytes;
}

bool YamlMap::ReadBytesOr(const char* key, const char* word, uint64_t& value) {
  const std::string expected =
      std::string(word) + ", or a number of bytes such as 512Mi, 2Gi or 1000000";
  std::string text;
  const auto node = Scalar(key, expected, text);
  if (!node) return false;
  if (text == word) return true;
  const auto bytes = ToBytes(text);
  if (bytes) {
    value = *bytes;
  } else {
    Wrong(key, *node, expected);
  }
  return false;
}

std::vector<YAML::Node> YamlMap::Maps(const char* key) {
  std::vector<YAML::Node> maps;
  const auto node = Find(key);
  if (!node) return maps;
  if (!node->IsSequence()) {
    Wrong(key, *node, "a list of maps");
    return maps;
  }
  for (const YAML::Node& entry : *node) {
    if (!entry.IsMap()) Wrong(key, entry, "a map");
    maps.push_back(entry);
  }
  return maps;
}

std::optional<YAML::Node> YamlMap::Map(const char* key) {
  auto node = Find(key);
  if (node && !node->IsMap()) {
    Wrong(key, *node, "a map");
    return std::nullopt;
  }
  return node;
}

}  // namespace rendercar::node
