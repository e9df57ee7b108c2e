// What every program's command line answers to mistakes.
// SPDX-License-Identifier: Apache-2.0
#include "common/program.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdlib>

namespace rendercar {
namespace {

using ::testing::HasSubstr;

// Parses `flag` for a program that needs --path; what it printed.
std::string Complaint(const char* flag, std::optional<ExitCode>& code) {
  CLI::App app("test");
  std::string path;
  app.add_option("--path", path)->required();
  ProgramFlags flags(app, "tester");
  std::array<char*, 2> argv{const_cast<char*>("tester"), const_cast<char*>(flag)};
  ::testing::internal::CaptureStderr();
  code = flags.Parse(static_cast<int>(argv.size()), argv.data());
  return ::testing::internal::GetCapturedStderr();
}

TEST(ProgramTest, an_unknown_flag_is_named_even_when_another_one_is_missing) {
  std::optional<ExitCode> code;
  EXPECT_THAT(Complaint("--bogus", code), HasSubstr("'--bogus'"));
  EXPECT_EQ(code, ExitCode::kUsage);
}

TEST(ProgramTest, a_wrong_value_names_flag_and_value) {
  std::optional<ExitCode> code;
  const std::string complaint = Complaint("--log-level=loud", code);
  EXPECT_THAT(complaint, HasSubstr("--log-level"));
  EXPECT_THAT(complaint, HasSubstr("loud"));
  EXPECT_EQ(code, ExitCode::kUsage);
}

TEST(ProgramTest, programs_that_this_one_starts_log_in_the_same_way) {
  CLI::App app("test");
  ProgramFlags flags(app, "tester");
  std::array<const char*, 3> argv{"tester", "--log-level=Error", "--log-format=json"};
  ASSERT_EQ(flags.Parse(static_cast<int>(argv.size()), const_cast<char**>(argv.data())),
            std::nullopt);
  EXPECT_STREQ(std::getenv("RENDERCAR_LOG_LEVEL"), "error");
  EXPECT_STREQ(std::getenv("RENDERCAR_LOG_FORMAT"), "json");
  log::Init({"tester", log::Level::kInfo, log::Format::kText});
  ::unsetenv("RENDERCAR_LOG_LEVEL");
  ::unsetenv("RENDERCAR_LOG_FORMAT");
}

TEST(ProgramTest, kinds_of_failure_have_their_exit_codes) {
  EXPECT_EQ(ExitCodeFor(absl::InvalidArgumentError("")), ExitCode::kUsage);
  EXPECT_EQ(ExitCodeFor(absl::NotFoundError("")), ExitCode::kUnavailable);
  EXPECT_EQ(ExitCodeFor(absl::PermissionDeniedError("")), ExitCode::kNoPermission);
  EXPECT_EQ(ExitCodeFor(absl::AlreadyExistsError("")), ExitCode::kCannotCreate);
}

}  // namespace
}  // namespace rendercar
