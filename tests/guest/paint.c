// Draws known pictures through /dev/fb0 (2D virtio-gpu commands only): fill, bars, checker, and an endless animation.
// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <linux/fb.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

struct screen {
  uint8_t* pixels;
  uint32_t stride;
  uint32_t width, height;
};

typedef uint32_t (*pattern)(const struct screen* s, uint32_t x, uint32_t y, uint32_t argument);

static uint32_t fill(const struct screen* s, uint32_t x, uint32_t y, uint32_t colour) {
  (void)s, (void)x, (void)y;
  return colour;
}

static uint32_t bars(const struct screen* s, uint32_t x, uint32_t y, uint32_t shift) {
  static const uint32_t colours[8] = {0xffffff, 0xffff00, 0x00ffff, 0x00ff00,
                                      0xff00ff, 0xff0000, 0x0000ff, 0x000000};
  (void)y;
  return colours[(x * 8 / s->width + shift) % 8];
}

// Every pixel has its own colour: red grows to the right, green downwards, blue is a 16-pixel checker.
static uint32_t gradient(const struct screen* s, uint32_t x, uint32_t y, uint32_t blue) {
  uint32_t red = x * 255 / (s->width - 1), green = y * 255 / (s->height - 1);
  return red << 16 | green << 8 | (((x ^ y) & 16) ? (blue & 0xff) : 0);
}

static void draw(const struct screen* s, pattern p, uint32_t argument) {
  for (uint32_t y = 0; y < s->height; ++y) {
    uint32_t* row = (uint32_t*)(void*)(s->pixels + (size_t)y * s->stride);
    for (uint32_t x = 0; x < s->width; ++x) row[x] = p(s, x, y, argument);
  }
}

static int open_screen(struct screen* s) {
  struct fb_var_screeninfo var;
  struct fb_fix_screeninfo fix;
  int fd = open("/dev/fb0", O_RDWR | O_CLOEXEC);
  if (fd < 0 || ioctl(fd, FBIOGET_VSCREENINFO, &var) < 0 || ioctl(fd, FBIOGET_FSCREENINFO, &fix) < 0) {
    perror("PAINT ERROR /dev/fb0");
    return -1;
  }
  if (var.bits_per_pixel != 32) {
    printf("PAINT ERROR /dev/fb0 has %u bits a pixel, 32 are needed\n", var.bits_per_pixel);
    return -1;
  }
  s->stride = fix.line_length;
  s->width = var.xres;
  s->height = var.yres;
  s->pixels = mmap(NULL, (size_t)s->stride * s->height, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (s->pixels == MAP_FAILED) {
    perror("PAINT ERROR mmap of /dev/fb0");
    return -1;
  }
  return 0;
}

static void animate(const struct screen* s) {
  for (uint32_t frame = 0;; ++frame) {
    draw(s, bars, frame);
    if (frame % 10 == 0) printf("PAINT FRAME %u\n", frame);
    usleep(50 * 1000);
  }
}

int main(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "bars";
  uint32_t argument = argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 16) : 0;
  struct screen s;
  setvbuf(stdout, NULL, _IOLBF, 0);
  if (open_screen(&s) < 0) return 1;
  if (strcmp(name, "animate") == 0) animate(&s);
  pattern p = strcmp(name, "fill") == 0       ? fill
              : strcmp(name, "bars") == 0     ? bars
              : strcmp(name, "gradient") == 0 ? gradient
                                              : NULL;
  if (p == NULL) {
    printf("PAINT ERROR no picture is called %s; use fill, bars, gradient or animate\n", name);
    return 1;
  }
  draw(&s, p, argument);
  usleep(300 * 1000);  // fbdev hands its damage to the driver from a worker
  printf("PAINT READY %s %06x %ux%u\n", name, argument, s.width, s.height);
  return 0;
}
