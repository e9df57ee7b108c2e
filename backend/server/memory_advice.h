// What to tell a user whose VM keeps its memory to itself.
// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace rendercar::server {

inline constexpr char kMemoryNotShared[] =
    "guest memory is not shared with this backend; give the VM shared memory (QEMU: -object "
    "memory-backend-memfd,id=mem,size=...,share=on with -machine memory-backend=mem; libvirt: "
    "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>)";

}  // namespace rendercar::server
