// A device for tests of the server: answers each request with the bytes it brought, now or when it
// is told to, and remembers what happened to it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "backend/gpu/gpu_device.h"
#include "backend/gpu/null_renderer.h"
#include "backend/server/device_worker.h"
#include "common/shared_memory.h"

namespace rendercar::server {

// Shared between the test's thread and the device on the work thread.
class FakeDeviceLog {
 public:
  void Add(std::string event) {
    const std::lock_guard lock(mutex_);
    events_.push_back(std::move(event));
  }
  std::vector<std::string> events() const {
    const std::lock_guard lock(mutex_);
    return events_;
  }
  size_t CountOf(const std::string& event) const {
    const std::lock_guard lock(mutex_);
    return static_cast<size_t>(std::count(events_.begin(), events_.end(), event));
  }

  std::atomic<bool> hold{false};    // requests wait until Quiesce
  std::atomic<bool> refuse{false};  // accepting() is false
  std::atomic<bool> block{false};   // Handle does not return while this is set
  std::atomic<gpu::QueuePort*> port{nullptr};
  std::atomic<uint64_t> requests{0};

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> events_;
};

class FakeDevice final : public gpu::GpuDevice {
 public:
  FakeDevice(FakeDeviceLog& log, gpu::QueuePort& port) : log_(log), port_(port) {
    log_.port = &port;
    log_.Add("created");
  }
  ~FakeDevice() override { log_.Add("destroyed"); }

  uint64_t features() const override { return 3; }  // VIRGL, EDID
  uint32_t num_capsets() const override { return 2; }
  void SetFeatures(uint64_t features) override { log_.Add("features " + std::to_string(features)); }
  void SetMemory(std::shared_ptr<const guest::GuestMemory>) override { log_.Add("memory"); }
  void SetDisplaySocket(UniqueFd) override { log_.Add("display"); }
  void Handle(gpu::Queue queue, guest::DescriptorChain chain) override {
    ++log_.requests;
    while (log_.block) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    held_.emplace_back(queue, std::move(chain));
    if (!log_.hold) AnswerAll();
  }
  bool accepting() const override { return !log_.refuse; }
  void EndBatch() override { log_.Add("batch"); }
  void Quiesce() override {
    AnswerAll();
    log_.Add("quiesce");
  }
  void Reset() override { log_.Add("reset"); }
  void Freeze() override {
    AnswerAll();
    log_.Add("freeze");
  }
  void Thaw() override { log_.Add("thaw"); }
  gpu::SavedDevice Save(wire::LeftFds&) override { return {}; }
  absl::Status Restore(gpu::DeviceState&, wire::TakenFds&, std::span<const std::byte>) override {
    log_.Add("restore");
    return absl::OkStatus();
  }
  // Head 0 shows one pixel, the others nothing.
  gpu::Screenshot TakeScreenshot(uint32_t head) override {
    gpu::Screenshot shot;
    auto memory = CreateSealedMemory("fake", 4);
    if (head != 0 || !memory.ok()) return shot;
    shot.outcome = screenshot::Outcome::kPicture;
    shot.width = shot.height = 1;
    shot.pixels = *std::move(memory);
    return shot;
  }

 private:
  void AnswerAll() {
    for (; !held_.empty(); held_.pop_front()) {
      const auto& [queue, chain] = held_.front();
      std::array<std::byte, 64> bytes{};
      const size_t size = CopyFrom(chain, 0, bytes);
      const size_t written = CopyTo(chain, std::span(bytes).first(size));
      port_.Complete(queue, chain.head, static_cast<uint32_t>(written));
    }
  }

  FakeDeviceLog& log_;
  gpu::QueuePort& port_;
  std::deque<std::pair<gpu::Queue, guest::DescriptorChain>> held_;
};

inline DeviceFactory FakeDeviceFactory(FakeDeviceLog& log) {
  return [&log](EventLoop&, gpu::QueuePort& port) {
    ServedDevice served;
    served.renderer = std::make_unique<gpu::NullRenderer>();
    served.device = std::make_unique<FakeDevice>(log, port);
    return served;
  };
}

}  // namespace rendercar::server
