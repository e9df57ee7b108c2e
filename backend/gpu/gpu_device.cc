// The virtio-gpu device.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/gpu_device.h"

#include "backend/wire/virtio_gpu_decode.h"

namespace rendercar::gpu {
namespace {

// Answers every request with RESP_ERR_UNSPEC.
class RefusingDevice final : public GpuDevice {
 public:
  explicit RefusingDevice(const Dependencies& dependencies) : port_(dependencies.port) {}
  uint64_t features() const override { return 0; }
  uint32_t num_capsets() const override { return 0; }
  void SetFeatures(uint64_t) override {}
  void SetMemory(std::shared_ptr<const guest::GuestMemory>) override {}
  void SetDisplaySocket(UniqueFd) override {}
  void Handle(Queue queue, guest::DescriptorChain chain) override {
    virtio_gpu_ctrl_hdr response{};
    response.type = VIRTIO_GPU_RESP_ERR_UNSPEC;
    const size_t written = guest::CopyTo(chain, std::as_bytes(std::span(&response, 1)));
    port_->Complete(queue, chain.head, static_cast<uint32_t>(written));
  }
  bool accepting() const override { return true; }
  void EndBatch() override {}
  void Quiesce() override {}
  void Reset() override {}

 private:
  QueuePort* const port_;
};

}  // namespace

std::unique_ptr<GpuDevice> GpuDevice::Create(const Dependencies& dependencies, Options) {
  return std::make_unique<RefusingDevice>(dependencies);
}

}  // namespace rendercar::gpu
