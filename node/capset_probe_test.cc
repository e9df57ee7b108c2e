// Probes that answer, crash, hang and babble.
// SPDX-License-Identifier: Apache-2.0
#include "node/capset_probe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "common/epoll_loop.h"
#include "common/temp_dir.h"
#include "node/inventory.h"

namespace rendercar::node {
namespace {

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CapsetProbeTest : public ::testing::Test {
 protected:
  absl::StatusOr<ProbeResult> Run(const std::string& script,
                                  std::chrono::milliseconds timeout = 30s) {
    const std::string program = dir_ / "probe";
    std::ofstream(program) << "#!/bin/sh\n" << script << "\n";
    ::chmod(program.c_str(), 0755);
    return RunProgram(program, timeout);
  }
  absl::StatusOr<ProbeResult> RunProgram(const std::string& program,
                                         std::chrono::milliseconds timeout = 30s) {
    absl::StatusOr<ProbeResult> got = absl::UnknownError("nothing");
    RenderNode node;
    node.path = "/dev/dri/renderD128";
    CapsetProbe probe(
        loop_, program, node,
        [&](const absl::StatusOr<ProbeResult>& result) {
          got = result;
          loop_.Quit();
        },
        timeout);
    loop_.Run();
    return got;
  }

  TempDir dir_;
  EpollLoop loop_;
};

TEST_F(CapsetProbeTest, tells_the_renderer_and_its_capsets) {
  const auto result =
      Run(R"(echo '{"gl_renderer": "'$2'", "capsets": [{"id": 1}, {"id": 2, "data": "x"}]}')");
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->gl_renderer, "--render-node=/dev/dri/renderD128");
  EXPECT_THAT(result->capsets, ElementsAre(1, 2));
}

TEST_F(CapsetProbeTest, a_crash_is_an_error_that_names_the_signal) {
  const auto result = Run("kill -SEGV $$");
  ASSERT_FALSE(result.ok());
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("killed by signal 11"));
}

TEST_F(CapsetProbeTest, an_exit_code_is_an_error) {
  const auto result = Run("exit 69");
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("code 69"));
}

TEST_F(CapsetProbeTest, a_hang_ends_with_the_timeout) {
  const auto result = Run("exec sleep 1000", 100ms);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(CapsetProbeTest, babble_is_cut_off) {
  const auto result = Run("exec yes");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInternal);
}

TEST_F(CapsetProbeTest, a_missing_program_is_named) {
  const auto result = RunProgram("/nonexistent/rendercar-renderer");
  EXPECT_EQ(result.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(result.status().message()), HasSubstr("/nonexistent/rendercar-renderer"));
}

TEST_F(CapsetProbeTest, output_that_is_not_a_probes_is_refused) {
  for (const char* text : {"", "nonsense", "[]", "{}", R"({"gl_renderer": 1, "capsets": []})",
                           R"({"gl_renderer": "x", "capsets": [1]})",
                           R"({"gl_renderer": "x", "capsets": [{"id": -1}]})"}) {
    EXPECT_FALSE(ParseProbe(text).ok()) << text;
  }
}

}  // namespace
}  // namespace rendercar::node
