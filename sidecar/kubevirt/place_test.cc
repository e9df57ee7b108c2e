// Which KubeVirt protocol follows from what a container has.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/kubevirt/place.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "common/temp_dir.h"

namespace rendercar::sidecar {
namespace {

using ::testing::StartsWith;

const char* NoEnvironment(const char* /*name*/) { return nullptr; }
const char* HookContainer(const char* name) {
  return std::string(name) == "CONTAINER_NAME" ? "hook-sidecar-3" : nullptr;
}

class PlaceTest : public ::testing::Test {
 protected:
  KubevirtFlags Flags(const std::string& mode) { return {mode, dir_ / "hooks", dir_ / "plugin"}; }
  void Make(const std::string& name) { std::filesystem::create_directory(dir_ / name); }

  const TempDir dir_;
};

TEST_F(PlaceTest, without_directories_there_is_no_kubevirt) {
  EXPECT_FALSE(FindKubevirt(Flags("auto"), HookContainer)->socket.has_value());
}

TEST_F(PlaceTest, a_plugin_directory_is_the_same_in_both_containers) {
  Make("plugin");
  const auto place = FindKubevirt(Flags("auto"), NoEnvironment);
  ASSERT_TRUE(place.ok() && place->socket.has_value());
  EXPECT_EQ(place->socket->path, dir_ / "plugin/hook.sock");
  EXPECT_EQ(place->socket_dir, place->vmm_socket_dir);
}

TEST_F(PlaceTest, a_hook_sidecars_data_is_below_its_name_for_virt_launcher) {
  Make("hooks");
  const auto place = FindKubevirt(Flags("auto"), HookContainer);
  ASSERT_TRUE(place.ok() && place->socket.has_value());
  EXPECT_THAT(place->socket->path, StartsWith(dir_ / "hooks/rendercar-"));
  EXPECT_THAT(place->socket->bound, StartsWith(dir_ / "hooks/data/"));
  EXPECT_EQ(place->vmm_socket_dir, dir_ / "hooks/hook-sidecar-3/data");
}

TEST_F(PlaceTest, two_sidecars_have_different_socket_names) {
  Make("hooks");
  EXPECT_NE(FindKubevirt(Flags("hooks"), HookContainer)->socket->path,
            FindKubevirt(Flags("hooks"), HookContainer)->socket->path);
}

TEST_F(PlaceTest, off_means_off) {
  Make("plugin");
  EXPECT_FALSE(FindKubevirt(Flags("off"), HookContainer)->socket.has_value());
}

TEST_F(PlaceTest, a_mode_without_its_directory_is_refused) {
  EXPECT_EQ(FindKubevirt(Flags("plugin"), HookContainer).status().code(),
            absl::StatusCode::kNotFound);
  Make("hooks");
  EXPECT_EQ(FindKubevirt(Flags("hooks"), NoEnvironment).status().code(),
            absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace rendercar::sidecar
