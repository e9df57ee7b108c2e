// Asks a session's device process for what a screen shows.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/control/screen_capture.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <span>

#include "common/screenshot_wire.h"
#include "common/unix_socket.h"

namespace rendercar::sidecar {
namespace {

using screenshot::Answer;
using screenshot::Outcome;

absl::Status WaitReadable(int socket, std::chrono::system_clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
      deadline - std::chrono::system_clock::now());
  pollfd wait{socket, POLLIN, 0};
  const auto left_ms = std::clamp<int64_t>(left.count(), 0, 60'000);
  if (::poll(&wait, 1, static_cast<int>(left_ms)) > 0) return absl::OkStatus();
  return absl::UnavailableError("the device process gives no screenshot in time");
}

absl::Status Refusal(Outcome outcome, uint32_t head) {
  const std::string screen = absl::StrCat("screen ", head);
  switch (outcome) {
    case Outcome::kPicture:
      return absl::OkStatus();
    case Outcome::kNoVm:
      return absl::FailedPreconditionError("no VM is connected, so no screen shows anything");
    case Outcome::kNothing:
      return absl::FailedPreconditionError(
          absl::StrCat(screen, " shows nothing: the guest has turned it off, or has no such one"));
    case Outcome::kNoMemory:
      return absl::FailedPreconditionError(
          absl::StrCat(screen, " is too large for a screenshot (256 MiB), or memory is short"));
    case Outcome::kNoPixels:
      return absl::FailedPreconditionError(absl::StrCat(
          screen, " is shown from GPU memory (--dmabuf-scanouts), of which there is no copy"));
  }
  return absl::UnavailableError("the device process gave an answer that is none");
}

absl::StatusOr<Picture> MapPicture(const Answer& answer, int fd) {
  const uint64_t size = uint64_t{answer.width} * answer.height * screenshot::kBytesPerPixel;
  if (answer.width == 0 || answer.height == 0 || answer.width > screenshot::kMaxSide ||
      answer.height > screenshot::kMaxSide || size > screenshot::kMaxBytes ||
      !SealAgainstShrinking(fd, size).ok())
    return absl::UnavailableError("the device process gave a picture that cannot be one");
  Picture picture;
  picture.width = answer.width;
  picture.height = answer.height;
  RC_ASSIGN_OR_RETURN(picture.pixels, Mapping::Map(fd, 0, size, Mapping::Access::kReadOnly));
  return picture;
}

}  // namespace

absl::StatusOr<Picture> CaptureScreen(const std::string& socket_path, uint32_t head,
                                      std::chrono::system_clock::time_point deadline) {
  const auto socket = ConnectUnix(socket_path);
  if (!socket.ok())
    return absl::UnavailableError(absl::StrCat("the device process gives no screenshots: ",
                                               std::string(socket.status().message())));
  screenshot::Request request;
  request.head = head;
  RC_RETURN_IF_ERROR(
      SendWithFds(socket->get(), std::as_bytes(std::span(&request, 1)), {}).status());
  RC_RETURN_IF_ERROR(WaitReadable(socket->get(), deadline));
  Answer answer;
  RC_ASSIGN_OR_RETURN(const Received received,
                      ReceiveWithFds(socket->get(), std::as_writable_bytes(std::span(&answer, 1)),
                                     1, MSG_DONTWAIT));
  if (received.size != sizeof(answer) || answer.magic != screenshot::kMagic)
    return absl::UnavailableError("the device process gave no whole answer");
  RC_RETURN_IF_ERROR(Refusal(answer.outcome, head));
  if (received.fds.empty())
    return absl::UnavailableError("the device process gave a picture without its pixels");
  return MapPicture(answer, received.fds.front().get());
}

}  // namespace rendercar::sidecar
