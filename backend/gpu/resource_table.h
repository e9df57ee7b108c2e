// The guest's resources and what they use.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <absl/container/flat_hash_map.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backend/gpu/backing.h"
#include "backend/gpu/gpu_device.h"
#include "backend/gpu/pixel_format.h"
#include "backend/gpu/surface.h"
#include "common/stats_page.h"

namespace rendercar::gpu {

// Memory without a size in pixels or a format, until a scanout gives it one.
struct Blob {
  CreateBlob create;  // without ranges: those are the backing's
  bool in_gl = false;
  bool lost = false;  // memory of a renderer that died
  bool is_guest_memory() const { return create.blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST; }
};

struct Resource {
  enum class Kind : uint8_t { k2d, k3d, kBlob };

  uint32_t id = 0;
  Kind kind = Kind::k2d;
  uint32_t width = 0, height = 0, format = 0;
  PixelFormat pixels;       // how it is shown
  bool showable = true;     // its format is one that `pixels` can say
  uint64_t host_bytes = 0;  // what it counts against the limit
  std::optional<Backing> backing;
  // The host's copy; of 2D resources made when first written, of 3D ones when first shown.
  std::shared_ptr<Surface> surface;
  std::optional<std::array<uint8_t, 16>> uuid;

  // 3D: the parameters to make it (anew) with; of a 2D resource since its promotion.
  std::optional<CreateResource3d> create3d;
  // Its memory, where the renderer hands it out.
  std::shared_ptr<const ExportedBuffer> exported;
  bool cannot_export = false;
  // Uploads that filled a whole level, by level: done again in a new renderer.
  std::vector<Transfer> uploads;

  std::optional<Blob> blob;

  // Whether the renderer knows it; the contents of all but guest-memory blobs are its own then.
  bool in_gl() const { return blob ? blob->in_gl : create3d.has_value(); }
};

// Largest width and height; a 32 bit size in bytes of anything smaller cannot overflow 64 bits.
inline constexpr uint32_t kMaxDimension = 16384;

class ResourceTable {
 public:
  ResourceTable(const Limits& limits, StatsWriter& stats);

  Resource* Find(uint32_t id) {
    const auto found = resources_.find(id);
    return found == resources_.end() ? nullptr : found->second.get();
  }
  // Whether another resource of `host_bytes` stays within the limits.
  bool HasRoom(uint64_t host_bytes) const;
  // The id must be free, and HasRoom.
  Resource& Add(std::unique_ptr<Resource> resource);
  void Remove(uint32_t id);
  void Clear();

  // Whether `entries` more of backing stay within the limit of all together.
  bool HasRoomForBacking(size_t entries) const;
  // HasRoomForBacking, and the resource has none.
  void SetBacking(Resource& resource, Backing backing);
  void DropBacking(Resource& resource);

  template <typename Function>
  void ForEach(Function function) {
    for (auto& [id, resource] : resources_) function(*resource);
  }

 private:
  void PublishGauges();

  const Limits& limits_;
  StatsWriter& stats_;
  absl::flat_hash_map<uint32_t, std::unique_ptr<Resource>> resources_;
  uint64_t host_bytes_ = 0;
  size_t backing_entries_ = 0;
};

}  // namespace rendercar::gpu
