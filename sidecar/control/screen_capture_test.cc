// Screenshots from device processes that answer well, and from some that do not.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/control/screen_capture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <png.h>
#include <poll.h>

#include <array>
#include <cstring>
#include <optional>
#include <span>
#include <thread>

#include "common/screenshot_wire.h"
#include "common/temp_dir.h"
#include "common/unix_socket.h"

namespace rendercar::sidecar {
namespace {

using screenshot::Answer;
using screenshot::Outcome;
using ::testing::HasSubstr;

std::chrono::system_clock::time_point Soon() {
  return std::chrono::system_clock::now() + std::chrono::seconds(30);
}

// Two pixels: red, then blue.
UniqueFd TwoPixels() {
  auto memory = CreateSealedMemory("test", 8);
  RC_CHECK(memory.ok(), "tests have memory");
  auto mapping = Mapping::Map(memory->get(), 0, 8, Mapping::Access::kReadWrite);
  RC_CHECK(mapping.ok(), "tests can map");
  constexpr std::array<uint8_t, 8> kPixels{0, 0, 255, 7, 255, 0, 0, 7};
  std::memcpy(mapping->bytes().data(), kPixels.data(), kPixels.size());
  return *std::move(memory);
}

Answer TwoPixelAnswer() {
  Answer answer;
  answer.outcome = Outcome::kPicture;
  answer.width = 2;
  answer.height = 1;
  return answer;
}

// Takes one question and answers it so.
class FakeBackend {
 public:
  FakeBackend(Answer answer, UniqueFd pixels, size_t answer_bytes = sizeof(Answer)) {
    auto listener = UnixListener::Listen(path());
    RC_CHECK(listener.ok(), "tests can listen");
    listener_ = *std::move(listener);
    thread_ = std::thread([this, answer, answer_bytes, pixels = std::move(pixels)] {
      pollfd wait{listener_.fd(), POLLIN, 0};
      if (::poll(&wait, 1, 30'000) <= 0) return;
      const auto client = listener_.Accept();
      screenshot::Request request;
      if (!client.ok() ||
          !ReceiveWithFds(client->get(), std::as_writable_bytes(std::span(&request, 1)), 0).ok())
        return;
      asked_head = request.head;
      const int fds[] = {pixels.get()};
      SendWithFds(client->get(), std::as_bytes(std::span(&answer, 1)).first(answer_bytes),
                  std::span(fds).first(pixels.valid() ? 1 : 0))
          .IgnoreError();
    });
  }
  ~FakeBackend() { thread_.join(); }

  std::string path() const { return dir_ / "screen.sock"; }
  absl::StatusOr<Picture> Capture(uint32_t head = 0) { return CaptureScreen(path(), head, Soon()); }
  std::optional<uint32_t> asked_head;

 private:
  const TempDir dir_;
  UnixListener listener_;
  std::thread thread_;
};

TEST(ScreenCaptureTest, a_picture_becomes_a_png) {
  auto picture = FakeBackend(TwoPixelAnswer(), TwoPixels()).Capture();
  ASSERT_TRUE(picture.ok()) << picture.status();
  const auto png = EncodePng(*picture);
  ASSERT_TRUE(png.ok()) << png.status();
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  ASSERT_TRUE(png_image_begin_read_from_memory(&image, png->data(), png->size()));
  image.format = PNG_FORMAT_RGB;
  ASSERT_EQ(PNG_IMAGE_SIZE(image), 6u);
  std::array<uint8_t, 6> rgb{};
  ASSERT_TRUE(png_image_finish_read(&image, nullptr, rgb.data(), 0, nullptr));
  EXPECT_THAT(rgb, ::testing::ElementsAre(255, 0, 0, 0, 0, 255));
}

TEST(ScreenCaptureTest, the_head_is_asked_for) {
  FakeBackend backend(TwoPixelAnswer(), TwoPixels());
  ASSERT_TRUE(backend.Capture(5).ok());
  EXPECT_EQ(backend.asked_head, 5u);
}

TEST(ScreenCaptureTest, no_picture_is_a_sentence) {
  Answer answer;
  answer.outcome = Outcome::kNoVm;
  const auto status = FakeBackend(answer, {}).Capture().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("no VM is connected"));
}

TEST(ScreenCaptureTest, lies_are_no_pictures) {
  const auto code = [](Answer answer, UniqueFd pixels, size_t bytes = sizeof(Answer)) {
    return FakeBackend(answer, std::move(pixels), bytes).Capture().status().code();
  };
  constexpr auto kNot = absl::StatusCode::kUnavailable;
  Answer lie = TwoPixelAnswer();
  EXPECT_EQ(code(lie, {}), kNot);               // no pixels
  EXPECT_EQ(code(lie, TwoPixels(), 12), kNot);  // half an answer
  lie.width = 3;                                // more than there is
  EXPECT_EQ(code(lie, TwoPixels()), kNot);
  lie.width = 0;
  EXPECT_EQ(code(lie, TwoPixels()), kNot);
  lie.width = lie.height = 0xffff'ffff;
  EXPECT_EQ(code(lie, TwoPixels()), kNot);
  lie = TwoPixelAnswer();
  lie.magic = 1;
  EXPECT_EQ(code(lie, TwoPixels()), kNot);
  lie = TwoPixelAnswer();
  lie.outcome = static_cast<Outcome>(99);
  EXPECT_EQ(code(lie, TwoPixels()), kNot);
}

TEST(ScreenCaptureTest, nobody_there_and_nobody_who_answers) {
  const TempDir dir;
  EXPECT_EQ(CaptureScreen(dir / "none", 0, Soon()).status().code(), absl::StatusCode::kUnavailable);
  const auto listener = UnixListener::Listen(dir / "silent");
  ASSERT_TRUE(listener.ok());
  const auto now = std::chrono::system_clock::now();
  EXPECT_EQ(CaptureScreen(dir / "silent", 0, now).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace rendercar::sidecar
