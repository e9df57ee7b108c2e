// What a backend costs besides its work: start, memory, wake-ups while idle.
// SPDX-License-Identifier: Apache-2.0
#include "bench/footprint.h"

#include <linux/virtio_gpu.h>

#include <thread>

#include "tests/frontend/gpu_commands.h"

namespace rendercar::bench {
namespace {

using namespace frontend;  // the vocabulary of this file

constexpr uint32_t kWidth = 1920, kHeight = 1080;

absl::StatusOr<std::unique_ptr<TestVm>> BootWithScreen(const BackendProgram& program) {
  VmOptions options;
  options.program = program;
  options.regions = {{0, size_t{16} << 20}};
  RC_ASSIGN_OR_RETURN(std::unique_ptr<TestVm> vm, TestVm::Boot(options));
  GpuDriver& gpu = vm->control();
  const Rect all{0, 0, kWidth, kHeight};
  const std::vector<GuestSpan> backing = vm->ram().AllocateScattered(size_t{kWidth} * kHeight * 4);
  // No zero pages: those cost no memory.
  WriteTo(vm->ram(), backing, std::vector<std::byte>(size_t{kWidth} * kHeight * 4, std::byte{7}));
  RC_RETURN_IF_ERROR(
      ExpectOk(gpu.TypeOf(ResourceCreate2d(1, kWidth, kHeight, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM)),
               "create"));
  RC_RETURN_IF_ERROR(ExpectOk(gpu.AttachBacking(1, backing), "attach"));
  RC_RETURN_IF_ERROR(ExpectOk(gpu.TypeOf(SetScanout(0, 1, all)), "scanout"));
  RC_RETURN_IF_ERROR(ExpectOk(gpu.TypeOf(TransferToHost2d(1, all, 0)), "transfer"));
  RC_RETURN_IF_ERROR(ExpectOk(gpu.TypeOf(ResourceFlush(1, all)), "flush"));
  if (!vm->display().WaitForPicture(0, Picture(kWidth, kHeight, 0x07070707)))
    return absl::DeadlineExceededError("the picture never came");
  return vm;
}

}  // namespace

absl::StatusOr<Samples> MeasureStart(const BackendProgram& program, uint32_t starts) {
  Samples samples;
  for (uint32_t i = 0; i < starts; ++i) {
    const Clock::time_point start = Clock::now();
    RC_ASSIGN_OR_RETURN(BackendProcess process, BackendProcess::StartWithFd(program));
    VhostChannel channel(process.TakeSocket());
    RC_RETURN_IF_ERROR(channel.GetU64(VHOST_USER_GET_FEATURES).status());
    samples.Add(Clock::now() - start);
    channel.Close();
    process.WaitEnd(std::chrono::seconds(5));
  }
  return samples;
}

absl::StatusOr<double> MeasureMemory(const BackendProgram& program) {
  RC_ASSIGN_OR_RETURN(std::unique_ptr<TestVm> vm, BootWithScreen(program));
  const uint64_t resident = ResidentBytesExcept(vm->backend().pid(), "frontend-guest-ram");
  return static_cast<double>(resident) - double{kWidth} * kHeight * 4;
}

absl::StatusOr<IdleWakeups> MeasureIdle(const BackendProgram& program, uint32_t sessions,
                                        std::chrono::milliseconds duration) {
  std::vector<std::unique_ptr<TestVm>> vms;
  for (uint32_t i = 0; i < sessions; ++i) {
    RC_ASSIGN_OR_RETURN(std::unique_ptr<TestVm> vm, BootWithScreen(program));
    vms.push_back(std::move(vm));
  }
  std::this_thread::sleep_for(
      std::chrono::seconds(3));  // what follows the start and the last frame ends
  std::vector<ProcessUsage> before;
  for (const auto& vm : vms) before.push_back(vm->backend().tree_usage());
  std::this_thread::sleep_for(duration);
  IdleWakeups idle;
  for (size_t i = 0; i < vms.size(); ++i) {
    const ProcessUsage after = vms[i]->backend().tree_usage();
    const uint64_t wakeups = after.wakeups - before[i].wakeups;
    idle.most = std::max(idle.most, wakeups);
    idle.sum += wakeups;
    idle.cpu_seconds += after.cpu_seconds - before[i].cpu_seconds;
  }
  return idle;
}

}  // namespace rendercar::bench
