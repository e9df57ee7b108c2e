// Fields of JSON objects that may lack them or have them of another type; never throws.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>

namespace rendercar::kube {

using Json = nlohmann::json;
using Path = std::initializer_list<const char*>;

// The value at object[path0][path1]..., or null.
inline const Json& At(const Json& object, Path path) {
  static const Json kNone;
  const Json* at = &object;
  for (const char* key : path) {
    if (!at->is_object()) return kNone;
    const auto found = at->find(key);
    if (found == at->end()) return kNone;
    at = &*found;
  }
  return *at;
}

inline std::string Text(const Json& object, Path path, const std::string& otherwise = "") {
  const Json& value = At(object, path);
  return value.is_string() ? value.get_ref<const std::string&>() : otherwise;
}

inline int64_t Number(const Json& object, Path path, int64_t otherwise = 0) {
  const Json& value = At(object, path);
  return value.is_number_integer() ? value.get<int64_t>() : otherwise;
}

// The value when it is an object or array; else an empty one of its own.
inline const Json& Items(const Json& object, Path path) {
  static const Json kEmpty = Json::array();
  const Json& value = At(object, path);
  return value.is_structured() ? value : kEmpty;
}

// Text of a peer may hold any bytes; what is no UTF-8 is replaced.
inline std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

inline Json Parse(const std::string& text) { return Json::parse(text, nullptr, false); }

}  // namespace rendercar::kube
