// libvirt's discovery rules, one a test.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/vhostuser/json_dirs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"
#include "sidecar/vhostuser/helper_probe.h"

namespace rendercar::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class JsonDirsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(dir_ / "usr");
    std::filesystem::create_directory(dir_ / "etc");
  }
  void Write(const std::string& name, const std::string& content) {
    std::ofstream(dir_ / name) << content;
  }
  static std::string Gpu(const std::string& binary) {
    return R"({"description":"d","type":"gpu","binary":")" + binary + "\"}";
  }
  std::vector<JsonFile> List() { return ListJson({dir_ / "usr", dir_ / "etc", dir_ / "none"}); }
  std::string Program(const std::string& script) {
    Write("helper", "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(dir_ / "helper", std::filesystem::perms(0755));
    return dir_ / "helper";
  }

  const TempDir dir_;
};

TEST_F(JsonDirsTest, files_are_sorted_by_name_over_all_directories) {
  Write("usr/50-b.json", Gpu("/b"));
  Write("etc/40-a.json", Gpu("/a"));
  const auto files = List();
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].binary, "/a");
  EXPECT_EQ(files[1].binary, "/b");
}

TEST_F(JsonDirsTest, a_later_directory_masks_the_same_name) {
  Write("usr/50-a.json", Gpu("/usr"));
  Write("etc/50-a.json", Gpu("/etc"));
  const auto files = List();
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].state, JsonState::kMasked);
  EXPECT_EQ(files[0].problem, dir_ / "etc/50-a.json");
  EXPECT_EQ(files[1].state, JsonState::kActive);
}

TEST_F(JsonDirsTest, an_empty_file_and_a_link_to_null_hide) {
  Write("usr/50-a.json", Gpu("/a"));
  Write("etc/50-a.json", "");
  std::filesystem::create_symlink("/dev/null", dir_ / "etc/60-b.json");
  const auto files = List();
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0].state, JsonState::kMasked);
  EXPECT_EQ(files[1].state, JsonState::kHidden);
  EXPECT_EQ(files[2].state, JsonState::kHidden);
}

TEST_F(JsonDirsTest, dotfiles_and_directories_are_skipped_and_any_extension_counts) {
  Write("usr/.hidden.json", "broken");
  std::filesystem::create_directory(dir_ / "usr/dir");
  Write("usr/a.bak", Gpu("/a"));
  const auto files = List();
  ASSERT_EQ(files.size(), 1U);
  EXPECT_EQ(files[0].name, "a.bak");
}

TEST_F(JsonDirsTest, a_masked_broken_file_does_no_harm) {
  Write("usr/50-a.json", "{");
  Write("etc/50-a.json", Gpu("/a"));
  EXPECT_EQ(List()[0].state, JsonState::kMasked);
}

TEST_F(JsonDirsTest, what_breaks_libvirt_is_told) {
  EXPECT_EQ(JsonProblem(Gpu("/a")), "");
  EXPECT_EQ(JsonProblem("{"), "is no JSON");
  EXPECT_EQ(JsonProblem("[]"), "is no JSON object");
  EXPECT_EQ(JsonProblem(R"({"binary":"/a"})"), "has no \"type\"");
  EXPECT_EQ(JsonProblem(R"({"type":"gpu"})"), "has no \"binary\"");
  EXPECT_THAT(JsonProblem(R"({"type":"gpu2","binary":"/a"})"), HasSubstr("\"gpu2\""));
}

TEST_F(JsonDirsTest, every_type_of_the_schema_counts) {
  for (const char* type : {"9p", "balloon", "block", "caif", "console", "crypto", "gpu", "input",
                           "net", "rng", "rpmsg", "fs", "scsi", "rproc-serial", "vsock"})
    EXPECT_EQ(JsonProblem(std::string(R"({"binary":"/a","type":")") + type + "\"}"), "") << type;
}

TEST_F(JsonDirsTest, a_file_of_more_than_1_mib_breaks_libvirt) {
  const std::string gpu = Gpu("/a");
  Write("usr/50-fits.json", gpu + std::string((1 << 20) - gpu.size(), ' '));
  Write("usr/60-large.json", gpu + std::string((1 << 20) - gpu.size() + 1, ' '));
  const auto files = List();
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[0].state, JsonState::kActive);
  EXPECT_EQ(files[1].state, JsonState::kBroken);
}

TEST_F(JsonDirsTest, only_a_session_daemon_looks_at_its_users_directory_and_does_so_last) {
  const auto home = [](const char* name) {
    return std::string(name) == "HOME" ? "/home/u" : nullptr;
  };
  const auto both = [](const char* name) {
    return std::string(name) == "HOME" ? "/home/u" : "/xdg";
  };
  EXPECT_THAT(JsonDirs(both, /*session=*/false),
              ElementsAre("/usr/share/qemu/vhost-user", "/etc/qemu/vhost-user"));
  EXPECT_THAT(JsonDirs(home, /*session=*/true),
              ElementsAre("/usr/share/qemu/vhost-user", "/etc/qemu/vhost-user",
                          "/home/u/.config/qemu/vhost-user"));
  EXPECT_EQ(JsonDirs(both, /*session=*/true).back(), "/xdg/qemu/vhost-user");
}

TEST_F(JsonDirsTest, our_tag_is_seen) {
  Write("usr/a.json", R"({"type":"gpu","binary":"/a","tags":["rendercar"]})");
  EXPECT_TRUE(List()[0].ours);
}

TEST_F(JsonDirsTest, a_helper_tells_its_features) {
  const auto features =
      ProbeHelper(Program(R"(echo '{"type":"gpu","features":["virgl","render-node"]}')"));
  ASSERT_TRUE(features.ok()) << features.status();
  EXPECT_THAT(*features, ElementsAre("virgl", "render-node"));
}

TEST_F(JsonDirsTest, features_that_nobody_knows_do_no_harm) {
  const auto features = ProbeHelper(Program(R"(echo '{"features":["teleport",7,"virgl"]}')"));
  ASSERT_TRUE(features.ok()) << features.status();
  EXPECT_THAT(*features, ElementsAre("teleport", "virgl"));
}

TEST_F(JsonDirsTest, a_helper_that_libvirt_would_refuse_is_told_why) {
  EXPECT_THAT(ProbeHelper(Program("exit 3")).status().message(), HasSubstr("exited with code 3"));
  EXPECT_THAT(ProbeHelper(Program("echo hello")).status().message(), HasSubstr("no JSON object"));
  EXPECT_EQ(ProbeHelper(Program("exec sleep 60"), std::chrono::milliseconds(50)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(ProbeHelper("/nonexistent").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rendercar::sidecar
