// QEMU arguments, compared with golden lines.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/qemu_args.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/subprocess.h"

namespace rendercar::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

DeviceDescription Gpu0() {
  DeviceDescription description;
  description.name = "gpu0";
  description.socket_path = "/var/run/rendercar/sockets/gpu0.sock";
  description.render_node = "software";
  return description;
}

TEST(QemuArgsTest, secondary_display) {
  EXPECT_THAT(
      QemuArgs(Gpu0()),
      ElementsAre("-object", "memory-backend-memfd,id=rendercar-mem,share=on,size=2147483648",
                  "-machine", "memory-backend=rendercar-mem", "-chardev",
                  "socket,id=rendercar-chr-gpu0,path=/var/run/rendercar/sockets/gpu0.sock",
                  "-device",
                  "vhost-user-gpu-pci,id=rendercar-gpu0,chardev=rendercar-chr-gpu0,"
                  "max_outputs=1,xres=1280,yres=800"));
}

TEST(QemuArgsTest, primary_display_takes_the_vga_away) {
  DeviceDescription description = Gpu0();
  description.display_mode = DisplayMode::kPrimary;
  EXPECT_THAT(ShellQuoted(QemuArgs(description)), HasSubstr(" -vga none -chardev "));
}

TEST(QemuArgsTest, commas_in_a_path_are_doubled_as_qemu_wants) {
  DeviceDescription description = Gpu0();
  description.socket_path = "/run/a,b.sock";
  EXPECT_EQ(QemuChardev(description), "socket,id=rendercar-chr-gpu0,path=/run/a,,b.sock");
}

TEST(QemuArgsTest, heads_and_size_reach_the_device) {
  DeviceDescription description = Gpu0();
  description.heads = 4;
  description.width_px = 1920;
  description.height_px = 1080;
  EXPECT_THAT(QemuDevice(description), HasSubstr("max_outputs=4,xres=1920,yres=1080"));
}

TEST(QemuArgsTest, a_shell_splits_the_line_into_the_same_arguments) {
  const std::string line = ShellQuoted({"plain=1", "with space", "it's", "", "$HOME*"});
  auto child = Subprocess::Start(
      {.argv = {"/bin/sh", "-c",
                "set -- " + line +
                    "; [ $# = 5 ] && [ \"$2\" = 'with space' ] && "
                    "[ \"$3\" = \"it's\" ] && [ -z \"$4\" ] && [ \"$5\" = '$HOME*' ]"}});
  ASSERT_TRUE(child.ok());
  const auto end = child->Wait(std::chrono::seconds(10));
  ASSERT_TRUE(end.has_value());
  EXPECT_TRUE(end->clean()) << line;
}

TEST(DescriptionTest, names_the_field_that_is_out_of_range) {
  DeviceDescription description = Gpu0();
  description.heads = 17;
  EXPECT_EQ(Validate(description).message(), "display.heads is 17; it must be 1 to 16");
}

TEST(DescriptionTest, takes_dns_labels_as_names) {
  EXPECT_TRUE(ValidateName("vm-7-gpu").ok());
  for (const char* wrong :
       {"", "Gpu", "a/b", "-a", "a-", "a_b", "..", "a234567890123456789012345678901234"}) {
    EXPECT_EQ(ValidateName(wrong).code(), absl::StatusCode::kInvalidArgument) << wrong;
  }
}

}  // namespace
}  // namespace rendercar::sidecar
