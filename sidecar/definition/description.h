// The one description of a session's GPU from which every device definition is rendered.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>

#include "common/status.h"

namespace rendercar::sidecar {

enum class DisplayMode { kHeadless, kSecondary, kPrimary };

struct DeviceDescription {
  std::string name;         // the session's: a DNS label
  std::string socket_path;  // where the backend listens, as the VMM sees it
  DisplayMode display_mode = DisplayMode::kSecondary;
  uint32_t heads = 1;
  uint32_t width_px = 1280;
  uint32_t height_px = 800;
  bool virgl = true;
  std::string render_node;  // a device path, or "software"
  uint64_t guest_memory_bytes = uint64_t{2} << 30;
  std::string backend_path;  // the program that vhost-user JSON names
};

inline constexpr uint32_t kMaxHeads = 16;  // VIRTIO_GPU_MAX_SCANOUTS
inline constexpr uint32_t kMinSidePx = 64;
inline constexpr uint32_t kMaxSidePx = 16384;
inline constexpr size_t kMaxNameBytes = 32;

// What people write: "headless", "secondary", "primary"; "1280x800". InvalidArgument with the value
// and the form.
absl::StatusOr<DisplayMode> ParseDisplayMode(const std::string& text);
const char* Name(DisplayMode mode);
struct Resolution {
  uint32_t width_px = 0;
  uint32_t height_px = 0;
};
absl::StatusOr<Resolution> ParseResolution(const std::string& text);

// InvalidArgument with the field's name, its value and the range.
absl::Status Validate(const DeviceDescription& description);
absl::Status ValidateName(const std::string& name);

}  // namespace rendercar::sidecar
