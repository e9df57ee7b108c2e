// Configuration files, good and bad.
// SPDX-License-Identifier: Apache-2.0
#include "node/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rendercar::node {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr char kHead[] = "apiVersion: rendercar.dev/v1alpha1\nkind: NodeConfig\n";

TEST(ConfigFileTest, reads_every_key) {
  const auto config = ParseConfig(std::string(kHead) + R"(
software: never
sessionOwner: 107
cdiDirectory: /var/run/cdi
nfdDirectory: /etc/nfd
drain: ["0000:03:00.0"]
health:
  crashes: 9
  crashPods: 3
  crashWindowSeconds: 60
resources:
- name: rendercar.dev/large
  select:
    drivers: [amdgpu, xe]
    pciIds: ["1002:73BF", "8086:*"]
    addresses: ["0000:41:00.0"]
    minVideoMemory: 8Gi
    maxVideoMemory: 64Gi
    software: false
  deny:
    drivers: [nouveau]
  replicas: 2
  videoMemoryPerShare: 2Gi
  overcommit: true
  maxSharesPerContainer: 1
  allowSameNode: true
  placement: packed
  limits:
    contexts: 64
    submit-size: 512Ki
  fairness: shares
  failover:
    nodes: true
    software: true
- name: example.com/gpu
  videoMemoryPerShare: 512Mi
- name: example.com/even
  replicas: 3
  videoMemoryPerShare: even
)",
                                  "node.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->software, SoftwareMode::kNever);
  EXPECT_EQ(config->session_owner, 107u);
  EXPECT_EQ(config->cdi_dir, "/var/run/cdi");
  EXPECT_THAT(config->drain, ElementsAre("0000:03:00.0"));
  ASSERT_THAT(config->resources, SizeIs(3));
  EXPECT_EQ(config->crash_limit, (CrashLimit{9, 3, std::chrono::seconds(60)}));
  const ResourceConfig& large = config->resources[0];
  EXPECT_EQ(large.name, "rendercar.dev/large");
  EXPECT_THAT(large.select.pci_ids, ElementsAre("1002:73bf", "8086:*"));
  EXPECT_EQ(large.select.min_video_memory_bytes, 8ULL << 30);
  EXPECT_EQ(large.select.software, false);
  EXPECT_THAT(large.deny.drivers, ElementsAre("nouveau"));
  EXPECT_EQ(large.sizes, (ShareSizes{2, 2ULL << 30, true}));
  EXPECT_EQ(large.max_shares_per_container, 1u);
  EXPECT_TRUE(large.allow_same_node);
  EXPECT_EQ(large.placement, Placement::kPacked);
  EXPECT_EQ(large.limits,
            (std::map<std::string, uint64_t>{{"contexts", 64}, {"submit-size", 512 << 10}}));
  EXPECT_EQ(large.fairness, Fairness::kShares);
  EXPECT_EQ(large.failover, (Failover{true, true}));
  EXPECT_EQ(config->resources[1].sizes, (ShareSizes{0, 512ULL << 20, false}));
  EXPECT_EQ(config->resources[2].sizes, (ShareSizes{.replicas = 3, .even = true}));
}

TEST(ConfigFileTest, a_file_with_its_head_only_is_the_default) {
  const auto config = ParseConfig(kHead, "node.yaml");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(*config, Config{});
}

TEST(ConfigFileTest, what_is_printed_reads_back_the_same) {
  Config config;
  config.drain = {"0000:03:00.0"};
  config.session_owner = 107;
  config.resources.front().select.drivers = {"amdgpu"};
  config.resources.front().select.software = false;
  config.resources.front().sizes = {0, 1 << 30, true};
  config.resources.push_back({.name = "a.b/even", .sizes = {.replicas = 2, .even = true}});
  config.crash_limit.crashes = 0;
  config.resources.front().limits = {{"renderer-time", 50}};
  config.resources.front().fairness = Fairness::kShares;
  config.resources.front().failover.software = true;
  config.resources.front().upgrade_dir = "/var/lib/rendercar/upgrade";
  const auto read = ParseConfig(PrintConfig(config), "printed");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, config);
}

struct BadCase {
  std::string text;  // after the head, which has two lines
  std::string message;
};

TEST(ConfigFileTest, errors_name_file_line_key_expected_and_found) {
  const std::vector<BadCase> cases{
      {"softwar: never", "node.yaml:3: softwar: expected one of the keys "},
      {"resources: [{limits: {fish: 3}}]",
       "node.yaml:3: resources[0].limits.fish: expected one of "},
      {"resources: [{limits: {contexts: many}}]",
       "node.yaml:3: resources[0].limits.contexts: expected a number"},
      {"resources: [{limits: {renderer-time: 400}}]",
       "node.yaml:3: resources[0].limits.renderer-time: expected a number from 1 to 100, found "
       "'400'"},
      {"resources: [{limits: {contexts: 8Gi}}]",
       "node.yaml:3: resources[0].limits.contexts: expected a number from 0 to 4294967295, found "
       "'8Gi'"},
      {"resources:\n- select:\n    pciIds: ['1002:*',\n             '10de']",
       "node.yaml:6: resources[0].select.pciIds: expected VENDOR:DEVICE or VENDOR:*, four "
       "hexadecimal digits each, found '10de'"},
      {"resources:\n- replicas: 2\n  replicas: 5",
       "node.yaml:5: resources[0].replicas: expected each key once, found 'replicas'"},
      {"drain: []\nsoftware: never\ndrain: [a]",
       "node.yaml:5: drain: expected each key once, found 'drain'"},
      {"software: sometimes",
       "node.yaml:3: software: expected one of always, auto, never, found 'sometimes'"},
      {"drain: yes", "node.yaml:3: drain: expected a list of texts, found 'yes'"},
      {"resources: {}", "node.yaml:3: resources: expected a list of maps, found a map"},
      {"resources:\n- name: a/b\n  replicas: many",
       "node.yaml:5: resources[0].replicas: expected a whole number from 1 to 1024, found 'many'"},
      {"resources:\n- name: a/b\n  replicas: 0",
       "node.yaml:5: resources[0].replicas: expected a whole number from 1 to 1024, found '0'"},
      {"resources:\n- name: a/b\n  replicas: [1]",
       "node.yaml:5: resources[0].replicas: expected a whole number from 1 to 1024, found a list"},
      {"resources:\n- name: gpu",
       "node.yaml:4: resources[0].name: expected DOMAIN/NAME outside kubernetes.io, found 'gpu'"},
      {"resources:\n- name: a/b\n- name: a/b",
       "node.yaml:5: resources[1].name: expected a name that no other resource has, found 'a/b'"},
      {"resources:\n- name: a/b\n  videoMemoryPerShare: 2Pb",
       "node.yaml:5: resources[0].videoMemoryPerShare: expected even, or a number of bytes "},
      {"resources:\n- name: a/b\n  select:\n    vendor: amd",
       "node.yaml:6: resources[0].select.vendor: expected one of the keys "},
      {"resources:\n- text", "node.yaml:4: resources: expected a map, found 'text'"},
      {"a: [", "node.yaml:3: this is no YAML"},
  };
  for (const BadCase& c : cases) {
    const auto config = ParseConfig(kHead + c.text, "node.yaml");
    ASSERT_FALSE(config.ok()) << c.text;
    EXPECT_EQ(config.status().code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(config.status().message()), ::testing::StartsWith(c.message));
  }
}

TEST(ConfigFileTest, a_range_of_video_memory_that_nothing_fits_is_refused) {
  const std::string range = ": {minVideoMemory: 8Gi, maxVideoMemory: 4Gi}\n";
  const auto none = ParseConfig(kHead + ("resources:\n- select" + range), "node.yaml");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(std::string(none.status().message()),
            "node.yaml:4: resources[0].select.minVideoMemory: expected no more than "
            "maxVideoMemory, so that a render node can be taken, found '8Gi'");
  EXPECT_TRUE(ParseConfig(kHead + ("resources:\n- deny" + range), "node.yaml").ok())
      << "of what is denied, each alone must not hold";
}

TEST(ConfigFileTest, the_kind_must_be_named) {
  const auto none = ParseConfig("software: auto", "node.yaml");
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(std::string(none.status().message()),
            "node.yaml:1: apiVersion: expected rendercar.dev/v1alpha1, found nothing");
  EXPECT_FALSE(ParseConfig("", "node.yaml").ok());
  EXPECT_FALSE(ParseConfig("- a", "node.yaml").ok());
}

TEST(ConfigFileTest, a_missing_file_is_named) {
  const auto text = ReadConfigFile("/nonexistent/node.yaml");
  ASSERT_FALSE(text.ok());
  EXPECT_EQ(text.status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rendercar::node
