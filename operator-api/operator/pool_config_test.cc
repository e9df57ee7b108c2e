// Tests of what RenderPools mean for a node: selection, order, the agent's configuration.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/pool_config.h"

#include <gmock/gmock.h>

#include "node/config_file.h"

namespace rendercar::rc_operator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kBase[] = R"(apiVersion: rendercar.dev/v1alpha1
kind: NodeConfig
software: never
cdiDirectory: /var/run/cdi
drain: ["0000:03:00.0"]
resources:
- {name: rendercar.dev/render, replicas: 3}
)";

Json Pool(const std::string& name, Json spec) {
  return {{"metadata", {{"name", name}}}, {"spec", std::move(spec)}};
}

kube::Informer::Objects Objects(const std::vector<Json>& pools) {
  kube::Informer::Objects objects;
  for (const Json& pool : pools) objects[kube::Text(pool, {"metadata", "name"})] = pool;
  return objects;
}

std::vector<std::string> Names(const std::vector<Json>& pools) {
  std::vector<std::string> names;
  for (const Json& pool : pools) names.push_back(kube::Text(pool, {"metadata", "name"}));
  return names;
}

TEST(PoolConfigTest, APoolSelectsNodesThatHaveAllItsLabels) {
  const Json pool = Pool("p", {{"nodeSelector", {{"a", "1"}, {"b", "2"}}}});
  EXPECT_TRUE(Selects(pool, {{"a", "1"}, {"b", "2"}, {"c", "3"}}));
  EXPECT_FALSE(Selects(pool, {{"a", "1"}}));
  EXPECT_FALSE(Selects(pool, {{"a", "1"}, {"b", "3"}}));
  EXPECT_TRUE(Selects(Pool("all", Json::object()), Json::object()));
}

TEST(PoolConfigTest, PoolsComeByPriorityThenByName) {
  const auto pools = Objects({Pool("a", {{"resourceName", "x/a"}}),
                              Pool("b", {{"resourceName", "x/b"}, {"priority", 5}}),
                              Pool("c", {{"resourceName", "x/c"}, {"priority", 5}})});
  EXPECT_THAT(Names(PoolsOf(pools, Json::object())), ElementsAre("b", "c", "a"));
}

TEST(PoolConfigTest, AResourceNameIsOfThePoolThatComesFirst) {
  const auto pools = Objects({Pool("a", Json::object()), Pool("b", {{"priority", 1}}),
                              Pool("c", {{"priority", 9}, {"nodeSelector", {{"not", "here"}}}})});
  EXPECT_THAT(Names(PoolsOf(pools, Json::object())), ElementsAre("b"));
}

TEST(PoolConfigTest, WithoutPoolsTheBaseStaysAsItIs) {
  EXPECT_EQ(*NodeConfig(kBase, {}), kBase);
  EXPECT_EQ(*NodeConfig("not even: [YAML", {}), "not even: [YAML");
}

TEST(PoolConfigTest, EveryFieldOfAPoolReachesTheAgent) {
  const Json pool = Pool(
      "p",
      {{"resourceName", "x/y"},
       {"software", "always"},
       {"gpus",
        {{"select", {{"drivers", {"amdgpu"}}, {"minVideoMemory", "8Gi"}}},
         {"deny", {{"pciIds", {"1002:*"}}}}}},
       {"shares",
        {{"replicas", 2}, {"maxPerContainer", 1}, {"allowSameGpu", true}, {"placement", "packed"}}},
       {"videoMemory", {{"perShare", "2Gi"}, {"overcommit", true}}},
       {"limits", {{"contexts", 64}, {"submitSize", "512Ki"}, {"inFlight", 9}}},
       {"display", {{"bandwidth", "256Mi"}}},
       {"isolation",
        {{"sessionOwner", 107},
         {"rendererMemory", "4Gi"},
         {"rendererDeaths", 5},
         {"watchdogMilliseconds", 2000}}},
       {"failover", {{"gpus", true}, {"software", true}}}});
  const auto text = NodeConfig(kBase, {pool});
  ASSERT_TRUE(text.ok()) << text.status();
  const auto config = node::ParseConfig(*text, "made");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->software, node::SoftwareMode::kAlways);
  EXPECT_EQ(config->session_owner, 107U);
  EXPECT_EQ(config->cdi_dir, "/var/run/cdi");
  EXPECT_THAT(config->drain, SizeIs(1));
  ASSERT_THAT(config->resources, SizeIs(1));
  const node::ResourceConfig& resource = config->resources.front();
  EXPECT_EQ(resource.name, "x/y");
  EXPECT_EQ(resource.select.min_video_memory_bytes, uint64_t{8} << 30);
  EXPECT_THAT(resource.deny.pci_ids, ElementsAre("1002:*"));
  EXPECT_EQ(resource.sizes.replicas, 2U);
  EXPECT_EQ(resource.max_shares_per_container, 1U);
  EXPECT_TRUE(resource.allow_same_node);
  EXPECT_EQ(resource.placement, node::Placement::kPacked);
  EXPECT_EQ(resource.limits.at("submit-size"), uint64_t{512} << 10);
  EXPECT_EQ(resource.limits.at("display-bandwidth"), uint64_t{256} << 20);
  EXPECT_EQ(resource.limits.at("renderer-memory"), uint64_t{4} << 30);
  EXPECT_EQ(resource.limits.at("watchdog-ms"), 2000U);
  EXPECT_EQ(resource.limits.size(), 7U);
  EXPECT_TRUE(resource.failover.nodes && resource.failover.software);
}

TEST(PoolConfigTest, OfTheWholeNodeTheFirstPoolSpeaks) {
  const auto text =
      NodeConfig(kBase, {Pool("a", {{"resourceName", "x/a"}}),
                         Pool("b", {{"resourceName", "x/b"}, {"software", "auto"}}),
                         Pool("c", {{"resourceName", "x/c"}, {"software", "always"}})});
  EXPECT_EQ(node::ParseConfig(*text, "made")->software, node::SoftwareMode::kAuto);
  const auto silent = NodeConfig(kBase, {Pool("a", Json::object())});
  EXPECT_EQ(node::ParseConfig(*silent, "made")->software, node::SoftwareMode::kNever);
}

TEST(PoolConfigTest, WhatTheAgentWouldRefuseIsRefusedHere) {
  const auto bad = NodeConfig(kBase, {Pool("p", {{"shares", {{"replicas", 0}}}})});
  ASSERT_FALSE(bad.ok());
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("replicas"));
  EXPECT_FALSE(NodeConfig("bogus: 1\n", {Pool("p", Json::object())}).ok());
}

}  // namespace
}  // namespace rendercar::rc_operator
