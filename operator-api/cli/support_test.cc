// What a support bundle holds and what it must not; completion.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "common/subprocess.h"
#include "common/temp_dir.h"
#include "operator-api/cli/commands.h"
#include "operator-api/cli/redact.h"
#include "operator-api/cli/tar.h"

namespace rendercar::ctl {
namespace {

using ::testing::HasSubstr;

bool Shell(const std::string& command) {
  auto child = Subprocess::Start({.argv = {"/bin/sh", "-c", command}});
  if (!child.ok()) return false;
  const auto end = child->Wait(std::chrono::seconds(60));
  return end.has_value() && end->clean();
}

TEST(TarTest, tar_reads_it_back) {
  const TempDir dir;
  TarWriter writer("bundle", 1700000000);
  writer.Add({"a.txt", "one\n"});
  writer.Add({"b.txt", std::string(512, 'b')});
  std::ofstream(dir / "x.tar") << std::move(writer).Finish();
  const std::string in = "cd " + (dir / "") + " && ";
  EXPECT_TRUE(Shell(in + "tar -tf x.tar | tr '\\n' ' ' | grep -qx 'bundle/a.txt bundle/b.txt '"));
  EXPECT_TRUE(Shell(in + "tar -xf x.tar && echo one | cmp - bundle/a.txt"));
  EXPECT_TRUE(Shell(in + "[ $(stat -c %s bundle/b.txt) = 512 ]"));
}

TEST(RedactTest, secrets_go_and_the_rest_stays) {
  EXPECT_EQ(Redact("password: hunter2\nshare: a\n"), "password: [removed]\nshare: a\n");
  EXPECT_EQ(Redact("url?token=abc&x=1"), "url?token=[removed]&x=1");
  EXPECT_EQ(Redact("Authorization: Bearer abcdefghijklmnopqrstuvwx"), "Authorization: [removed]");
  EXPECT_EQ(Redact("{\"api_key\": \"s3cr3t with words\"}"), "{\"api_key\": [removed]}");
  EXPECT_EQ(Redact("a monkey: 5, keyboard: yes"), "a monkey: 5, keyboard: yes");
}

TEST(CompletionTest, knows_commands_and_their_flags) {
  CLI::App app("test", "rendercarctl");
  Arguments arguments;
  Command command;
  AddCommands(app, arguments, command);
  const TempDir dir;
  std::ofstream(dir / "script") << CompletionScript(app);
  const auto completes = [&](const std::string& line, const std::string& word) {
    return Shell("bash -c '. " + (dir / "script") + "; COMP_WORDS=(" + line +
                 "); COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _rendercarctl; "
                 "printf \"%s\\n\" \"${COMPREPLY[@]}\"' | grep -qx -- " +
                 word);
  };
  EXPECT_TRUE(completes("rendercarctl se", "sessions"));
  EXPECT_TRUE(completes("rendercarctl sessions l", "list"));
  EXPECT_TRUE(completes("rendercarctl sessions create gpu0 --res", "--resolution"));
  EXPECT_FALSE(completes("rendercarctl sessions l", "create"));
}

}  // namespace
}  // namespace rendercar::ctl
