// Makes the virtio-gpu device.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/gpu_device.h"

#include <utility>

#include "backend/gpu/device.h"

namespace rendercar::gpu {

std::unique_ptr<GpuDevice> GpuDevice::Create(const Dependencies& dependencies, Options options) {
  return std::make_unique<Device>(dependencies, std::move(options));
}

}  // namespace rendercar::gpu
