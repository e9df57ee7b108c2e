// A full-screen EGL surface on the first connected KMS output, for tests/guest/scene.c.
// SPDX-License-Identifier: Apache-2.0
#ifndef RENDERCAR_TESTS_GUEST_DISPLAY_H_
#define RENDERCAR_TESTS_GUEST_DISPLAY_H_

#include <stdint.h>

// Opens /dev/dri/card0, chooses the output's preferred mode, makes a GLES2 context current.
// Prints one sentence and returns -1 on failure.
int display_open(void);

uint32_t display_width(void);
uint32_t display_height(void);

// Shows what has been drawn since the last call, and waits until it is on the screen. -1 on
// failure.
int display_show(void);

#endif  // RENDERCAR_TESTS_GUEST_DISPLAY_H_
