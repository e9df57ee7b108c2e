// Fills the whole screen anew without pause: dumb buffer, DIRTYFB, next colour (2D virtio-gpu commands only).
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <xf86drm.h>
#include <xf86drmMode.h>

struct screen {
  int fd;
  uint32_t framebuffer;
  uint8_t* pixels;
  uint64_t size;
};

static int fail(const char* what) {
  perror(what);
  printf("SCENE ERROR redraw: %s\n", what);
  return -1;
}

static drmModeConnector* connected_output(int fd, const drmModeRes* res) {
  for (int i = 0; i < res->count_connectors; ++i) {
    drmModeConnector* connector = drmModeGetConnector(fd, res->connectors[i]);
    if (connector != NULL && connector->connection == DRM_MODE_CONNECTED && connector->count_modes > 0) return connector;
    drmModeFreeConnector(connector);
  }
  return NULL;
}

static int make_buffer(struct screen* s, const drmModeModeInfo* mode) {
  struct drm_mode_create_dumb create = {.width = mode->hdisplay, .height = mode->vdisplay, .bpp = 32};
  if (drmIoctl(s->fd, DRM_IOCTL_MODE_CREATE_DUMB, &create) != 0) return fail("no dumb buffer");
  if (drmModeAddFB(s->fd, create.width, create.height, 24, 32, create.pitch, create.handle, &s->framebuffer) != 0)
    return fail("no frame buffer");
  struct drm_mode_map_dumb map = {.handle = create.handle};
  if (drmIoctl(s->fd, DRM_IOCTL_MODE_MAP_DUMB, &map) != 0) return fail("the buffer cannot be mapped");
  s->size = create.size;
  s->pixels = mmap(NULL, create.size, PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, (off_t)map.offset);
  return s->pixels == MAP_FAILED ? fail("mmap") : 0;
}

static int open_screen(struct screen* s) {
  s->fd = open("/dev/dri/card0", O_RDWR | O_CLOEXEC);
  drmModeRes* res = s->fd < 0 ? NULL : drmModeGetResources(s->fd);
  if (res == NULL) return fail("/dev/dri/card0");
  drmModeConnector* output = connected_output(s->fd, res);
  if (output == NULL) return fail("no output is connected");
  if (make_buffer(s, &output->modes[0]) != 0) return -1;
  return drmModeSetCrtc(s->fd, res->crtcs[0], s->framebuffer, 0, 0, &output->connector_id, 1, &output->modes[0]) == 0
             ? 0
             : fail("the mode cannot be set");
}

static uint64_t now_us(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int main(void) {
  struct screen s = {0};
  if (open_screen(&s) != 0) return 1;
  uint64_t longest_us = 0;
  for (uint32_t frame = 0;; ++frame) {
    memset(s.pixels, (int)(frame * 37), s.size);
    uint64_t began_us = now_us();
    if (drmModeDirtyFB(s.fd, s.framebuffer, NULL, 0) != 0) return fail("DIRTYFB") != 0;
    uint64_t took_us = now_us() - began_us;
    if (took_us > longest_us) longest_us = took_us;
    if (frame == 0) printf("REDRAW READY\n"), fflush(stdout);
    // Where the count is asked for, it is the rate that was reached.
    if (frame % 50 != 49) continue;
    printf("REDRAW FRAME %u longest %u us\n", frame + 1, (unsigned)longest_us), fflush(stdout);
    longest_us = 0;
  }
}
