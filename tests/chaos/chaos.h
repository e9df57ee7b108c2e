// What chaos tests share: how long they run, a guest that draws by virgl, and times in words.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/conformance/conformance.h"
#include "tests/frontend/virgl_encoder.h"

namespace rendercar::frontend {

// The environment's number `name`, or the short form's.
inline uint64_t Count(const char* name, uint64_t short_form) {
  const char* text = std::getenv(name);
  return text == nullptr ? short_form : std::strtoull(text, nullptr, 10);
}

inline void PrintTimes(const char* what, std::vector<double> milliseconds) {
  std::sort(milliseconds.begin(), milliseconds.end());
  std::printf("CHAOS %s: %zu times, median %.1f ms, worst %.1f ms\n", what, milliseconds.size(),
              milliseconds[milliseconds.size() / 2], milliseconds.back());
}

// A guest with 3D, each of whose contexts can draw one picture.
class Chaos : public Conformance {
 protected:
  static constexpr uint32_t kSide = 64;
  static constexpr Rect kAll{0, 0, kSide, kSide};

  void BootWith(std::vector<std::string> args) {
    VmOptions options;
    options.frontend.virgl = true;
    options.program.args = std::move(args);
    Boot(std::move(options));
    if (!IsSkipped() && (vm().frontend().offered_features() >> VIRTIO_GPU_F_VIRGL & 1) == 0)
      GTEST_SKIP() << "SKIPPED: the backend finds no virglrenderer that works here";
  }
  static VirglEncoder Clear(uint32_t rgb) {
    VirglEncoder stream;
    stream.Clear({static_cast<float>(rgb >> 16 & 0xff) / 255,
                  static_cast<float>(rgb >> 8 & 0xff) / 255, static_cast<float>(rgb & 0xff) / 255,
                  1});
    return stream;
  }
  uint32_t Submit(uint32_t context, const VirglEncoder& stream) {
    const auto size = static_cast<uint32_t>(stream.bytes().size());
    return gpu().TypeOf(Fenced(Submit3d(context, size), ++fence_), stream.bytes());
  }
  // As a new GL program: a context and a texture of number `id`; whether a picture of this colour
  // comes back. What it made goes again.
  bool DrawsRight(uint32_t id, uint32_t rgb) {
    if (gpu().TypeOf(CtxCreate(id, "program")) != kDone) return false;
    const bool right = DrawsInContext(id, rgb);
    gpu().TypeOf(ResourceUnref(id));
    gpu().TypeOf(CtxDestroy(id));
    return right;
  }
  // Tries new programs until one draws right; how long that took.
  double MillisecondsToRightFrame(uint32_t rgb) {
    const auto begin = std::chrono::steady_clock::now();
    while (!DrawsRight(next_id_++, rgb)) {
      if (std::chrono::steady_clock::now() - begin > std::chrono::seconds(60)) return -1;
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    return took.count();
  }
  // 0 while there is none.
  pid_t RendererPid() { return RendererBelow(vm().backend().pid()); }

  static constexpr uint32_t kDone = VIRTIO_GPU_RESP_OK_NODATA;
  uint64_t fence_ = 0;
  uint32_t next_id_ = 100;

 private:
  bool DrawsInContext(uint32_t id, uint32_t rgb) {
    if (gpu().TypeOf(ResourceCreate3d(id, kSide, kSide, kVirglFormatB8G8R8A8Unorm)) != kDone ||
        gpu().AttachBacking(id, backing_) != kDone ||
        gpu().TypeOf(CtxAttachResource(id, id)) != kDone)
      return false;
    VirglEncoder setup;
    setup.CreateSurface(5, id, kVirglFormatB8G8R8A8Unorm);
    setup.SetFramebuffer(5);
    if (Submit(id, setup) != kDone || Submit(id, Clear(rgb)) != kDone) return false;
    const auto transfer = Transfer3d(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, id, id, kAll, kSide * 4);
    if (gpu().TypeOf(Fenced(transfer, ++fence_)) != kDone) return false;
    const std::vector<std::byte> bytes = ReadFrom(vm().ram(), backing_);
    Picture picture(kSide, kSide);
    std::memcpy(picture.pixels.data(), bytes.data(), picture.pixels.size() * 4);
    return CountDifferent(picture, Picture(kSide, kSide, rgb)) == 0;
  }

 protected:
  void AllocateBacking() { backing_ = vm().ram().AllocateScattered(kSide * kSide * 4); }
  std::vector<GuestSpan> backing_;
};

}  // namespace rendercar::frontend
