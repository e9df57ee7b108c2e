// Each named reason, failing and passing.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/preflight/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace rendercar::sidecar {
namespace {

using ::testing::HasSubstr;

// An input of which every check passes.
PreflightInput Good() {
  return {{{"s", "software", "", 0}},
          "/run/gpu0.sock",
          uint64_t{1} << 30,
          "name \"vhost-user-gpu-pci\", bus PCI",
          "<domain><memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
          "</domain>",
          R"({"spec":{"evictionStrategy":"None"}})"};
}

PreflightCheck Find(const PreflightInput& input, const std::string& reason) {
  for (const PreflightCheck& check : Preflight(input)) {
    if (check.reason == reason) return check;
  }
  return {"missing", PreflightResult::kSkip, ""};
}

TEST(PreflightTest, a_good_place_passes_everything) {
  for (const PreflightCheck& check : Preflight(Good()))
    EXPECT_EQ(check.result, PreflightResult::kPass) << check.reason << ": " << check.sentence;
}

TEST(PreflightTest, a_launcher_without_the_device_is_told) {
  PreflightInput input = Good();
  input.qemu_devices = "name \"virtio-gpu-pci\", bus PCI";
  EXPECT_EQ(Find(input, "LauncherUnsupported").result, PreflightResult::kFail);
}

TEST(PreflightTest, memory_that_is_not_shared_is_told) {
  PreflightInput input = Good();
  input.domain_xml = "<domain><memoryBacking><source type='memfd'/></memoryBacking></domain>";
  EXPECT_THAT(Find(input, "MemoryNotShared").sentence, HasSubstr("access ''"));
}

TEST(PreflightTest, a_numa_cell_with_private_memory_is_named) {
  PreflightInput input = Good();
  input.domain_xml =
      "<domain><memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
      "<cpu><numa><cell id='0'/><cell id='1' memAccess='private'/></numa></cpu></domain>";
  const PreflightCheck check = Find(input, "MemoryNotShared");
  EXPECT_EQ(check.result, PreflightResult::kFail);
  EXPECT_THAT(check.sentence, HasSubstr("NUMA cell '1'"));
}

TEST(PreflightTest, what_kept_a_check_from_looking_is_its_sentence) {
  PreflightInput input = Good();
  input.qemu_problem = "no such QEMU";
  input.share_problem = "no such share";
  EXPECT_EQ(Find(input, "LauncherUnsupported").sentence, "no such QEMU");
  EXPECT_EQ(Find(input, "RenderNodeNotOpenable").sentence, "no such share");
}

TEST(PreflightTest, a_render_node_that_does_not_open_is_told) {
  PreflightInput input = Good();
  input.shares[0].render_node = "/dev/dri/renderD999";
  EXPECT_EQ(Find(input, "RenderNodeNotOpenable").result, PreflightResult::kFail);
}

TEST(PreflightTest, kubevirts_default_limit_is_too_low) {
  PreflightInput input = Good();
  input.memory_limit_bytes = 64'000'000;
  EXPECT_THAT(Find(input, "MemoryLimitTooLow").sentence, HasSubstr("61 MiB"));
}

TEST(PreflightTest, a_long_socket_path_is_told) {
  PreflightInput input = Good();
  input.vmm_socket_path = std::string(108, 'x');
  EXPECT_EQ(Find(input, "SocketPathTooLong").result, PreflightResult::kFail);
}

TEST(PreflightTest, a_vm_that_would_be_migrated_is_told) {
  PreflightInput input = Good();
  input.vmi_json = R"({"spec":{"evictionStrategy":"LiveMigrateIfPossible"}})";
  EXPECT_THAT(Find(input, "LiveMigratable").sentence, HasSubstr("evictionStrategy: None"));
}

TEST(PreflightTest, what_is_unknown_is_skipped_and_says_how_to_tell) {
  PreflightInput input = Good();
  input.qemu_devices = "";
  const PreflightCheck check = Find(input, "LauncherUnsupported");
  EXPECT_EQ(check.result, PreflightResult::kSkip);
  EXPECT_THAT(PreflightText({check}), HasSubstr("skip  LauncherUnsupported"));
}

}  // namespace
}  // namespace rendercar::sidecar
