// What a process asks of the one that holds its children, in bytes and in answers.
// SPDX-License-Identifier: Apache-2.0
#include "common/children/child_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include "common/unix_socket.h"

namespace rendercar::launcher {
namespace {

using ::testing::HasSubstr;

Message Ask(Kind kind, uint64_t id = 0, std::vector<std::string> strings = {}) {
  Message message;
  message.kind = kind;
  message.id = id;
  message.strings = std::move(strings);
  return message;
}

TEST(ProtocolTest, a_message_arrives_as_it_was_sent) {
  auto pair = CreateSocketPair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair.ok());
  Message sent = Ask(Kind::kStart, 7, {"name", std::string("a\0b", 3)});
  sent.numbers = {-1, 5};
  sent.code = 3;
  ASSERT_TRUE(Send(pair->a.get(), sent, {0}).ok());
  const auto got = Receive(pair->b.get());
  ASSERT_TRUE(got.ok()) << got.status();
  EXPECT_EQ(got->kind, Kind::kStart);
  EXPECT_EQ(got->id, 7u);
  EXPECT_EQ(got->code, 3);
  EXPECT_EQ(got->numbers, sent.numbers);
  EXPECT_EQ(got->strings, sent.strings);
  EXPECT_EQ(got->fds.size(), 1u);
}

TEST(ProtocolTest, garbage_is_refused) {
  auto pair = CreateSocketPair(SOCK_SEQPACKET);
  ASSERT_TRUE(pair.ok());
  for (const size_t size : {1u, 23u, 24u, 100u}) {
    const std::vector<std::byte> bytes(size, std::byte{0xff});
    ASSERT_TRUE(SendWithFds(pair->a.get(), bytes, {}).ok());
    EXPECT_TRUE(absl::IsInvalidArgument(Receive(pair->b.get()).status())) << size;
  }
}

TEST(ChildTableTest, a_child_that_ended_is_told_of_until_it_is_forgotten) {
  ChildTable table;
  const Message started = table.Handle(Ask(Kind::kStart, 0, {"x", "/bin/sh", "-c", "exit 3"}), 0);
  ASSERT_EQ(started.code, 0);
  while (table.Handle(Ask(Kind::kStatus, started.id), 0).numbers[0] == 0) {
  }
  EXPECT_EQ(table.Handle(Ask(Kind::kStatus, started.id), 0).numbers,
            (std::vector<int64_t>{1, static_cast<int64_t>(ChildEnd::Kind::kExited), 3}));
  EXPECT_EQ(table.Handle(Ask(Kind::kTake, started.id), 0).strings[0], "x");
  EXPECT_EQ(table.Handle(Ask(Kind::kForget, started.id), 0).code, 0);
  EXPECT_NE(table.Handle(Ask(Kind::kStatus, started.id), 0).code, 0);
}

TEST(ChildTableTest, a_program_that_is_not_there_is_named) {
  ChildTable table;
  const Message answer = table.Handle(Ask(Kind::kStart, 0, {"x", "/nonexistent/program"}), 0);
  EXPECT_TRUE(absl::IsNotFound(StatusOf(answer)));
  EXPECT_THAT(answer.strings[0], HasSubstr("/nonexistent/program"));
}

TEST(ChildTableTest, notes_and_children_are_bounded) {
  ChildTable table;
  for (size_t i = 0; i < kMaxNotes; ++i)
    ASSERT_EQ(table.Handle(Ask(Kind::kRemember, 0, {std::to_string(i), "x"}), 0).code, 0);
  EXPECT_TRUE(
      absl::IsResourceExhausted(StatusOf(table.Handle(Ask(Kind::kRemember, 0, {"more", "x"}), 0))));
  EXPECT_EQ(table.Handle(Ask(Kind::kRemember, 0, {"1", ""}), 0).code, 0);
  EXPECT_EQ(table.Handle(Ask(Kind::kRemember, 0, {"more", "x"}), 0).code, 0);
  EXPECT_EQ(table.Handle(Ask(Kind::kNote, 0, {"more"}), 0).strings[0], "x");
}

}  // namespace
}  // namespace rendercar::launcher
