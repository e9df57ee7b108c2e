// The renderer of a device without 3D: it never starts.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "backend/gpu/renderer.h"

namespace rendercar::gpu {

class NullRenderer final : public Renderer {
 public:
  void SetClient(RendererClient*) override {}
  absl::Status Start() override { return None(); }
  bool running() const override { return false; }
  bool off() const override { return true; }
  void SetMemory(std::shared_ptr<const guest::GuestMemory>) override {}
  absl::StatusOr<std::unique_ptr<SharedPixels>> AllocatePixels(size_t) override { return None(); }
  absl::Status Submit(const RenderCommand&, Completion, const Timeline&, uint64_t) override {
    return None();
  }
  void Flush() override {}
  void Reset() override {}
  void Quiesce(int) override {}

 private:
  static absl::Status None() { return absl::UnavailableError("this device has no 3D"); }
};

}  // namespace rendercar::gpu
