// The device of each connection, wired to the renderer that it is given.
// SPDX-License-Identifier: Apache-2.0
#include "backend/device_factory.h"

#include <utility>

#include "backend/gpu/gpu_device.h"

namespace rendercar::backend {

server::DeviceFactory MakeDeviceFactory(const Options& options,
                                        const gpu::RendererCapabilities& capabilities,
                                        StatsWriter& stats, RendererFactory make_renderer) {
  return [&options, &capabilities, &stats, make_renderer = std::move(make_renderer)](
             EventLoop& loop, gpu::QueuePort& port) {
    server::ServedDevice served;
    served.renderer = make_renderer(loop);
    gpu::GpuDevice::Dependencies dependencies;
    dependencies.loop = &loop;
    dependencies.port = &port;
    dependencies.renderer = served.renderer.get();
    dependencies.stats = &stats;
    served.device = gpu::GpuDevice::Create(
        dependencies, {options.limits, capabilities, options.headless, options.dmabuf_scanouts});
    return served;
  };
}

}  // namespace rendercar::backend
