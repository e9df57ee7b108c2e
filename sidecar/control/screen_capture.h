// Asks a session's device process for what a screen shows, and makes a PNG of it. The device
// process handles a guest's bytes: nothing that it answers is believed.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "common/shared_memory.h"
#include "common/status.h"

namespace rendercar::sidecar {

// Pixels of 4 bytes (blue, green, red, unused), rows without gaps, in memory that cannot shrink.
struct Picture {
  uint32_t width = 0;
  uint32_t height = 0;
  Mapping pixels;
};

// FailedPrecondition when there is no picture (no VM, the screen is off), in words; Unavailable
// when the device process does not answer until `deadline`, or answers what it must not. Blocks.
absl::StatusOr<Picture> CaptureScreen(const std::string& socket_path, uint32_t head,
                                      std::chrono::system_clock::time_point deadline);

// 8 bits a channel, RGB. Internal when there is no memory for it.
absl::StatusOr<std::string> EncodePng(const Picture& picture);

}  // namespace rendercar::sidecar
