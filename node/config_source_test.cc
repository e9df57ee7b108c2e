// When the configuration is read again: edits, ConfigMap swaps, errors.
// SPDX-License-Identifier: Apache-2.0
#include "node/config_source.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/epoll_loop.h"
#include "common/temp_dir.h"

namespace rendercar::node {
namespace {

std::string Text(int replicas) {
  return "apiVersion: rendercar.dev/v1alpha1\nkind: NodeConfig\nresources:\n- name: a/b\n  "
         "replicas: " +
         std::to_string(replicas) + "\n";
}

class ConfigSourceTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(dir_ / name) << text;
  }
  // Runs the loop until the handler is called.
  absl::StatusOr<Config> Next() {
    loop_.Run();
    return std::exchange(got_, absl::UnknownError("nothing"));
  }
  void Watch(ConfigSource& source) {
    source.Watch(loop_, [this](const absl::StatusOr<Config>& config) {
      got_ = config;
      loop_.Quit();
    });
  }

  TempDir dir_;
  EpollLoop loop_;
  absl::StatusOr<Config> got_ = absl::UnknownError("nothing");
};

TEST_F(ConfigSourceTest, without_a_file_the_defaults_hold_under_the_flags) {
  ConfigSource source("", [](Config& config) { config.software = SoftwareMode::kNever; });
  const auto config = source.Load();
  ASSERT_TRUE(config.ok());
  EXPECT_EQ(config->software, SoftwareMode::kNever);
}

TEST_F(ConfigSourceTest, flags_that_make_a_name_of_nothing_or_a_second_one_are_refused) {
  Write("node.yaml",
        "apiVersion: rendercar.dev/v1alpha1\nkind: NodeConfig\n"
        "resources: [{name: a.b/x}, {name: a.b/y}]\n");
  const auto load = [this](const std::string& name) {
    return ConfigSource(dir_ / "node.yaml",
                        [&](Config& config) { config.resources.front().name = name; })
        .Load()
        .status();
  };
  EXPECT_TRUE(load("a.b/z").ok());
  EXPECT_EQ(load("gpu").code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(load("a.b/../x").code(), absl::StatusCode::kInvalidArgument);
  const absl::Status twice = load("a.b/y");
  EXPECT_EQ(twice.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(twice.message()).find("two resources are called 'a.b/y'"),
            std::string::npos);
}

TEST_F(ConfigSourceTest, an_edited_file_is_read_again) {
  Write("node.yaml", Text(2));
  ConfigSource source(dir_ / "node.yaml", [](Config&) {});
  ASSERT_TRUE(source.Load().ok());
  Watch(source);
  Write("new.yaml", Text(3));
  std::filesystem::rename(dir_ / "new.yaml", dir_ / "node.yaml");
  const auto config = Next();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->resources.front().sizes.replicas, 3u);
}

TEST_F(ConfigSourceTest, a_config_map_is_swapped_by_its_link) {
  std::filesystem::create_directory(dir_ / "..1");
  std::filesystem::create_directory(dir_ / "..2");
  Write("..1/node.yaml", Text(2));
  Write("..2/node.yaml", Text(5));
  std::filesystem::create_symlink("..1", dir_ / "..data");
  std::filesystem::create_symlink("..data/node.yaml", dir_ / "node.yaml");
  ConfigSource source(dir_ / "node.yaml", [](Config&) {});
  ASSERT_TRUE(source.Load().ok());
  Watch(source);
  std::filesystem::create_symlink("..2", dir_ / "..data_tmp");
  std::filesystem::rename(dir_ / "..data_tmp", dir_ / "..data");
  const auto config = Next();
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->resources.front().sizes.replicas, 5u);
}

TEST_F(ConfigSourceTest, a_broken_file_is_told_as_an_error) {
  Write("node.yaml", Text(2));
  ConfigSource source(dir_ / "node.yaml", [](Config&) {});
  ASSERT_TRUE(source.Load().ok());
  Watch(source);
  Write("new.yaml", "kind: [");
  std::filesystem::rename(dir_ / "new.yaml", dir_ / "node.yaml");
  EXPECT_EQ(Next().status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(ConfigSourceTest, a_reload_by_hand_tells_even_what_did_not_change) {
  Write("node.yaml", Text(2));
  ConfigSource source(dir_ / "node.yaml", [](Config&) {});
  ASSERT_TRUE(source.Load().ok());
  Watch(source);
  loop_.Post([&] { source.Reload(); });
  EXPECT_TRUE(Next().ok());
}

}  // namespace
}  // namespace rendercar::node
