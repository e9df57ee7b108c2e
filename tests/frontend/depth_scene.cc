// A small 3D picture in virgl commands: shaders, vertices in perspective, and a depth test, with
// the picture that must come out.
// SPDX-License-Identifier: Apache-2.0
#include "tests/frontend/depth_scene.h"

#include <fmt/format.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstring>

#include "tests/frontend/gpu_commands.h"

namespace rendercar::frontend {
namespace {

constexpr uint32_t kSide = DepthScene::kSide;
constexpr uint32_t kContext = 1, kColour = 1, kDepth = 2, kVertices = 3;     // context, resources
constexpr uint32_t kFormatDepth24 = 21, kFormatR8 = 64, kFormatFloat4 = 31;  // VIRGL_FORMAT_*
constexpr uint32_t kTargetBuffer = 0, kTarget2d = 2;                         // PIPE_*
constexpr uint32_t kBindDepth = 1U << 0, kBindColour = 1U << 1, kBindVertices = 1U << 4;

constexpr uint32_t kBackground = 0x203040, kOrange = 0xff8000, kBlue = 0x0040ff;

using enum VirglCommand;
using enum VirglObject;

enum Handle : uint32_t {
  kColourSurface = 1,
  kDepthSurface,
  kBlendState,
  kRasterState,
  kDepthState,
  kLayout,
  kVertexShader,
  kFragmentShader,
};

constexpr char kVertexText[] =
    "VERT\nDCL IN[0]\nDCL IN[1]\nDCL OUT[0], POSITION\nDCL OUT[1], GENERIC[0]\n"
    "  0: MOV OUT[0], IN[0]\n  1: MOV OUT[1], IN[1]\n  2: END\n";
constexpr char kFragmentText[] =
    "FRAG\nDCL IN[0], GENERIC[0], PERSPECTIVE\nDCL OUT[0], COLOR\n"
    "  0: MOV OUT[0], IN[0]\n  1: END\n";

struct Vertex {
  std::array<float, 4> position;
  std::array<float, 4> colour;
};
struct Triangle {
  std::array<std::array<float, 2>, 3> corners;  // on the screen, -1..1, row 0 at y = -1
  float depth, w;
  uint32_t colour;
};
// The near one first.
constexpr std::array<Triangle, 2> kTriangles{{
    {{{{-0.8F, -0.8F}, {0.6F, -0.7F}, {-0.1F, 0.7F}}}, -0.5F, 1, kOrange},
    {{{{-0.6F, 0.8F}, {0.9F, 0.6F}, {0.2F, -0.9F}}}, 0.5F, 2, kBlue},
}};

float Channel(uint32_t colour, int shift) {
  return static_cast<float>(colour >> shift & 0xff) / 255;
}

std::vector<Vertex> Vertices() {
  std::vector<Vertex> vertices;
  for (const Triangle& t : kTriangles) {
    for (const auto& [x, y] : t.corners) {
      vertices.push_back({{x * t.w, y * t.w, t.depth * t.w, t.w},
                          {Channel(t.colour, 16), Channel(t.colour, 8), Channel(t.colour, 0), 1}});
    }
  }
  return vertices;
}

uint32_t Word(float value) { return std::bit_cast<uint32_t>(value); }

void Emit(VirglEncoder& stream, VirglCommand command, VirglObject object,
          const std::vector<uint32_t>& words) {
  stream.Command(command, object, words);
}

void EmitShader(VirglEncoder& stream, Handle handle, uint32_t stage, const char* text) {
  const size_t bytes = std::strlen(text) + 1;
  std::vector<uint32_t> words{handle, stage, static_cast<uint32_t>(bytes), /*tokens=*/100,
                              /*stream outputs=*/0};
  const size_t head = words.size();
  words.resize(head + (bytes + 3) / 4);
  std::memcpy(&words[head], text, bytes);
  Emit(stream, kCreateObject, kShader, words);
  Emit(stream, kBindShader, kNone, {handle, stage});
}

void EmitSurfaces(VirglEncoder& stream) {
  Emit(stream, kCreateObject, kSurface, {kColourSurface, kColour, kVirglFormatB8G8R8A8Unorm, 0, 0});
  Emit(stream, kCreateObject, kSurface, {kDepthSurface, kDepth, kFormatDepth24, 0, 0});
  Emit(stream, kSetFramebuffer, kNone, {1, kDepthSurface, kColourSurface});
  const float half = kSide / 2.0F;
  Emit(stream, kSetViewport, kNone,
       {0, Word(half), Word(half), Word(0.5F), Word(half), Word(half), Word(0.5F)});
}

void EmitStates(VirglEncoder& stream) {
  constexpr uint32_t kWriteAll = 0xfU << 27;
  std::vector<uint32_t> blend{kBlendState, 0, 0};
  blend.resize(11, kWriteAll);
  Emit(stream, kCreateObject, kBlend, blend);
  constexpr uint32_t kDepthClip = 1U << 1, kHalfPixelCentre = 1U << 29;
  Emit(stream, kCreateObject, kRasterizer,
       {kRasterState, kDepthClip | kHalfPixelCentre, Word(1), 0, 0, Word(1), 0, 0, 0});
  constexpr uint32_t kTest = 1U << 0, kWrite = 1U << 1, kLess = 1U << 2;
  Emit(stream, kCreateObject, kDepthStencil, {kDepthState, kTest | kWrite | kLess, 0, 0, 0});
  Emit(stream, kCreateObject, kVertexElements,
       {kLayout, 0, 0, 0, kFormatFloat4, sizeof(Vertex::position), 0, 0, kFormatFloat4});
  Emit(stream, kBindObject, kBlend, {kBlendState});
  Emit(stream, kBindObject, kRasterizer, {kRasterState});
  Emit(stream, kBindObject, kDepthStencil, {kDepthState});
  Emit(stream, kBindObject, kVertexElements, {kLayout});
}

void EmitVertices(VirglEncoder& stream) {
  const std::vector<Vertex> vertices = Vertices();
  const size_t bytes = vertices.size() * sizeof(Vertex);
  std::vector<uint32_t> words{kVertices, 0, 0, 0, 0, 0, 0, 0, static_cast<uint32_t>(bytes), 1, 1};
  const size_t head = words.size();
  words.resize(head + bytes / 4);
  std::memcpy(&words[head], vertices.data(), bytes);
  Emit(stream, kInlineWrite, kNone, words);
  Emit(stream, kSetVertexBuffers, kNone, {sizeof(Vertex), 0, kVertices});
}

void EmitDrawing(VirglEncoder& stream) {
  constexpr uint32_t kDepthBuffer = 1U << 0, kColourBuffer = 1U << 2, kTriangleList = 4;
  const uint64_t far = std::bit_cast<uint64_t>(1.0);
  Emit(stream, kClear, kNone,
       {kDepthBuffer | kColourBuffer, Word(Channel(kBackground, 16)), Word(Channel(kBackground, 8)),
        Word(Channel(kBackground, 0)), Word(1), static_cast<uint32_t>(far),
        static_cast<uint32_t>(far >> 32), 0});
  const auto count = static_cast<uint32_t>(3 * kTriangles.size());
  Emit(stream, kDrawVbo, kNone, {0, count, kTriangleList, 0, 1, 0, 0, 0, 0, 0, count - 1, 0});
}

// How far (x, y) lies inside the triangle, in screen units; negative: outside.
float Depth(const Triangle& t, float x, float y) {
  const auto side = [](const auto& a, const auto& b, float px, float py) {
    const float dx = b[0] - a[0], dy = b[1] - a[1];
    return (dx * (py - a[1]) - dy * (px - a[0])) / std::hypot(dx, dy);
  };
  const auto& c = t.corners;
  const float turn = side(c[0], c[1], c[2][0], c[2][1]) < 0 ? -1.0F : 1.0F;
  return std::min({turn * side(c[0], c[1], x, y), turn * side(c[1], c[2], x, y),
                   turn * side(c[2], c[0], x, y)});
}

bool IsRight(const Picture& picture, uint32_t column, uint32_t row) {
  constexpr float kPixel = 2.0F / kSide;
  const float x = (static_cast<float>(column) + 0.5F) * kPixel - 1;
  const float y = (static_cast<float>(row) + 0.5F) * kPixel - 1;
  uint32_t wanted = kBackground;
  for (const Triangle& t : kTriangles) {
    const float depth = Depth(t, x, y);
    if (std::abs(depth) < kPixel) return true;  // an edge
    if (depth > 0 && wanted == kBackground) wanted = t.colour;
  }
  return picture.At(column, row) == wanted;
}

}  // namespace

absl::Status DepthScene::Submit(const VirglEncoder& stream, const char* what) {
  const auto size = static_cast<uint32_t>(stream.bytes().size());
  const uint32_t type = vm_.control().TypeOf(Submit3d(kContext, size), stream.bytes());
  if (type == VIRTIO_GPU_RESP_OK_NODATA) return absl::OkStatus();
  return absl::InternalError(fmt::format("the submit of {} was answered with {:#x}", what, type));
}

absl::Status DepthScene::CreateResource(uint32_t id, uint32_t target, uint32_t format,
                                        uint32_t bind, uint32_t width, uint32_t height) {
  virtio_gpu_resource_create_3d command = ResourceCreate3d(id, width, height, format);
  command.target = target;
  command.bind = bind;
  const bool made =
      vm_.control().TypeOf(command) == VIRTIO_GPU_RESP_OK_NODATA &&
      vm_.control().TypeOf(CtxAttachResource(kContext, id)) == VIRTIO_GPU_RESP_OK_NODATA;
  return made ? absl::OkStatus()
              : absl::InternalError(fmt::format("resource {} cannot be made", id));
}

absl::Status DepthScene::CreateResources() {
  if (vm_.control().TypeOf(CtxCreate(kContext, "depth")) != VIRTIO_GPU_RESP_OK_NODATA) {
    return absl::InternalError("the device refuses a 3D context");
  }
  RC_RETURN_IF_ERROR(
      CreateResource(kColour, kTarget2d, kVirglFormatB8G8R8A8Unorm, kBindColour, kSide, kSide));
  RC_RETURN_IF_ERROR(CreateResource(kDepth, kTarget2d, kFormatDepth24, kBindDepth, kSide, kSide));
  const size_t bytes = 3 * kTriangles.size() * sizeof(Vertex);
  RC_RETURN_IF_ERROR(CreateResource(kVertices, kTargetBuffer, kFormatR8, kBindVertices,
                                    static_cast<uint32_t>(bytes), 1));
  backing_ = vm_.ram().AllocateScattered(size_t{kSide} * kSide * 4);
  if (vm_.control().AttachBacking(kColour, backing_) == VIRTIO_GPU_RESP_OK_NODATA) {
    return absl::OkStatus();
  }
  return absl::InternalError("the device refuses memory for the picture");
}

absl::Status DepthScene::Draw() {
  RC_RETURN_IF_ERROR(CreateResources());
  VirglEncoder setup;
  EmitSurfaces(setup);
  EmitStates(setup);
  EmitShader(setup, kVertexShader, 0, kVertexText);
  EmitShader(setup, kFragmentShader, 1, kFragmentText);
  RC_RETURN_IF_ERROR(Submit(setup, "states and shaders"));
  VirglEncoder drawing;
  EmitVertices(drawing);
  EmitDrawing(drawing);
  return Submit(drawing, "the drawing");
}

absl::StatusOr<Picture> DepthScene::Read() {
  const auto transfer = Transfer3d(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, kContext, kColour,
                                   {0, 0, kSide, kSide}, kSide * 4);
  const uint32_t type = vm_.control().TypeOf(Fenced(transfer, 1));
  if (type != VIRTIO_GPU_RESP_OK_NODATA) {
    return absl::InternalError(fmt::format("reading back was answered with {:#x}", type));
  }
  const std::vector<std::byte> bytes = ReadFrom(vm_.ram(), backing_);
  Picture picture(kSide, kSide);
  std::memcpy(picture.pixels.data(), bytes.data(), picture.pixels.size() * 4);
  return picture;
}

size_t CountWrong(const Picture& picture) {
  if (picture.width != kSide || picture.height != kSide) return size_t{kSide} * kSide;
  size_t wrong = 0;
  for (uint32_t row = 0; row < kSide; ++row) {
    for (uint32_t column = 0; column < kSide; ++column) {
      wrong += IsRight(picture, column, row) ? 0 : 1;
    }
  }
  return wrong;
}

}  // namespace rendercar::frontend
