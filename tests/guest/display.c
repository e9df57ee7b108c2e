// KMS + GBM + EGL plumbing of the guest's 3D program.
// SPDX-License-Identifier: Apache-2.0
#include "display.h"

#include <EGL/egl.h>
#include <EGL/eglext.h>
#include <errno.h>
#include <fcntl.h>
#include <gbm.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

static struct {
  int fd;
  uint32_t connector, crtc;
  drmModeModeInfo mode;
  struct gbm_device* gbm;
  struct gbm_surface* surface;
  struct gbm_bo* shown;
  EGLDisplay egl;
  EGLSurface egl_surface;
} d = {.fd = -1};

static int fail(const char* what) {
  printf("SCENE ERROR %s (errno %d: %s)\n", what, errno, strerror(errno));
  return -1;
}

static int choose_crtc(const drmModeRes* res, const drmModeConnector* connector) {
  for (int e = 0; e < connector->count_encoders; ++e) {
    drmModeEncoder* encoder = drmModeGetEncoder(d.fd, connector->encoders[e]);
    if (encoder == NULL) continue;
    for (int c = 0; c < res->count_crtcs && d.crtc == 0; ++c)
      if (encoder->possible_crtcs & (1u << c)) d.crtc = res->crtcs[c];
    drmModeFreeEncoder(encoder);
  }
  return d.crtc != 0 ? 0 : fail("no CRTC fits the output");
}

static int choose_output(void) {
  drmModeRes* res = drmModeGetResources(d.fd);
  if (res == NULL) return fail("card0 has no mode setting");
  int rc = -1;
  for (int i = 0; i < res->count_connectors && d.connector == 0; ++i) {
    drmModeConnector* connector = drmModeGetConnector(d.fd, res->connectors[i]);
    if (connector == NULL) continue;
    if (connector->connection == DRM_MODE_CONNECTED && connector->count_modes > 0) {
      d.connector = connector->connector_id;
      d.mode = connector->modes[0];
      rc = choose_crtc(res, connector);
    }
    drmModeFreeConnector(connector);
  }
  drmModeFreeResources(res);
  return d.connector != 0 ? rc : fail("no output is connected");
}

static EGLConfig choose_config(void) {
  static const EGLint wanted[] = {EGL_SURFACE_TYPE, EGL_WINDOW_BIT, EGL_RENDERABLE_TYPE, EGL_OPENGL_ES2_BIT,
                                  EGL_RED_SIZE, 8, EGL_GREEN_SIZE, 8, EGL_BLUE_SIZE, 8, EGL_DEPTH_SIZE, 16, EGL_NONE};
  EGLConfig configs[64];
  EGLint count = 0;
  if (!eglChooseConfig(d.egl, wanted, configs, 64, &count)) return NULL;
  for (int i = 0; i < count; ++i) {
    EGLint format = 0;
    eglGetConfigAttrib(d.egl, configs[i], EGL_NATIVE_VISUAL_ID, &format);
    if (format == GBM_FORMAT_XRGB8888) return configs[i];
  }
  return NULL;
}

static int open_egl(void) {
  static const EGLint context_attributes[] = {EGL_CONTEXT_CLIENT_VERSION, 2, EGL_NONE};
  d.egl = eglGetPlatformDisplay(EGL_PLATFORM_GBM_KHR, d.gbm, NULL);
  if (d.egl == EGL_NO_DISPLAY || !eglInitialize(d.egl, NULL, NULL)) return fail("EGL does not start on GBM");
  eglBindAPI(EGL_OPENGL_ES_API);
  EGLConfig config = choose_config();
  if (config == NULL) return fail("EGL has no XRGB8888 configuration with depth");
  EGLContext context = eglCreateContext(d.egl, config, EGL_NO_CONTEXT, context_attributes);
  d.egl_surface = eglCreateWindowSurface(d.egl, config, (EGLNativeWindowType)d.surface, NULL);
  if (context == EGL_NO_CONTEXT || d.egl_surface == EGL_NO_SURFACE) return fail("EGL gives no context or surface");
  return eglMakeCurrent(d.egl, d.egl_surface, d.egl_surface, context) ? 0 : fail("eglMakeCurrent failed");
}

int display_open(void) {
  d.fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
  if (d.fd < 0) return fail("cannot open /dev/dri/card0");
  if (choose_output() < 0) return -1;
  d.gbm = gbm_create_device(d.fd);
  if (d.gbm == NULL) return fail("GBM does not know card0");
  d.surface = gbm_surface_create(d.gbm, d.mode.hdisplay, d.mode.vdisplay, GBM_FORMAT_XRGB8888,
                                 GBM_BO_USE_SCANOUT | GBM_BO_USE_RENDERING);
  if (d.surface == NULL) return fail("GBM makes no scanout surface");
  return open_egl();
}

uint32_t display_width(void) { return d.mode.hdisplay; }
uint32_t display_height(void) { return d.mode.vdisplay; }

static void forget_framebuffer(struct gbm_bo* bo, void* data) {
  (void)bo;
  drmModeRmFB(d.fd, (uint32_t)(uintptr_t)data);
}

static uint32_t framebuffer_of(struct gbm_bo* bo) {
  uint32_t id = (uint32_t)(uintptr_t)gbm_bo_get_user_data(bo);
  if (id != 0) return id;
  uint32_t handles[4] = {gbm_bo_get_handle(bo).u32}, strides[4] = {gbm_bo_get_stride(bo)}, offsets[4] = {0};
  if (drmModeAddFB2(d.fd, gbm_bo_get_width(bo), gbm_bo_get_height(bo), GBM_FORMAT_XRGB8888, handles, strides,
                    offsets, &id, 0) != 0)
    return 0;
  gbm_bo_set_user_data(bo, (void*)(uintptr_t)id, forget_framebuffer);
  return id;
}

static void on_flip(int fd, unsigned frame, unsigned sec, unsigned usec, void* data) {
  (void)fd, (void)frame, (void)sec, (void)usec;
  *(int*)data = 0;
}

static int flip_to(uint32_t framebuffer) {
  int pending = 1;
  drmEventContext events = {.version = 2, .page_flip_handler = on_flip};
  if (drmModePageFlip(d.fd, d.crtc, framebuffer, DRM_MODE_PAGE_FLIP_EVENT, &pending) != 0) return fail("page flip");
  while (pending) {
    struct pollfd p = {.fd = d.fd, .events = POLLIN};
    if (poll(&p, 1, -1) < 0 && errno != EINTR) return fail("poll of card0");
    if (p.revents & POLLIN) drmHandleEvent(d.fd, &events);
  }
  return 0;
}

int display_show(void) {
  if (!eglSwapBuffers(d.egl, d.egl_surface)) return fail("eglSwapBuffers");
  struct gbm_bo* bo = gbm_surface_lock_front_buffer(d.surface);
  if (bo == NULL) return fail("GBM has no front buffer");
  uint32_t framebuffer = framebuffer_of(bo);
  if (framebuffer == 0) return fail("drmModeAddFB2");
  int first = d.shown == NULL;
  if (first && drmModeSetCrtc(d.fd, d.crtc, framebuffer, 0, 0, &d.connector, 1, &d.mode) != 0)
    return fail("drmModeSetCrtc");
  if (!first && flip_to(framebuffer) < 0) return -1;
  if (d.shown != NULL) gbm_surface_release_buffer(d.surface, d.shown);
  d.shown = bo;
  return 0;
}
