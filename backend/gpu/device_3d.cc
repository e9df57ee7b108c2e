// 3D commands.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/device.h"

namespace rendercar::gpu {

void Device::Do(Call& call, const virtio_gpu_ctx_create&) { Refuse(call); }
void Device::Do(Call& call, const wire::CtxDestroy&) { Refuse(call); }
void Device::Do(Call& call, const wire::CtxAttachResource&) { Refuse(call); }
void Device::Do(Call& call, const wire::CtxDetachResource&) { Refuse(call); }
void Device::Do(Call& call, const virtio_gpu_resource_create_3d&) { Refuse(call); }
void Device::Do(Call& call, const wire::TransferToHost3d&) { Refuse(call); }
void Device::Do(Call& call, const wire::TransferFromHost3d&) { Refuse(call); }
void Device::Do(Call& call, const wire::SubmitRequest&) { Refuse(call); }

}  // namespace rendercar::gpu
