// 3D rows: virgl submits with and without fences, and one that draws.
// SPDX-License-Identifier: Apache-2.0
#include <linux/virtio_gpu.h>

#include "bench/pump.h"
#include "bench/workload.h"
#include "tests/frontend/gpu_commands.h"
#include "tests/frontend/virgl_encoder.h"

namespace rendercar::bench {
namespace {

using namespace frontend;  // the vocabulary of this file

constexpr uint32_t kContext = 1, kResource = 1, kSurface = 1, kSide = 256;

// SUBMIT_3D of the same commands again and again.
class Submit final : public Workload {
 public:
  struct Options {
    uint32_t window = 1;
    bool fenced = true;
    bool clears = false;  // a texture of 256x256; else nothing but a NOP
  };
  explicit Submit(const Options& options) : options_(options) {}

  absl::Status Prepare(TestVm& vm) override {
    GpuDriver& gpu = vm.control();
    RC_RETURN_IF_ERROR(ExpectOk(gpu.TypeOf(CtxCreate(kContext, "bench")), "CTX_CREATE"));
    stream_.Nop();
    if (!options_.clears) return absl::OkStatus();
    RC_RETURN_IF_ERROR(
        ExpectOk(gpu.TypeOf(ResourceCreate3d(kResource, kSide, kSide, kVirglFormatB8G8R8A8Unorm)),
                 "RESOURCE_CREATE_3D"));
    RC_RETURN_IF_ERROR(
        ExpectOk(gpu.TypeOf(CtxAttachResource(kContext, kResource)), "CTX_ATTACH_RESOURCE"));
    VirglEncoder setup;
    setup.CreateSurface(kSurface, kResource, kVirglFormatB8G8R8A8Unorm);
    setup.SetFramebuffer(kSurface);
    stream_ = {};
    stream_.Clear({0.25F, 0.5F, 0.75F, 1});
    return ExpectOk(gpu.TypeOf(SubmitOf(setup), setup.bytes()), "SUBMIT_3D");
  }

  absl::StatusOr<uint64_t> Run(TestVm& vm, Clock::time_point deadline, Samples* samples) override {
    const virtio_gpu_cmd_submit submit = SubmitOf(stream_);
    return Pump(vm.control(), {options_.window}, deadline, samples, [&](GpuDriver& gpu, uint64_t) {
      return options_.fenced ? gpu.Post(Fenced(submit, ++next_fence_), stream_.bytes())
                             : gpu.Post(submit, stream_.bytes());
    });
  }

 private:
  static virtio_gpu_cmd_submit SubmitOf(const VirglEncoder& stream) {
    return Submit3d(kContext, static_cast<uint32_t>(stream.bytes().size()));
  }

  const Options options_;
  VirglEncoder stream_;
  uint64_t next_fence_ = 0;
};

std::function<std::unique_ptr<Workload>()> Make(const Submit::Options& options) {
  return [options] { return std::make_unique<Submit>(options); };
}

}  // namespace

std::vector<Row> Rows3d() {
  return {
      {"submit-fence-1", "virgl empty submit + fence, one at a time", "1.0x (in-process 3x)", true,
       true, 0, Make({1, true, false})},
      {"submit-fence-32", "virgl empty submit + fence, 32 in flight", "2x", true, false, 0,
       Make({32, true, false})},
      {"submit-32", "virgl submit without fence, 32 in flight", "2x", true, false, 0,
       Make({32, false, false})},
      {"clear-1", "virgl clear 256x256 + fence, one at a time (llvmpipe)", "1.3x", true, true, 0,
       Make({1, true, true})},
  };
}

}  // namespace rendercar::bench
