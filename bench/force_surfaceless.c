/* LD_PRELOAD for QEMU's vhost-user-gpu on machines without GBM: adds the surfaceless flag that it does not pass to
 * virglrenderer itself. SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <virglrenderer.h>

typedef int (*InitFunction)(void *, int, struct virgl_renderer_callbacks *);

int virgl_renderer_init(void *cookie, int flags, struct virgl_renderer_callbacks *callbacks) {
  const InitFunction real = (InitFunction)dlsym(RTLD_NEXT, "virgl_renderer_init");
  return real(cookie, flags | VIRGL_RENDERER_USE_SURFACELESS, callbacks);
}
