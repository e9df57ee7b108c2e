// The device of each connection, wired to the renderer that it is given.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>

#include "backend/backend_options.h"
#include "backend/gpu/renderer.h"
#include "backend/server/device_worker.h"
#include "common/stats_page.h"

namespace rendercar::backend {

// A renderer on the work thread's loop.
using RendererFactory = std::function<std::unique_ptr<gpu::Renderer>(EventLoop& loop)>;

// All that is referred to outlives the factory.
server::DeviceFactory MakeDeviceFactory(const Options& options,
                                        const gpu::RendererCapabilities& capabilities,
                                        StatsWriter& stats, RendererFactory make_renderer);

}  // namespace rendercar::backend
