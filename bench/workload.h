// One row of the speed table: what is prepared once, and what is repeated and measured.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fmt/format.h>
#include <linux/virtio_gpu.h>

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "bench/samples.h"
#include "common/status.h"
#include "tests/frontend/test_vm.h"

namespace rendercar::bench {

// Internal, naming `what`, unless `type` is VIRTIO_GPU_RESP_OK_NODATA.
inline absl::Status ExpectOk(uint32_t type, const char* what) {
  if (type == VIRTIO_GPU_RESP_OK_NODATA) return absl::OkStatus();
  return absl::InternalError(fmt::format("{} was answered with {:#x}", what, type));
}

class Workload {
 public:
  virtual ~Workload() = default;
  // Once, on a freshly booted device.
  virtual absl::Status Prepare(frontend::TestVm& vm) = 0;
  // Works until `deadline`; gives the number of operations done, and their times in `samples`.
  virtual absl::StatusOr<uint64_t> Run(frontend::TestVm& vm, Clock::time_point deadline,
                                       Samples* samples) = 0;
};

struct Row {
  std::string id;    // --only=ID
  std::string name;  // as in the table
  std::string goal;  // in words, a ratio to QEMU's backend
  bool virgl = false;
  bool one_at_a_time = false;  // rates count the operations' own time, not what lies between them
  double bytes_per_operation = 0;  // where a rate of bytes says something; else 0
  std::function<std::unique_ptr<Workload>()> make;
};

std::vector<Row> Rows2d();
std::vector<Row> Rows3d();
std::vector<Row> RowsProtocol();

}  // namespace rendercar::bench
