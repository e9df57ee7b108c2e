// Our own EDIDs are valid, by their checksum and by edid-decode.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/edid.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <numeric>

#include "common/temp_dir.h"

namespace rendercar::gpu {
namespace {

struct Size {
  uint32_t width, height;
};
class EdidOfSize : public testing::TestWithParam<Size> {};

TEST_P(EdidOfSize, SumsUpToZero) {
  const auto edid = MakeEdid(3, GetParam().width, GetParam().height);
  EXPECT_EQ(std::accumulate(edid.begin(), edid.end(), 0u) & 0xff, 0u);
}

TEST_P(EdidOfSize, ConformsByEdidDecode) {
  if (std::system("command -v edid-decode >/dev/null") != 0)
    GTEST_SKIP() << "edid-decode is not installed (package edid-decode)";
  const TempDir directory;
  const auto edid = MakeEdid(0, GetParam().width, GetParam().height);
  std::ofstream(directory / "edid", std::ios::binary)
      .write(reinterpret_cast<const char*>(edid.data()), edid.size());
  const std::string command = "edid-decode --check " + (directory / "edid") + " >/dev/null";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST(Edid, PrefersTheSizeAskedFor) {
  const auto edid = MakeEdid(0, 1920, 1080);
  EXPECT_EQ(edid[56] | (edid[58] & 0xf0) << 4, 1920);
  EXPECT_EQ(edid[59] | (edid[61] & 0xf0) << 4, 1080);
}

INSTANTIATE_TEST_SUITE_P(All, EdidOfSize,
                         testing::Values(Size{1024, 768}, Size{1920, 1080}, Size{3840, 2160},
                                         Size{1366, 768}, Size{1, 1},
                                         Size{0xffffffff, 0xffffffff}));

}  // namespace
}  // namespace rendercar::gpu
