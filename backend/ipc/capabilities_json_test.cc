// Capabilities as JSON: what goes out comes back, and what is damaged does not.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/capabilities_json.h"

#include <gtest/gtest.h>

namespace rendercar::ipc {
namespace {

gpu::RendererCapabilities Example() {
  gpu::RendererCapabilities c;
  c.gl_renderer = "llvmpipe";
  c.capsets.push_back({2, 2, {std::byte{0}, std::byte{255}, std::byte{7}}});
  return c;
}

TEST(CapabilitiesJsonTest, they_come_back_as_they_went) {
  const auto back = FromJson(ToJson(Example(), {"1.0", {"/lib/x.so"}}));
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->gl_renderer, "llvmpipe");
  ASSERT_EQ(back->capsets.size(), 1u);
  EXPECT_EQ(back->capsets[0].max_version, 2u);
  EXPECT_EQ(back->capsets[0].data, Example().capsets[0].data);
}

TEST(CapabilitiesJsonTest, damaged_text_is_refused) {
  EXPECT_FALSE(FromJson("").ok());
  EXPECT_FALSE(FromJson("[]").ok());
  EXPECT_FALSE(FromJson(R"({"gl_renderer":"x"})").ok());
  EXPECT_FALSE(FromJson(R"({"gl_renderer":"x","capsets":[{"id":-1}]})").ok());
  EXPECT_FALSE(
      FromJson(R"({"gl_renderer":"x","capsets":[{"id":1,"max_version":1,"data":"?"}]})").ok());
}

TEST(CapabilitiesJsonTest, the_digest_tells_one_changed_byte) {
  gpu::RendererCapabilities other = Example();
  other.capsets[0].data[1] = std::byte{254};
  EXPECT_NE(CapsetDigest(Example()), CapsetDigest(other));
  EXPECT_EQ(CapsetDigest(Example()), CapsetDigest(Example()));
}

}  // namespace
}  // namespace rendercar::ipc
