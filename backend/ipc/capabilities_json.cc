// What a renderer can do, as JSON.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/capabilities_json.h"

#include <absl/strings/escaping.h>
#include <fmt/format.h>

#include <cstring>
#include <nlohmann/json.hpp>

namespace rendercar::ipc {
namespace {

constexpr size_t kMaxCapsets = 16;
constexpr size_t kMaxCapsetBytes = 64 * 1024;

std::string Base64(const std::vector<std::byte>& data) {
  return absl::Base64Escape({reinterpret_cast<const char*>(data.data()), data.size()});
}

absl::Status Wrong(const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("a renderer's capabilities have ", what));
}

absl::StatusOr<gpu::Capset> CapsetFrom(const nlohmann::json& json) {
  if (!json.is_object() || !json.contains("id") || !json["id"].is_number_unsigned() ||
      !json.contains("max_version") || !json["max_version"].is_number_unsigned() ||
      !json.contains("data") || !json["data"].is_string()) {
    return Wrong("a capset without id, max_version or data");
  }
  std::string data;
  if (!absl::Base64Unescape(json["data"].get<std::string>(), &data) || data.empty() ||
      data.size() > kMaxCapsetBytes) {
    return Wrong("a capset whose data are no base64 or too long");
  }
  gpu::Capset capset;
  capset.id = json["id"].get<uint32_t>();
  capset.max_version = json["max_version"].get<uint32_t>();
  capset.data.resize(data.size());
  std::memcpy(capset.data.data(), data.data(), data.size());
  return capset;
}

}  // namespace

std::string ToJson(const gpu::RendererCapabilities& capabilities, const ProbeFacts& facts) {
  nlohmann::ordered_json json;
  json["gl_renderer"] = capabilities.gl_renderer;
  json["virglrenderer"] = facts.virgl_version;
  json["files"] = facts.files;
  json["capsets"] = nlohmann::json::array();
  for (const gpu::Capset& capset : capabilities.capsets) {
    json["capsets"].push_back(
        {{"id", capset.id}, {"max_version", capset.max_version}, {"data", Base64(capset.data)}});
  }
  return json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

absl::StatusOr<gpu::RendererCapabilities> FromJson(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("capsets") || !json["capsets"].is_array() ||
      !json.contains("gl_renderer") || !json["gl_renderer"].is_string())
    return Wrong("no JSON object with gl_renderer and capsets");
  if (json["capsets"].size() > kMaxCapsets) return Wrong("too many capsets");
  gpu::RendererCapabilities capabilities;
  capabilities.gl_renderer = json["gl_renderer"].get<std::string>();
  for (const auto& entry : json["capsets"]) {
    RC_ASSIGN_OR_RETURN(gpu::Capset capset, CapsetFrom(entry));
    capabilities.capsets.push_back(std::move(capset));
  }
  return capabilities;
}

std::string CapsetDigest(const gpu::RendererCapabilities& capabilities) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  const auto mix = [&hash](std::span<const std::byte> bytes) {
    for (const std::byte b : bytes) hash = (hash ^ static_cast<uint64_t>(b)) * 0x100000001b3;
  };
  for (const gpu::Capset& capset : capabilities.capsets) {
    mix(std::as_bytes(std::span(&capset.id, 1)));
    mix(std::as_bytes(std::span(&capset.max_version, 1)));
    mix(capset.data);
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace rendercar::ipc
