// Who asks for screenshots, and what a wrong question gets.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/screenshot_port.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <cstring>

#include "backend/server/server_fixture.h"
#include "common/temp_dir.h"

namespace rendercar::server {
namespace {

using screenshot::Answer;
using screenshot::Outcome;
using screenshot::Request;

struct Answered {
  size_t size = 0;  // 0: the port closed
  Answer answer;
  std::vector<UniqueFd> fds;
};

class ScreenshotPortTest : public ServerFixture {
 protected:
  UniqueFd Connect() {
    auto socket = ConnectUnix(path_);
    RC_CHECK(socket.ok(), "the port listens");
    return *std::move(socket);
  }
  Answered Read(int socket) {
    Answered answered;
    auto received =
        ReceiveWithFds(socket, std::as_writable_bytes(std::span(&answered.answer, 1)), 1);
    if (!received.ok()) return answered;
    answered.size = received->size;
    answered.fds = std::move(received->fds);
    return answered;
  }
  Answered Ask(const void* question, size_t size) {
    const UniqueFd socket = Connect();
    ::send(socket.get(), question, size, MSG_NOSIGNAL);
    return Read(socket.get());
  }
  Answered Ask(uint32_t head) {
    Request request;
    request.head = head;
    return Ask(&request, sizeof(request));
  }

  const TempDir dir_;
  const std::string path_ = dir_ / "screen.sock";
};

TEST_F(ScreenshotPortTest, without_a_vm_there_is_no_picture) {
  ServePath(dir_ / "gpu.sock", true, path_);
  const Answered answered = Ask(0);
  ASSERT_EQ(answered.size, sizeof(Answer));
  EXPECT_EQ(answered.answer.outcome, Outcome::kNoVm);
  EXPECT_TRUE(answered.fds.empty());
}

TEST_F(ScreenshotPortTest, a_vms_head_comes_as_memory) {
  ServePath(dir_ / "gpu.sock", true, path_);
  auto socket = ConnectUnix(dir_ / "gpu.sock");
  ASSERT_TRUE(socket.ok());
  auto vm = MakeFrontend(*std::move(socket));
  ASSERT_TRUE(vm.Realize().ok());
  const Answered answered = Ask(0);
  EXPECT_EQ(answered.answer.outcome, Outcome::kPicture);
  EXPECT_EQ(answered.answer.width, 1u);
  EXPECT_EQ(answered.fds.size(), 1u);
  EXPECT_EQ(Ask(1).answer.outcome, Outcome::kNothing);
}

TEST_F(ScreenshotPortTest, a_wrong_question_ends_the_connection) {
  ServePath(dir_ / "gpu.sock", true, path_);
  const uint64_t wrong_magic = 7;
  EXPECT_EQ(Ask(&wrong_magic, sizeof(wrong_magic)).size, 0u);
  const uint32_t half = screenshot::kMagic;
  EXPECT_EQ(Ask(&half, sizeof(half)).size, 0u);
  EXPECT_EQ(Ask(0).size, sizeof(Answer));
}

TEST_F(ScreenshotPortTest, those_that_ask_nothing_make_room) {
  ServePath(dir_ / "gpu.sock", true, path_);
  std::vector<UniqueFd> silent;
  for (size_t i = 0; i < 3 * ScreenshotPort::kMaxClients; ++i) silent.push_back(Connect());
  EXPECT_EQ(Ask(0).size, sizeof(Answer));
  EXPECT_EQ(Read(silent.front().get()).size, 0u);
}

}  // namespace
}  // namespace rendercar::server
