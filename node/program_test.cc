// rendercar-node and fake-kubelet as programs: exit codes, sentences, signals, and the whole chain.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "node/program_fixture.h"

namespace rendercar::node {
namespace {

using std::chrono_literals::operator""s;
using ::testing::HasSubstr;

constexpr char kHead[] = "apiVersion: rendercar.dev/v1alpha1\nkind: NodeConfig\n";

TEST_F(ProgramTest, a_wrong_flag_is_a_usage_error) {
  EXPECT_EQ(Run(Node("--replicas=0")), 64);
  EXPECT_THAT(Read("stderr"), HasSubstr("--replicas"));
}

TEST_F(ProgramTest, a_resource_name_that_the_kubelet_refuses_is_a_usage_error) {
  EXPECT_EQ(Run(Node("--resource=gpu --check-config")), 64);
  EXPECT_THAT(Read("stderr"), HasSubstr("DOMAIN/NAME"));
}

TEST_F(ProgramTest, a_missing_kubelet_is_unavailable) {
  EXPECT_EQ(Run(Node("", "/nonexistent")), 69);
  EXPECT_THAT(Read("stderr"), HasSubstr("/nonexistent"));
}

TEST_F(ProgramTest, a_socket_path_that_is_too_long_is_named_with_its_limit) {
  const std::string deep = dir_ / std::string(120, 'x');
  std::filesystem::create_directory(deep);
  EXPECT_EQ(Run(Node("", deep)), 64);
  EXPECT_THAT(Read("stderr"), HasSubstr("107"));
}

TEST_F(ProgramTest, a_wrong_configuration_is_told_by_line) {
  std::ofstream(dir_ / "bad.yaml") << kHead << "software: perhaps\n";
  EXPECT_EQ(Run(Node("--check-config --config=" + (dir_ / "bad.yaml"))), 78);
  EXPECT_THAT(Read("stderr"), HasSubstr("bad.yaml:3: software: expected"));
}

TEST_F(ProgramTest, flags_override_what_is_printed) {
  EXPECT_EQ(Run(Node("--print-config --replicas=7 --software=never")), 0);
  EXPECT_THAT(Read("stdout"), HasSubstr("replicas: 7"));
  EXPECT_THAT(Read("stdout"), HasSubstr("software: never"));
}

TEST_F(ProgramTest, the_environment_stands_for_flags_and_flags_override_it) {
  EXPECT_EQ(Run("env RENDERCAR_NODE_REPLICAS=5 " + Node("--print-config")), 0);
  EXPECT_THAT(Read("stdout"), HasSubstr("replicas: 5"));
  EXPECT_EQ(Run("env RENDERCAR_NODE_REPLICAS=5 " + Node("--print-config --replicas=6")), 0);
  EXPECT_THAT(Read("stdout"), HasSubstr("replicas: 6"));
}

TEST_F(ProgramTest, a_place_that_is_not_there_is_none) {
  EXPECT_EQ(Run(Node("--proc-root=none --capset-probe=none --one-shot")), 0);
  EXPECT_THAT(Read("stdout"), HasSubstr("llvmpipe"));
}

TEST_F(ProgramTest, the_inventory_is_a_table_or_json) {
  EXPECT_EQ(Run(Node("--one-shot")), 0);
  EXPECT_THAT(Read("stdout"), HasSubstr("llvmpipe"));
  EXPECT_EQ(Run(Node("--one-shot --output=json")), 0);
  const auto json = nlohmann::json::parse(Read("stdout"));
  EXPECT_EQ(json["nodes"][0]["shares"].size(), 4u);
}

TEST_F(ProgramTest, a_share_goes_from_the_agent_to_a_container) {
  Subprocess agent = Start(Node("--replicas=2"));
  // The kubelet's output would overwrite the agent's: it gets files of its own.
  auto kubelet = Subprocess::Start(
      {.argv = {FAKE_KUBELET_PROGRAM, "--dir=" + (dir_ / "kubelet"), "--log-level=error",
                "--allocate=rendercar.dev/render=1", "--output=" + (dir_ / "container.json"),
                "--output-env=" + (dir_ / "container.env")}});
  ASSERT_TRUE(kubelet.ok()) << kubelet.status();
  const auto end = kubelet->Wait(60s);
  ASSERT_TRUE(end.has_value() && end->clean());
  const auto json = nlohmann::json::parse(Read("container.json"));
  EXPECT_EQ(json["envs"]["RENDERCAR_RENDER_NODES"], "software");
  EXPECT_TRUE(std::filesystem::is_directory(json["mounts"][0]["host_path"].get<std::string>()));
  EXPECT_THAT(Read("container.env"), HasSubstr("export RENDERCAR_ALLOCATION_VERSION='1'\n"));
  agent.Signal(SIGTERM);
  const auto stopped = agent.Wait(60s);
  ASSERT_TRUE(stopped.has_value());
  EXPECT_TRUE(stopped->clean()) << stopped->ToString();
  EXPECT_FALSE(std::filesystem::exists(dir_ / "kubelet/rendercar-render.sock"));
}

TEST_F(ProgramTest, a_hangup_reads_the_configuration_again_and_keeps_the_old_one_if_it_is_wrong) {
  std::ofstream(dir_ / "node.yaml") << kHead;
  Subprocess agent = Start(Node("--config=" + (dir_ / "node.yaml")));
  WaitForText("stderr", "render node is offered");
  agent.Signal(SIGHUP);
  WaitForText("stderr", "the configuration is in force");
  std::ofstream(dir_ / "node.yaml") << "nonsense";
  WaitForText("stderr", "the configuration is refused");
  agent.Signal(SIGTERM);
  const auto stopped = agent.Wait(60s);
  ASSERT_TRUE(stopped.has_value());
  EXPECT_TRUE(stopped->clean()) << stopped->ToString();
}

TEST_F(ProgramTest, a_kubelet_without_plugin_says_so) {
  EXPECT_EQ(Run(std::string(FAKE_KUBELET_PROGRAM) + " --dir=" + (dir_ / "kubelet") +
                " --allocate=rendercar.dev/render=1 --timeout=0.1"),
            69);
  EXPECT_THAT(Read("stderr"), HasSubstr("no plugin has registered"));
}

}  // namespace
}  // namespace rendercar::node
