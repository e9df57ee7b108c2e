// What every conformance test starts with: a backend of ours in QEMU's message order, its counted
// errors, and the question whether it still works.
// SPDX-License-Identifier: Apache-2.0
#include "tests/conformance/conformance.h"

#include <cstdlib>
#include <thread>

namespace rendercar::frontend {
namespace {

constexpr std::chrono::seconds kPatience{20};  // a guard against hanging for ever

// Looks again and again until `condition` holds.
bool Eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

}  // namespace

Picture TestPicture(uint32_t width, uint32_t height, uint32_t seed) {
  Picture picture(width, height);
  uint32_t value = seed * 0x9e3779b9U;
  for (uint32_t& pixel : picture.pixels) {
    value = value * 1664525U + 1013904223U;
    pixel = value >> 8;
  }
  return picture;
}

void Conformance::SetUp() {
  // Another backend, to try the tests themselves on: it writes no statistics.
  has_stats_ = std::getenv("RENDERCAR_CONFORMANCE_NO_STATS") == nullptr;
  if (!IsInstalled(OwnBackend())) {
    GTEST_SKIP() << "SKIPPED: no backend at " << OwnBackend().path
                 << "; build the target rendercar-backend";
  }
}

void Conformance::TearDown() {
  if (vm_ == nullptr) return;
  channel().Close();
  const std::optional<ChildEnd> end = vm_->backend().WaitEnd(kPatience);
  ASSERT_TRUE(end.has_value()) << "the backend outlives its frontend";
  EXPECT_EQ(end->kind, ChildEnd::Kind::kExited) << "the backend " << end->ToString();
}

void Conformance::PowerOn(const FrontendOptions& options) {
  VmOptions vm_options;
  vm_options.frontend = options;
  PowerOn(std::move(vm_options));
}

void Conformance::PowerOn(VmOptions options) {
  BackendProgram program = OwnBackend();
  program.args.insert(program.args.end(), options.program.args.begin(), options.program.args.end());
  options.program = std::move(program);
  if (has_stats_) options.program.args.push_back("--stats-path=" + (directory_ / "stats"));
  if (options.frontend.virgl) options.program.args.push_back("--virgl");
  absl::StatusOr<std::unique_ptr<TestVm>> vm = TestVm::PowerOn(options);
  ASSERT_TRUE(vm.ok()) << vm.status();
  vm_ = *std::move(vm);
}

void Conformance::Boot(const FrontendOptions& options) {
  VmOptions vm_options;
  vm_options.frontend = options;
  Boot(std::move(vm_options));
}

void Conformance::Boot(VmOptions options) {
  ASSERT_NO_FATAL_FAILURE(PowerOn(std::move(options)));
  const absl::Status realized = vm_->frontend().Realize();
  ASSERT_TRUE(realized.ok()) << realized;
  const absl::Status started = vm_->frontend().Start();
  ASSERT_TRUE(started.ok()) << started;
}

void Conformance::BootVirgl() {
  FrontendOptions options;
  options.virgl = true;
  Boot(options);
  ASSERT_NE(vm_->frontend().offered_features() & Bit(VIRTIO_GPU_F_VIRGL), 0U);
}

StatsSnapshot Conformance::Stats() const {
  if (!has_stats_) return {};
  const absl::StatusOr<StatsSnapshot> stats = ReadStats(directory_ / "stats");
  if (absl::IsNotFound(stats.status())) return {};  // the backend is still starting
  EXPECT_TRUE(stats.ok()) << stats.status();
  return stats.ok() ? *stats : StatsSnapshot{};
}

uint64_t Conformance::CountedErrors() const {
  uint64_t sum = 0;
  for (const uint64_t count : Stats().errors) sum += count;
  return sum;
}

void Conformance::ExpectCounted(StatsError error, const std::function<void()>& action) {
  const uint64_t before = Counted(error);
  action();
  if (!has_stats_) return;
  EXPECT_TRUE(Eventually([&] { return Counted(error) > before; }))
      << "nothing was counted as " << ToString(error);
}

void Conformance::ExpectAnyCounted(const std::function<void()>& action) {
  const uint64_t before = CountedErrors();
  action();
  if (!has_stats_) return;
  EXPECT_TRUE(Eventually([&] { return CountedErrors() > before; })) << "nothing was counted";
}

void Conformance::ExpectAlive() {
  EXPECT_EQ(gpu().TypeOf(Header(VIRTIO_GPU_CMD_GET_DISPLAY_INFO)), VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
}

void Conformance::ExpectDisconnected() {
  EXPECT_TRUE(channel().ClosedWithin());
  const std::optional<ChildEnd> end = vm_->backend().WaitEnd(kPatience);
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->kind, ChildEnd::Kind::kExited) << "the backend " << end->ToString();
}

void Conformance::ExpectContained() {
  if (channel().GetU64(VHOST_USER_GET_FEATURES).ok()) return;
  ExpectDisconnected();
}

void Conformance::ExpectRingStopsAndResetHelps() {
  const absl::Status reset = vm_->Reset();
  ASSERT_TRUE(reset.ok()) << reset;
  ExpectAlive();
}

void Conformance::CreateResource(uint32_t id, uint32_t width, uint32_t height, uint32_t format) {
  Resource resource{width, height, vm_->ram().AllocateScattered(size_t{width} * height * 4)};
  ASSERT_EQ(gpu().TypeOf(ResourceCreate2d(id, width, height, format)), VIRTIO_GPU_RESP_OK_NODATA);
  ASSERT_EQ(gpu().AttachBacking(id, resource.backing), VIRTIO_GPU_RESP_OK_NODATA);
  resources_[id] = std::move(resource);
}

void Conformance::Draw(uint32_t id, const Picture& picture) {
  WriteTo(vm_->ram(), resources_[id].backing, std::as_bytes(std::span(picture.pixels)));
}

void Conformance::TransferAndFlush(uint32_t id, const Rect& rect) {
  const uint64_t offset = (uint64_t{rect.y} * resources_[id].width + rect.x) * 4;
  EXPECT_EQ(gpu().TypeOf(TransferToHost2d(id, rect, offset)), VIRTIO_GPU_RESP_OK_NODATA);
  EXPECT_EQ(gpu().TypeOf(ResourceFlush(id, rect)), VIRTIO_GPU_RESP_OK_NODATA);
}

}  // namespace rendercar::frontend
