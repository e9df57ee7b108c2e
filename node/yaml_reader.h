// Reads YAML values of an expected kind, and says file, line, key, expected and found when they are
// not.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <yaml-cpp/yaml.h>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "common/status.h"

namespace rendercar::node {

// One map of the document. The first error sticks (in the reader that all maps share), so that
// callers read everything and look once.
class YamlMap {
 public:
  struct Errors {
    std::string file;
    absl::Status first;
  };

  // `path` is "" for the document, else "resources[0]."; known keys are those that are asked for.
  YamlMap(const YAML::Node& node, std::string path, Errors& errors);
  // Complains about keys that nobody asked for, and about those that are there twice.
  ~YamlMap();
  YamlMap(const YamlMap&) = delete;
  YamlMap& operator=(const YamlMap&) = delete;

  bool Has(const char* key);
  void Read(const char* key, std::string& value);
  void Read(const char* key, bool& value);
  void Read(const char* key, std::vector<std::string>& value);
  // The same, and each text is one that `right` says yes to, which `expected` describes.
  void Read(const char* key, const std::string& expected, bool (*right)(const std::string&),
            std::vector<std::string>& value);
  void ReadNumber(const char* key, uint32_t min, uint32_t max, uint32_t& value);
  // "2Gi", "512Mi", "1000000".
  void ReadBytes(const char* key, uint64_t& value);
  void ReadBytes(const char* key, uint64_t min, uint64_t max, uint64_t& value);
  // The same, or `word`: then true, and `value` stays as it was.
  bool ReadBytesOr(const char* key, const char* word, uint64_t& value);
  template <typename T>
  void ReadWord(const char* key, const std::map<std::string, T>& words, T& value) {
    std::string text;
    const std::optional<YAML::Node> node = Scalar(key, "one of " + Names(words), text);
    if (!node) return;
    const auto found = words.find(text);
    if (found == words.end()) return Wrong(key, *node, "one of " + Names(words));
    value = found->second;
  }
  // The list of maps at `key`, if there is one.
  std::vector<YAML::Node> Maps(const char* key);
  std::optional<YAML::Node> Map(const char* key);
  std::string PathOf(const std::string& key) const { return path_ + key; }
  Errors& errors() { return errors_; }

  // Records that the value at `key` (or its absence) is not what is expected.
  void Wrong(const std::string& key, const std::string& expected);

 private:
  void Wrong(const std::string& key, const YAML::Node& at, const std::string& expected);

  template <typename T>
  static std::string Names(const std::map<std::string, T>& words) {
    std::string names;
    for (const auto& [name, value] : words) names += (names.empty() ? "" : ", ") + name;
    return names;
  }
  std::optional<YAML::Node> Find(const char* key);
  std::optional<YAML::Node> Scalar(const char* key, const std::string& expected, std::string& text);

  const YAML::Node node_;
  const std::string path_;
  Errors& errors_;
  std::set<std::string> asked_;
};

}  // namespace rendercar::node
