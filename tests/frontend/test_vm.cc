// A machine without a CPU: guest RAM, a backend, the frontend to it and the two drivers, put
// together as QEMU would.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/test_vm.h"

#include <utility>

namespace rendercar::frontend {

TestVm::TestVm(GuestRam ram, BackendProcess backend)
    : ram_(std::move(ram)), backend_(std::move(backend)) {}

absl::StatusOr<std::unique_ptr<TestVm>> TestVm::PowerOn(const VmOptions& options) {
  RC_ASSIGN_OR_RETURN(GuestRam ram, GuestRam::Create(options.regions, options.seal_ram));
  RC_ASSIGN_OR_RETURN(BackendProcess backend, BackendProcess::StartWithFd(options.program));
  std::unique_ptr<TestVm> vm(new TestVm(std::move(ram), std::move(backend)));
  RC_RETURN_IF_ERROR(vm->CreateFrontend(options.frontend));
  return vm;
}

absl::Status TestVm::CreateFrontend(const FrontendOptions& options) {
  RC_ASSIGN_OR_RETURN(VhostFrontend frontend,
                      VhostFrontend::Create(backend_.TakeSocket(), &ram_, options));
  frontend_ = std::make_unique<VhostFrontend>(std::move(frontend));
  SplitQueue& control = frontend_->queue(kControlQueue);
  SplitQueue& cursor = frontend_->queue(kCursorQueue);
  control_ = std::make_unique<GpuDriver>(&ram_, &control, control.options().size);
  cursor_ =
      std::make_unique<GpuDriver>(&ram_, &cursor, cursor.options().size, GpuDriver::Answers::kNo);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<TestVm>> TestVm::Boot(const VmOptions& options) {
  RC_ASSIGN_OR_RETURN(std::unique_ptr<TestVm> vm, PowerOn(options));
  RC_RETURN_IF_ERROR(vm->frontend().Realize());
  RC_RETURN_IF_ERROR(vm->frontend().Start());
  return vm;
}

absl::Status TestVm::Reset() {
  RC_RETURN_IF_ERROR(frontend_->Stop());
  if (frontend_->HasProtocolFeature(VHOST_USER_PROTOCOL_F_RESET_DEVICE)) {
    RC_RETURN_IF_ERROR(frontend_->ResetDevice());
  }
  frontend_->ForgetRings();
  control_->Reset();
  cursor_->Reset();
  return frontend_->Start();
}

}  // namespace rendercar::frontend
