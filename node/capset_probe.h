// What virglrenderer can give on a render node: found out by a child, which may crash or hang in
// the GPU's driver.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/status.h"
#include "common/subprocess.h"
#include "node/render_node.h"

namespace rendercar::node {

struct ProbeResult {
  std::string gl_renderer;        // "AMD Radeon RX 6800 (radeonsi, ...)"
  std::vector<uint32_t> capsets;  // ids: 1 virgl, 2 virgl2, 4 venus, 6 drm

  bool operator==(const ProbeResult&) const = default;
};

// The program's output: JSON with gl_renderer and capsets[].id.
absl::StatusOr<ProbeResult> ParseProbe(const std::string& json);

// One run of "PROGRAM --probe [--render-node=PATH]". Loop only; ends the child when it goes.
class CapsetProbe {
 public:
  using Done = std::function<void(const absl::StatusOr<ProbeResult>& result)>;
  static constexpr std::chrono::seconds kTimeout{30};
  static constexpr size_t kMaxOutputBytes = 256 << 10;

  // `done` is called once, later; it may destroy this object.
  CapsetProbe(EventLoop& loop, const std::string& program, const RenderNode& node, Done done,
              std::chrono::milliseconds timeout = kTimeout);
  ~CapsetProbe();
  CapsetProbe(const CapsetProbe&) = delete;
  CapsetProbe& operator=(const CapsetProbe&) = delete;

 private:
  absl::Status Start(const std::string& program, const RenderNode& node);
  void Read();
  void Ended();
  void Finish(const absl::StatusOr<ProbeResult>& result);
  void Release();

  EventLoop& loop_;
  Done done_;
  Subprocess child_;
  UniqueFd output_;
  std::string text_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rendercar::node
