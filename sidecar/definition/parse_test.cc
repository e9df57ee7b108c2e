// Definitions read back: what was rendered from them is rendered again.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/parse.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "sidecar/definition/qemu_args.h"

namespace rendercar::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Anything that a description can be.
DeviceDescription Random(std::mt19937& random) {
  const auto number = [&random](uint32_t low, uint32_t high) {
    return std::uniform_int_distribution<uint32_t>(low, high)(random);
  };
  const std::string odd[] = {"/run/a b/gpu.sock", "/run/a,b/gpu.sock", "/run/a'b/gpu.sock",
                             "/run/a\\b/gpu.sock", "/run/\xc3\xa4<&>\"/gpu.sock"};
  DeviceDescription description;
  description.name = "gpu" + std::to_string(number(0, 999));
  description.socket_path = odd[number(0, 4)];
  description.display_mode = number(0, 1) == 0 ? DisplayMode::kSecondary : DisplayMode::kPrimary;
  description.heads = number(1, kMaxHeads);
  description.width_px = number(kMinSidePx, kMaxSidePx);
  description.height_px = number(kMinSidePx, kMaxSidePx);
  description.virgl = number(0, 1) == 0;
  description.render_node = number(0, 1) == 0 ? "software" : "/dev/dri/renderD128";
  description.guest_memory_bytes = uint64_t{number(1, 4096)} << 20;
  description.backend_path = odd[number(0, 4)];
  return description;
}

class ParseTest : public ::testing::TestWithParam<DefinitionFormat> {};

TEST_P(ParseTest, a_definition_read_back_renders_the_same_definition) {
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    const std::string text = Render(Random(random), GetParam()).text;
    const auto back = ParseDefinition(text, GetParam());
    ASSERT_TRUE(back.ok()) << back.status() << text;
    EXPECT_EQ(Render(*back, GetParam()).text, text);
  }
}

TEST_P(ParseTest, rubbish_is_refused_in_words) {
  for (const char* rubbish : {"", "<domain>", "{\"type\":", "-device 'vhost", "<domain/>", "[]"})
    EXPECT_FALSE(ParseDefinition(rubbish, GetParam()).ok()) << rubbish;
}

INSTANTIATE_TEST_SUITE_P(Formats, ParseTest, ::testing::ValuesIn(kAllFormats));

TEST(ParseQemuArgsTest, ours_is_found_among_others) {
  const auto back = ParseDefinition(
      "qemu-system-x86_64 -m 2G -chardev socket,id=other,path=/x -device vhost-user-gpu-pci,id=o "
      "-device virtio-gpu-pci,id=rendercar-no",
      DefinitionFormat::kQemuArgs);
  EXPECT_EQ(back.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(back.status().message()), HasSubstr("no -device vhost-user-gpu-pci"));
}

TEST(ShellWordsTest, quotes_and_backslashes_are_a_shells) {
  const auto words = ShellWords("a 'b c'\\''d' \"e f\" \\ g");
  ASSERT_TRUE(words.ok());
  EXPECT_THAT(*words, ElementsAre("a", "b c'd", "e f", " g"));
}

TEST(DescriptionFlagsTest, the_flags_are_those_of_define) {
  DeviceDescription description;
  description.name = "gpu0";
  description.socket_path = "/run/a b";
  description.virgl = false;
  EXPECT_EQ(DescriptionFlags(description),
            "--name=gpu0 '--socket-path=/run/a b' --display=secondary --resolution=1280x800 "
            "--heads=1 --no-3d");
}

}  // namespace
}  // namespace rendercar::sidecar
