// Commands that ask: display information, EDID, capability sets, UUIDs.
// SPDX-License-Identifier: Apache-2.0
#include <sys/random.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include "backend/gpu/device.h"

namespace rendercar::gpu {
namespace {

template <typename T>
std::span<std::byte> Bytes(T& value) {
  return std::as_writable_bytes(std::span(&value, 1));
}

}  // namespace

void Device::Do(Call& call, const wire::GetDisplayInfo&) {
  const CallToken token = requests_.Park(std::move(call));
  display_.GetDisplayInfo([this, token](const virtio_gpu_resp_display_info& info) {
    virtio_gpu_resp_display_info response = info;
    response.hdr = {};
    response.hdr.type = VIRTIO_GPU_RESP_OK_DISPLAY_INFO;
    requests_.Finish(token, Bytes(response));
    Settle();
  });
}

void Device::Do(Call& call, const virtio_gpu_cmd_get_edid& request) {
  static constexpr char kNoScanout[] = "there is no scanout of this number";
  if (request.scanout >= VIRTIO_GPU_MAX_SCANOUTS) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID, StatsError::kInvalidScanout,
                kNoScanout);
  }
  const CallToken token = requests_.Park(std::move(call));
  display_.GetEdid(request.scanout, [this, token](const std::optional<virtio_gpu_resp_edid>& edid) {
    virtio_gpu_resp_edid response{};
    if (edid) {
      response = *edid;
      response.hdr = {};
      response.hdr.type = VIRTIO_GPU_RESP_OK_EDID;
      requests_.Finish(token, Bytes(response));
    } else {
      if (const Call* waiting = requests_.Find(token))
        NoteGuestError(*waiting, StatsError::kInvalidScanout, kNoScanout);
      response.hdr.type = VIRTIO_GPU_RESP_ERR_INVALID_SCANOUT_ID;
      requests_.Finish(token, Bytes(response.hdr));
    }
    Settle();
  });
}

void Device::Do(Call& call, const virtio_gpu_get_capset_info& request) {
  const auto& capsets = options_.capabilities.capsets;
  if (request.capset_index >= capsets.size()) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "there is no capability set of this index");
  }
  const Capset& capset = capsets[request.capset_index];
  virtio_gpu_resp_capset_info response{};
  response.hdr.type = VIRTIO_GPU_RESP_OK_CAPSET_INFO;
  response.capset_id = capset.id;
  response.capset_max_version = capset.max_version;
  response.capset_max_size = static_cast<uint32_t>(capset.data.size());
  requests_.Answer(call, Bytes(response));
}

void Device::Do(Call& call, const virtio_gpu_get_capset& request) {
  const auto& capsets = options_.capabilities.capsets;
  const auto capset = std::find_if(capsets.begin(), capsets.end(), [&request](const Capset& one) {
    return one.id == request.capset_id && request.capset_version <= one.max_version;
  });
  if (capset == capsets.end()) {
    return Fail(call, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, StatsError::kInvalidParameter,
                "there is no capability set of this id and version");
  }
  virtio_gpu_ctrl_hdr hdr{};
  hdr.type = VIRTIO_GPU_RESP_OK_CAPSET;
  std::vector<std::byte> response(sizeof(hdr) + capset->data.size());
  std::memcpy(response.data(), &hdr, sizeof(hdr));
  std::copy(capset->data.begin(), capset->data.end(), response.begin() + sizeof(hdr));
  requests_.Answer(call, response);
}

void Device::Do(Call& call, const virtio_gpu_resource_assign_uuid& request) {
  Resource* resource = resources_.Find(request.resource_id);
  if (resource == nullptr) return FailInvalidResource(call);
  if (!resource->uuid) {
    std::array<uint8_t, 16> uuid{};
    if (::getrandom(uuid.data(), uuid.size(), GRND_NONBLOCK) != static_cast<ssize_t>(uuid.size())) {
      return Fail(call, VIRTIO_GPU_RESP_ERR_UNSPEC, StatsError::kOutOfMemory, "no random numbers");
    }
    uuid[6] = static_cast<uint8_t>((uuid[6] & 0x0f) | 0x40);  // RFC 4122, version 4
    uuid[8] = static_cast<uint8_t>((uuid[8] & 0x3f) | 0x80);
    resource->uuid = uuid;
  }
  virtio_gpu_resp_resource_uuid response{};
  response.hdr.type = VIRTIO_GPU_RESP_OK_RESOURCE_UUID;
  std::copy(resource->uuid->begin(), resource->uuid->end(), response.uuid);
  requests_.Answer(call, Bytes(response));
}

}  // namespace rendercar::gpu
