// Draws a known 3D scene on the guest's screen through Mesa's virgl driver, tells when it is there, and holds it.
// The scenes are simple enough for tests/e2e to compute what each pixel must be.
// SPDX-License-Identifier: Apache-2.0
#include <GLES2/gl2.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "display.h"

struct options {
  const char* name;
  unsigned colour;     // of the background, RRGGBB
  double angle;        // degrees about the vertical axis, of the last frame
  unsigned frames;     // 0: for ever
  unsigned report;     // print a line every so many frames
  int hold;            // keep the last frame until a signal comes
};

enum { kMaxVertices = 36, kFloats = 6 };  // x y z r g b

static const char kVertexShader[] =
    "attribute vec3 position; attribute vec3 colour; uniform mat4 transform; varying vec3 shade;\n"
    "void main() { gl_Position = transform * vec4(position, 1.0); shade = colour; }\n";
static const char kFragmentShader[] =
    "precision mediump float; varying vec3 shade;\n"
    "void main() { gl_FragColor = vec4(shade, 1.0); }\n";

static GLuint compile(GLenum kind, const char* source) {
  GLuint shader = glCreateShader(kind);
  GLint good = 0;
  glShaderSource(shader, 1, &source, NULL);
  glCompileShader(shader);
  glGetShaderiv(shader, GL_COMPILE_STATUS, &good);
  return good ? shader : 0;
}

static GLuint link_program(void) {
  GLuint vertex = compile(GL_VERTEX_SHADER, kVertexShader), fragment = compile(GL_FRAGMENT_SHADER, kFragmentShader);
  GLuint program = glCreateProgram();
  GLint good = 0;
  if (vertex == 0 || fragment == 0) return 0;
  glAttachShader(program, vertex);
  glAttachShader(program, fragment);
  glBindAttribLocation(program, 0, "position");
  glBindAttribLocation(program, 1, "colour");
  glLinkProgram(program);
  glGetProgramiv(program, GL_LINK_STATUS, &good);
  return good ? program : 0;
}

static void put(float* v, const float p[3], const float c[3]) {
  memcpy(v, p, 3 * sizeof(float));
  memcpy(v + 3, c, 3 * sizeof(float));
}

static int triangle_vertices(float* v) {
  static const float corners[3][3] = {{-0.8f, -0.7f, 0}, {0.6f, -0.4f, 0}, {-0.2f, 0.9f, 0}};
  static const float orange[3] = {1.0f, 0.5f, 0.0f};
  for (int i = 0; i < 3; ++i) put(v + i * kFloats, corners[i], orange);
  return 3;
}

// Face f looks along axis f/2, towards + for even f; one flat colour each.
static int cube_vertices(float* v) {
  static const float colours[6][3] = {{1, 0, 0}, {0, 1, 1}, {0, 1, 0}, {1, 0, 1}, {0, 0, 1}, {1, 1, 0}};
  static const float square[6][2] = {{-1, -1}, {1, -1}, {1, 1}, {-1, -1}, {1, 1}, {-1, 1}};
  for (int f = 0; f < 6; ++f) {
    for (int i = 0; i < 6; ++i) {
      float p[3];
      int axis = f / 2;
      p[axis] = f % 2 ? -1.0f : 1.0f;
      p[(axis + 1) % 3] = square[i][0];
      p[(axis + 2) % 3] = square[i][1];
      put(v + (f * 6 + i) * kFloats, p, colours[f]);
    }
  }
  return 36;
}

static void multiply(float out[16], const float a[16], const float b[16]) {  // column-major, out = a * b
  for (int c = 0; c < 4; ++c)
    for (int r = 0; r < 4; ++r) {
      out[c * 4 + r] = 0;
      for (int k = 0; k < 4; ++k) out[c * 4 + r] += a[k * 4 + r] * b[c * 4 + k];
    }
}

// Perspective with focal length 2 at distance 6, tilted by 30 degrees, turned by `angle`.
static void cube_transform(float out[16], double angle) {
  float aspect = (float)display_width() / (float)display_height();
  float t = (float)(angle * M_PI / 180), u = (float)(30 * M_PI / 180);
  const float turn[16] = {cosf(t), 0, -sinf(t), 0, 0, 1, 0, 0, sinf(t), 0, cosf(t), 0, 0, 0, 0, 1};
  const float tilt[16] = {1, 0, 0, 0, 0, cosf(u), sinf(u), 0, 0, -sinf(u), cosf(u), 0, 0, 0, -6, 1};
  const float zn = 1, zf = 20;
  const float view[16] = {2 / aspect, 0, 0, 0, 0, 2, 0, 0, 0, 0, -(zf + zn) / (zf - zn), -1, 0, 0,
                          -2 * zf * zn / (zf - zn), 0};
  float model[16];
  multiply(model, tilt, turn);
  multiply(out, view, model);
}

static void draw_frame(const struct options* o, GLint transform, int vertices, double angle) {
  static const float identity[16] = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1};
  float m[16];
  memcpy(m, identity, sizeof(m));
  if (strcmp(o->name, "cube") == 0) cube_transform(m, angle);
  glClearColor((float)(o->colour >> 16 & 255) / 255, (float)(o->colour >> 8 & 255) / 255,
               (float)(o->colour & 255) / 255, 1);
  glClear(GL_COLOR_BUFFER_BIT | GL_DEPTH_BUFFER_BIT);
  glUniformMatrix4fv(transform, 1, GL_FALSE, m);
  if (vertices > 0) glDrawArrays(GL_TRIANGLES, 0, vertices);
}

static int option(struct options* o, const char* text) {
  const char* value = strchr(text, '=');
  value = value != NULL ? value + 1 : "";
  if (strncmp(text, "--color=", 8) == 0) o->colour = (unsigned)strtoul(value, NULL, 16);
  else if (strncmp(text, "--angle=", 8) == 0) o->angle = strtod(value, NULL);
  else if (strncmp(text, "--frames=", 9) == 0) o->frames = (unsigned)strtoul(value, NULL, 10);
  else if (strncmp(text, "--report=", 9) == 0) o->report = (unsigned)strtoul(value, NULL, 10);
  else if (strncmp(text, "--hold=", 7) == 0) o->hold = atoi(value);
  else return -1;
  return 0;
}

static void run(const struct options* o, GLint transform, int vertices) {
  for (unsigned frame = 1; o->frames == 0 || frame <= o->frames; ++frame) {
    double behind = o->frames == 0 ? -(double)frame : (double)(o->frames - frame);
    draw_frame(o, transform, vertices, o->angle - 3 * behind);
    if (display_show() < 0) exit(1);
    if (o->report != 0 && frame % o->report == 0) printf("SCENE FRAME %u\n", frame);
  }
}

// The middle pixel as the guest itself reads it back: right only if the renderer really drew.
static void print_middle(const struct options* o, GLint transform, int vertices) {
  uint8_t p[4] = {0};
  draw_frame(o, transform, vertices, o->angle);
  glReadPixels((GLint)display_width() / 2, (GLint)display_height() / 2, 1, 1, GL_RGBA, GL_UNSIGNED_BYTE, p);
  printf("SCENE MIDDLE %02x%02x%02x\n", p[0], p[1], p[2]);
}

int main(int argc, char** argv) {
  struct options o = {.name = argc > 1 ? argv[1] : "cube", .colour = 0x203040, .angle = 30, .frames = 1, .hold = 1};
  static float v[kMaxVertices * kFloats];
  setvbuf(stdout, NULL, _IOLBF, 0);
  for (int i = 2; i < argc; ++i) {
    if (option(&o, argv[i]) < 0) return printf("SCENE ERROR unknown option %s\n", argv[i]), 1;
  }
  int vertices = strcmp(o.name, "cube") == 0       ? cube_vertices(v)
                 : strcmp(o.name, "triangle") == 0 ? triangle_vertices(v)
                 : strcmp(o.name, "clear") == 0    ? 0
                                                   : -1;
  if (vertices < 0) return printf("SCENE ERROR no scene is called %s; use clear, triangle or cube\n", o.name), 1;
  if (display_open() < 0) return 1;
  printf("GL_RENDERER: %s\nGL_VERSION: %s\n", (const char*)glGetString(GL_RENDERER),
         (const char*)glGetString(GL_VERSION));
  GLuint program = link_program();
  if (program == 0) return printf("SCENE ERROR the shaders do not compile\n"), 1;
  glUseProgram(program);
  glEnable(GL_DEPTH_TEST);
  glViewport(0, 0, (GLsizei)display_width(), (GLsizei)display_height());
  for (GLuint a = 0; a < 2; ++a) {
    glVertexAttribPointer(a, 3, GL_FLOAT, GL_FALSE, kFloats * sizeof(float), v + 3 * a);
    glEnableVertexAttribArray(a);
  }
  GLint transform = glGetUniformLocation(program, "transform");
  run(&o, transform, vertices);
  print_middle(&o, transform, vertices);
  printf("SCENE READY %s %06x %g %ux%u\n", o.name, o.colour, o.angle, display_width(), display_height());
  while (o.hold) pause();
  return 0;
}
