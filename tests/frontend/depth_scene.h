// A small 3D picture in virgl commands: shaders, vertices in perspective, and a depth test, with
// the picture that must come out.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

#include "common/status.h"
#include "tests/frontend/picture.h"
#include "tests/frontend/test_vm.h"
#include "tests/frontend/virgl_encoder.h"

namespace rendercar::frontend {

// A near orange triangle and a far blue one behind it, drawn near first, so that only the depth
// test keeps the far one behind. The machine must be booted with virgl; one scene a machine.
class DepthScene {
 public:
  static constexpr uint32_t kSide = 64;

  explicit DepthScene(TestVm& vm) : vm_(vm) {}

  // Draws; errors name the command that was refused.
  absl::Status Draw();
  // What was drawn, read back to guest memory.
  absl::StatusOr<Picture> Read();

 private:
  absl::Status CreateResources();
  absl::Status CreateResource(uint32_t id, uint32_t target, uint32_t format, uint32_t bind,
                              uint32_t width, uint32_t height);
  absl::Status Submit(const VirglEncoder& stream, const char* what);

  TestVm& vm_;
  std::vector<GuestSpan> backing_;
};

// The pixels of `picture` that are not as they must be; those that an edge touches may be either.
size_t CountWrong(const Picture& picture);

}  // namespace rendercar::frontend
