// A small EDID, as a monitor of one preferred resolution would give it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <linux/virtio_gpu.h>

#include <cstdint>

namespace rendercar::frontend {

// A RESP_OK_EDID whose 128-byte block has a valid header and checksum and says `width`x`height`.
inline virtio_gpu_resp_edid MakeEdidReply(uint32_t width, uint32_t height) {
  virtio_gpu_resp_edid reply{};
  reply.hdr.type = VIRTIO_GPU_RESP_OK_EDID;
  reply.size = 128;
  for (int i = 1; i < 7; ++i) reply.edid[i] = 0xff;
  reply.edid[18] = 1;  // version 1.4
  reply.edid[19] = 4;
  // First detailed timing: 1 Hz of pixel clock is enough for a test; active sizes in 12 bits each.
  reply.edid[54] = 1;
  reply.edid[56] = static_cast<uint8_t>(width & 0xff);
  reply.edid[58] = static_cast<uint8_t>((width >> 4) & 0xf0);
  reply.edid[59] = static_cast<uint8_t>(height & 0xff);
  reply.edid[61] = static_cast<uint8_t>((height >> 4) & 0xf0);
  uint8_t sum = 0;
  for (int i = 0; i < 127; ++i) sum = static_cast<uint8_t>(sum + reply.edid[i]);
  reply.edid[127] = static_cast<uint8_t>(0x100 - sum);
  return reply;
}

}  // namespace rendercar::frontend
