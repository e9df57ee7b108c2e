// A head that shows a picture in GPU memory: what its viewer has been told of it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "backend/gpu/rect.h"
#include "backend/gpu/renderer.h"

namespace rendercar::gpu {

struct DmabufHead {
  std::shared_ptr<const ExportedBuffer> buffer;  // null: the head shows pixels, or nothing
  bool unannounced = false;                      // the viewer does not know `buffer` yet
  bool viewer_has_one = false;                   // it was told of this one, or of one before
  bool left = false;      // the viewer still shows one that we do not show any more
  bool awaiting = false;  // the viewer has not shown the last update yet
  Rect damage;

  bool shown() const { return buffer != nullptr; }
  bool has_news() const { return left || unannounced || (!awaiting && !damage.empty()); }
  // The viewer's socket is another one: it knows nothing.
  void StartAnew() {
    viewer_has_one = left = awaiting = false;
    unannounced = shown();
    if (shown()) damage = {0, 0, buffer->width, buffer->height};
  }
};

}  // namespace rendercar::gpu
