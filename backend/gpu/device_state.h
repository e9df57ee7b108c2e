// What a device is, for a successor process that goes on with it: everything that the guest made
// and the viewer was told, without the renderer's own.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backend/gpu/cursor.h"
#include "backend/gpu/rect.h"
#include "backend/gpu/renderer.h"
#include "backend/gpu/surface.h"
#include "backend/wire/state_codec.h"
#include "backend/wire/state_fds.h"

namespace rendercar::gpu {

inline constexpr uint32_t kNoSurface = UINT32_MAX;

// Pixels lie beside the state, each picture on a page of its own.
struct SurfaceState {
  uint32_t width = 0, height = 0;
  uint64_t offset_bytes = 0;

  uint64_t size_bytes() const { return uint64_t{width} * height * kBytesPerPixel; }
};

struct BlobState {
  CreateBlob create;
  bool in_gl = false, lost = false;
};

struct ResourceState {
  uint32_t id = 0, kind = 0, width = 0, height = 0, format = 0;
  uint64_t host_bytes = 0;
  std::optional<std::vector<GuestRange>> backing;
  uint32_t surface = kNoSurface;  // a place in DeviceState::surfaces
  std::optional<std::array<uint8_t, 16>> uuid;
  std::optional<CreateResource3d> create3d;
  bool cannot_export = false;
  std::vector<Transfer> uploads;
  std::optional<BlobState> blob;
};

struct ContextState {
  CreateContext create;
  bool poisoned = false;
  std::vector<uint32_t> resources;
};

// A head shows a resource: its surface, what was read back of it, or a blob as pixels.
struct ReadbackState {
  uint32_t resource_id = 0;
  Rect rect;
  PixelOrder order = PixelOrder::kBgra;
  bool awaits_export = false;
  uint32_t surface = kNoSurface;
};
struct BlobViewState {
  uint32_t resource_id = 0;
  Rect rect;
  uint64_t offset = 0;
  uint32_t stride_bytes = 0;
  PixelOrder order = PixelOrder::kBgra;
  bool all_stale = false;
  uint32_t surface = kNoSurface;
};
struct HeadState {
  uint32_t resource_id = 0;
  ReadbackState readback;
  BlobViewState blob_view;
  uint32_t surface = kNoSurface;
  Rect rect;
  uint32_t announced_width = 0, announced_height = 0;
  bool viewer_has_dmabuf = false;
  bool cursor_known = false, cursor_visible = false;
  uint32_t cursor_x = 0, cursor_y = 0, cursor_hot_x = 0, cursor_hot_y = 0;
  bool cursor_image_unsent = false, cursor_position_unsent = false;
  std::optional<CursorImage> cursor_image;
};

struct DisplayState {
  int32_t socket = wire::kNoFd;
  bool negotiated = false, features_unsent = false;
  uint64_t protocol_features = 0;
  virtio_gpu_resp_display_info info{};
  std::vector<std::byte> unsent;    // the rest of a message that is half sent
  std::vector<uint32_t> pending;    // requests whose replies are due
  std::vector<std::byte> received;  // a reply that is half there
};

struct DeviceState {
  uint64_t features = 0;  // that were offered
  uint64_t driver_features = 0;
  std::vector<Capset> capsets;  // that were promised
  std::vector<SurfaceState> surfaces;
  std::vector<ResourceState> resources;
  std::vector<ContextState> contexts;
  std::array<HeadState, VIRTIO_GPU_MAX_SCANOUTS> heads;
  DisplayState display;
  RendererHistory renderer;

  // Bytes beside the state that its surfaces take.
  uint64_t pixel_bytes() const;
};

using Pictures = std::vector<std::shared_ptr<Surface>>;

// A device's state, and the pictures that its surfaces name, in their order.
struct SavedDevice {
  DeviceState state;
  Pictures pictures;
};

// Copies into memory that is all zero; a page that nobody wrote stays a hole.
void CopyPages(const std::byte* from, std::byte* to, size_t size);
// Copies the pictures to where their states say; `pixels` has pixel_bytes(), all zero.
void CopyPictures(const DeviceState& state, const Pictures& pictures, std::span<std::byte> pixels);

void Encode(wire::StateEncoder& codec, DeviceState& state);
// Whether it makes sense is for whoever uses it to check; counts are bounded.
void Decode(wire::StateDecoder& codec, DeviceState& state);

}  // namespace rendercar::gpu
