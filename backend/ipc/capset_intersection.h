// What several renderers can all do: what a guest is offered that may move from one to another.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "backend/gpu/renderer.h"

namespace rendercar::ipc {

// The capsets that both have, each with what both can do: masks and'ed, limits at the lesser, and
// so on by the fields of virgl's capability sets 1 and 2. Any other capset stays only where it is
// the same in both. None at all when one is OpenGL ES and the other is not, or only one emulates
// BGRA: a guest's driver settles for one of these. Words for people are `a`'s.
gpu::RendererCapabilities Intersect(const gpu::RendererCapabilities& a,
                                    const gpu::RendererCapabilities& b);

}  // namespace rendercar::ipc
