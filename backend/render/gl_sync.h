// What we ask of OpenGL directly, in the context that virglrenderer left current: its name, and
// sync objects that are cheaper than a hop through virglrenderer's fence thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

namespace rendercar::render {

// GL_RENDERER of the current context; empty without one.
std::string CurrentGlRenderer();

// A sync object behind the commands of the current context.
class GlSync {
 public:
  // Inserts one; valid() is false when no context is current.
  static GlSync Insert();
  GlSync(GlSync&& other) noexcept;
  GlSync& operator=(GlSync&&) = delete;
  ~GlSync();

  bool valid() const { return sync_ != nullptr; }
  // Whether it is signaled, after waiting at most `timeout`.
  bool Wait(std::chrono::nanoseconds timeout) const;

 private:
  explicit GlSync(void* sync) : sync_(sync) {}
  void* sync_;
};

}  // namespace rendercar::render
