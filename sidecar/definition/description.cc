// The one description of a session's GPU from which every device definition is rendered.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/description.h"

#include <absl/strings/ascii.h>
#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>

#include <algorithm>
#include <vector>

namespace rendercar::sidecar {
namespace {

constexpr uint64_t kMaxGuestMemoryBytes = uint64_t{1} << 46;

absl::Status CheckRange(const char* field, uint64_t value, uint64_t low, uint64_t high) {
  if (value >= low && value <= high) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(field, " is ", value, "; it must be ", low, " to ", high));
}

bool IsNameCharacter(char c) {
  return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
}

}  // namespace

absl::StatusOr<DisplayMode> ParseDisplayMode(const std::string& text) {
  if (text == "headless") return DisplayMode::kHeadless;
  if (text == "secondary") return DisplayMode::kSecondary;
  if (text == "primary") return DisplayMode::kPrimary;
  return absl::InvalidArgumentError(
      absl::StrCat("display is '", text, "'; use headless, secondary or primary"));
}

const char* Name(DisplayMode mode) {
  switch (mode) {
    case DisplayMode::kHeadless:
      return "headless";
    case DisplayMode::kSecondary:
      return "secondary";
    case DisplayMode::kPrimary:
      return "primary";
  }
  return "unknown";
}

absl::StatusOr<Resolution> ParseResolution(const std::string& text) {
  const std::vector<std::string> sides = absl::StrSplit(text, 'x');
  Resolution size;
  if (sides.size() == 2 && absl::SimpleAtoi(sides[0], &size.width_px) &&
      absl::SimpleAtoi(sides[1], &size.height_px))
    return size;
  return absl::InvalidArgumentError(absl::StrCat(
      "resolution is '", text, "'; write WIDTHxHEIGHT in pixels, for example 1280x800"));
}

absl::Status ValidateName(const std::string& name) {
  const bool good = !name.empty() && name.size() <= kMaxNameBytes && name.front() != '-' &&
                    name.back() != '-' && std::all_of(name.begin(), name.end(), IsNameCharacter);
  if (good) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "session name '", name, "' is wrong; a name has 1 to ", kMaxNameBytes,
      " characters a-z, 0-9 and '-', and neither starts nor ends with '-', for example 'gpu0'"));
}

absl::Status Validate(const DeviceDescription& description) {
  RC_RETURN_IF_ERROR(ValidateName(description.name));
  RC_RETURN_IF_ERROR(CheckRange("display.heads", description.heads, 1, kMaxHeads));
  RC_RETURN_IF_ERROR(CheckRange("display.width_px", description.width_px, kMinSidePx, kMaxSidePx));
  RC_RETURN_IF_ERROR(
      CheckRange("display.height_px", description.height_px, kMinSidePx, kMaxSidePx));
  return CheckRange("guest_memory_bytes", description.guest_memory_bytes, uint64_t{1} << 20,
                    kMaxGuestMemoryBytes);
}

}  // namespace rendercar::sidecar
