// What we ask of OpenGL directly, in the context that virglrenderer left current.
// SPDX-License-Identifier: Apache-2.0
#include "backend/render/gl_sync.h"

#include <epoxy/egl.h>
#include <epoxy/gl.h>

#include <utility>

namespace rendercar::render {
namespace {

bool HaveContext() { return eglGetCurrentContext() != EGL_NO_CONTEXT; }

}  // namespace

std::string CurrentGlRenderer() {
  if (!HaveContext()) return {};
  const auto* name = reinterpret_cast<const char*>(glGetString(GL_RENDERER));
  return name == nullptr ? std::string() : std::string(name);
}

GlSync GlSync::Insert() {
  if (!HaveContext()) return GlSync(nullptr);
  return GlSync(glFenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0));
}

GlSync::GlSync(GlSync&& other) noexcept : sync_(std::exchange(other.sync_, nullptr)) {}

GlSync::~GlSync() {
  if (sync_ != nullptr) glDeleteSync(static_cast<GLsync>(sync_));
}

bool GlSync::Wait(std::chrono::nanoseconds timeout) const {
  const GLenum result = glClientWaitSync(static_cast<GLsync>(sync_), GL_SYNC_FLUSH_COMMANDS_BIT,
                                         static_cast<GLuint64>(timeout.count()));
  return result == GL_ALREADY_SIGNALED || result == GL_CONDITION_SATISFIED;
}

}  // namespace rendercar::render
