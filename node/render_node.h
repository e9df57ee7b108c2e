// A render node: a GPU's device that takes work without being a display's master, or the built-in
// software one.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace rendercar::node {

// Why a node cannot be used, in one word for metrics and scripts.
enum class ProblemKind {
  kNone,
  kMissing,  // its device file is not there
  kOpen,     // its device file does not open
  kBus,      // it fell off its bus
  kWedged,   // the kernel says so
  kHot,
  kCrashes,  // sessions of several pods lose their renderers on it
  kDrained,
};
std::string_view ToString(ProblemKind kind);

struct RenderNode {
  // Stable over reboots and driver reloads, since it comes from the bus and not from the render
  // number: "0000-03-00.0", "platform-vgem", "software".
  std::string id;
  // "/dev/dri/renderD128"; share_env::kSoftwareNode for the software one.
  std::string path;
  // Its device's directory in sysfs; empty for the software one.
  std::string device_path;
  std::string driver;       // "amdgpu", "i915", "virtio_gpu"; "llvmpipe" for the software one
  std::string pci_address;  // "0000:03:00.0"; empty when it is on no PCI bus
  uint16_t pci_vendor = 0;
  uint16_t pci_device = 0;
  int numa_node = -1;               // -1: none told
  uint64_t video_memory_bytes = 0;  // 0: the driver does not tell
  bool software = false;
  // Why it cannot be used now, as a sentence; empty: healthy.
  std::string problem;
  ProblemKind problem_kind = ProblemKind::kNone;

  bool healthy() const { return problem.empty(); }
  void SetProblem(ProblemKind kind, std::string sentence) {
    problem_kind = sentence.empty() ? ProblemKind::kNone : kind;
    problem = std::move(sentence);
  }
  bool operator==(const RenderNode&) const = default;
};

}  // namespace rendercar::node
