// What a vhost-user helper says about itself when libvirt asks.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/vhostuser/helper_probe.h"

#include <nlohmann/json.hpp>

#include "sidecar/vhostuser/program_output.h"

namespace rendercar::sidecar {
namespace {

absl::Status Refused(const std::string& binary, const std::string& why) {
  return absl::FailedPreconditionError(
      absl::StrCat("'", binary, " --print-capabilities' ", why, ", so libvirt does not take it"));
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ProbeHelper(const std::string& binary,
                                                     std::chrono::milliseconds timeout) {
  RC_ASSIGN_OR_RETURN(const ProgramOutput output,
                      RunProgram({binary, "--print-capabilities"}, timeout));
  if (!output.end.clean()) return Refused(binary, output.end.ToString());
  const auto json = nlohmann::json::parse(output.text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("features") || !json["features"].is_array())
    return Refused(binary, "printed no JSON object with \"features\"");
  std::vector<std::string> features;
  for (const auto& feature : json["features"]) {
    if (feature.is_string()) features.push_back(feature.get<std::string>());
  }
  return features;
}

}  // namespace rendercar::sidecar
