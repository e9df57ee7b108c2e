// A machine without a CPU: guest RAM, a backend, the frontend to it and the two drivers, put
// together as QEMU would.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "common/status.h"
#include "tests/frontend/backend_process.h"
#include "tests/frontend/gpu_driver.h"
#include "tests/frontend/vhost_frontend.h"

namespace rendercar::frontend {

struct VmOptions {
  BackendProgram program;
  FrontendOptions frontend;
  std::vector<GuestRam::RegionOptions> regions = GuestRam::DefaultRegions();
  bool seal_ram = true;
};

class TestVm {
 public:
  // Starts the backend and brings the device up to DRIVER_OK.
  static absl::StatusOr<std::unique_ptr<TestVm>> Boot(const VmOptions& options);
  // Starts the backend, and sends nothing yet.
  static absl::StatusOr<std::unique_ptr<TestVm>> PowerOn(const VmOptions& options);

  // Guest pause and resume; system_reset with a driver that starts anew.
  absl::Status Pause() { return frontend_->Stop(); }
  absl::Status Resume() { return frontend_->Start(); }
  absl::Status Reset();

  GuestRam& ram() { return ram_; }
  BackendProcess& backend() { return backend_; }
  VhostFrontend& frontend() { return *frontend_; }
  DisplayEnd& display() { return *frontend_->display(); }
  GpuDriver& control() { return *control_; }
  GpuDriver& cursor() { return *cursor_; }

 private:
  TestVm(GuestRam ram, BackendProcess backend);
  absl::Status CreateFrontend(const FrontendOptions& options);

  GuestRam ram_;
  BackendProcess backend_;
  std::unique_ptr<VhostFrontend> frontend_;
  std::unique_ptr<GpuDriver> control_, cursor_;
};

}  // namespace rendercar::frontend
