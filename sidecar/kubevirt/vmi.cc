// What a VM asks for: annotations rendercar.dev/... of the VirtualMachineInstance.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/kubevirt/vmi.h"

#include <absl/strings/numbers.h>

#include <cstdint>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

namespace rendercar::sidecar {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxJsonBytes = 4 << 20;
constexpr char kDisplay[] = "rendercar.dev/display";
constexpr char kResolution[] = "rendercar.dev/resolution";
constexpr char kHeads[] = "rendercar.dev/heads";
constexpr char kMemory[] = "rendercar.dev/memory";
constexpr char kAcceleration[] = "rendercar.dev/acceleration";

// The member `key` when `json` is an object that has it; null else.
const Json& Member(const Json& json, const std::string& key) {
  static const Json nothing;
  if (!json.is_object()) return nothing;
  const auto found = json.find(key);
  return found == json.end() ? nothing : *found;
}

std::string Text(const Json& json, const std::string& key) {
  const Json& member = Member(json, key);
  return member.is_string() ? member.get<std::string>() : "";
}

absl::Status Wrong(const char* annotation, const std::string& value, const char* form) {
  return absl::InvalidArgumentError(
      absl::StrCat("annotation ", annotation, " is '", value, "'; ", form));
}

absl::Status InAnnotation(const absl::Status& status, const char* annotation) {
  return status.ok() ? status : Annotate(status, absl::StrCat("annotation ", annotation));
}

// A Kubernetes quantity of whole bytes: "512Mi", "1G", "1048576".
absl::StatusOr<uint64_t> ParseQuantity(const std::string& text) {
  static const std::map<std::string, uint64_t> units{{"", 1},
                                                     {"k", 1000},
                                                     {"M", 1000'000},
                                                     {"G", 1000'000'000},
                                                     {"Ki", uint64_t{1} << 10},
                                                     {"Mi", uint64_t{1} << 20},
                                                     {"Gi", uint64_t{1} << 30}};
  const size_t digits = text.find_first_not_of("0123456789");
  const auto unit = units.find(digits == std::string::npos ? "" : text.substr(digits));
  uint64_t number = 0;
  if (unit == units.end() || !absl::SimpleAtoi(text.substr(0, digits), &number) ||
      number > std::numeric_limits<uint64_t>::max() / unit->second)
    return Wrong(kMemory, text, "write bytes as a quantity, for example 512Mi");
  return number * unit->second;
}

absl::Status ApplyAcceleration(const std::string& value, SessionSpec& spec) {
  if (value != "virgl" && value != "none") return Wrong(kAcceleration, value, "use virgl or none");
  spec.virgl = value == "virgl";
  return absl::OkStatus();
}

absl::Status ApplySize(const Json& annotations, SessionSpec& spec) {
  if (const std::string value = Text(annotations, kResolution); !value.empty()) {
    const absl::StatusOr<Resolution> size = ParseResolution(value);
    if (!size.ok()) return InAnnotation(size.status(), kResolution);
    spec.width_px = size->width_px;
    spec.height_px = size->height_px;
  }
  const std::string heads = Text(annotations, kHeads);
  if (!heads.empty() && !absl::SimpleAtoi(heads, &spec.heads))
    return Wrong(kHeads, heads, "write a number from 1 to 16");
  return absl::OkStatus();
}

absl::Status Apply(const Json& annotations, SessionSpec& spec) {
  if (const std::string value = Text(annotations, kDisplay); !value.empty()) {
    const absl::StatusOr<DisplayMode> mode = ParseDisplayMode(value);
    if (!mode.ok()) return InAnnotation(mode.status(), kDisplay);
    spec.display_mode = *mode;
  }
  if (const std::string value = Text(annotations, kAcceleration); !value.empty())
    RC_RETURN_IF_ERROR(ApplyAcceleration(value, spec));
  if (const std::string value = Text(annotations, kMemory); !value.empty()) {
    RC_ASSIGN_OR_RETURN(spec.video_memory_bytes, ParseQuantity(value));
  }
  return ApplySize(annotations, spec);
}

}  // namespace

absl::StatusOr<VmiRequest> ParseVmi(const std::string& json, const SessionSpec& defaults) {
  VmiRequest request;
  request.spec = defaults;
  if (json.empty()) return request;
  if (json.size() > kMaxJsonBytes)
    return absl::InvalidArgumentError(
        absl::StrCat("the VMI has ", json.size(), " bytes, at most ", kMaxJsonBytes, " are taken"));
  const Json vmi = Json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!vmi.is_object())
    return absl::InvalidArgumentError(
        "the VMI is no JSON object; give what 'kubectl get vmi NAME -o json' prints");
  const Json& metadata = Member(vmi, "metadata");
  request.name = absl::StrCat(Text(metadata, "namespace"), "/", Text(metadata, "name"));
  const std::string eviction = Text(Member(vmi, "spec"), "evictionStrategy");
  request.live_migratable = eviction.rfind("LiveMigrate", 0) == 0;
  RC_RETURN_IF_ERROR(Apply(Member(metadata, "annotations"), request.spec));
  return request;
}

}  // namespace rendercar::sidecar
