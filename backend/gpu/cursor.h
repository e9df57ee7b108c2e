// One head's cursor: the last state that the guest asked for, and whether it was sent.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "backend/wire/vhost_user_gpu.h"

namespace rendercar::gpu {

// Pixels as the display socket takes them: blue, green, red, alpha.
using CursorImage = std::array<uint32_t, wire::kCursorSize * wire::kCursorSize>;

struct Cursor {
  bool known = false;    // the guest has set one
  bool visible = false;  // and it is shown
  uint32_t x = 0, y = 0, hot_x = 0, hot_y = 0;
  std::unique_ptr<CursorImage> image;

  // What the viewer does not know yet. A new image brings its position with it.
  bool image_unsent = false;
  bool position_unsent = false;

  bool unsent() const { return image_unsent || position_unsent; }
  void Forget() { *this = {}; }
  // A viewer that has seen nothing.
  void SendAgain() {
    image_unsent = visible && image != nullptr;
    position_unsent = known && !image_unsent;
  }
};

}  // namespace rendercar::gpu
