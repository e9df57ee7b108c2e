// Every format against its golden file in testdata/golden.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/render.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

#include "common/version.h"

namespace rendercar::sidecar {
namespace {

DeviceDescription Gpu0() {
  DeviceDescription description;
  description.name = "gpu0";
  description.socket_path = "/var/run/rendercar/sockets/gpu0.sock";
  description.render_node = "/dev/dri/renderD128";
  description.heads = 2;
  description.width_px = 1920;
  description.height_px = 1080;
  description.backend_path = "/usr/bin/rendercar-backend";
  return description;
}

// The golden file; written anew when RENDERCAR_UPDATE_GOLDEN is set.
std::string Golden(const std::string& name, const std::string& text) {
  const std::string path = RENDERCAR_SOURCE_DIR "/sidecar/testdata/golden/" + name;
  if (std::getenv("RENDERCAR_UPDATE_GOLDEN") != nullptr) std::ofstream(path) << text;
  std::ostringstream golden;
  golden << std::ifstream(path).rdbuf();
  return golden.str();
}

// The version is no part of the golden files.
std::string WithoutVersion(std::string text) {
  const std::string version = kVersion;
  const size_t at = text.find(version);
  return at == std::string::npos ? text : text.replace(at, version.size(), "VERSION");
}

class RenderTest : public ::testing::TestWithParam<DefinitionFormat> {};

TEST_P(RenderTest, secondary_display_is_as_the_golden_file_says) {
  const std::string text = WithoutVersion(Render(Gpu0(), GetParam()).text);
  EXPECT_EQ(text, Golden(ToString(GetParam()) + ".txt", text));
}

TEST_P(RenderTest, primary_display_in_software_and_2d_is_as_the_golden_file_says) {
  DeviceDescription description = Gpu0();
  description.display_mode = DisplayMode::kPrimary;
  description.render_node = "software";
  description.virgl = false;
  const std::string text = WithoutVersion(Render(description, GetParam()).text);
  EXPECT_EQ(text, Golden(ToString(GetParam()) + "-primary-2d.txt", text));
}

TEST_P(RenderTest, its_name_is_parsed_back) {
  EXPECT_EQ(ParseFormat(ToString(GetParam())), GetParam());
}

INSTANTIATE_TEST_SUITE_P(Formats, RenderTest, ::testing::ValuesIn(kAllFormats));

TEST(RenderFormatTest, an_unknown_name_is_none) { EXPECT_FALSE(ParseFormat("xml").has_value()); }

}  // namespace
}  // namespace rendercar::sidecar
