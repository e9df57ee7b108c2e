// What VMs ask for, and what is said about wrong wishes.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/kubevirt/vmi.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace rendercar::sidecar {
namespace {

using ::testing::HasSubstr;

SessionSpec Defaults() {
  SessionSpec spec;
  spec.name = "gpu0";
  spec.display_mode = DisplayMode::kHeadless;
  return spec;
}

absl::StatusOr<VmiRequest> Annotated(const std::string& annotations) {
  return ParseVmi(
      R"({"metadata":{"namespace":"n","name":"vm","annotations":{)" + annotations + "}}}",
      Defaults());
}

std::string Complaint(const std::string& annotations) {
  return std::string(Annotated(annotations).status().message());
}

TEST(VmiTest, kubevirts_own_json_with_an_annotation_is_read) {
  std::ostringstream json;
  json << std::ifstream(RENDERCAR_SOURCE_DIR "/sidecar/testdata/kubevirt/annotated.vmi.json")
              .rdbuf();
  const auto request = ParseVmi(json.str(), Defaults());
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->name, "default/annotated");
  EXPECT_EQ(request->spec.display_mode, DisplayMode::kSecondary);
  EXPECT_FALSE(request->live_migratable);
}

TEST(VmiTest, every_annotation_reaches_the_session) {
  const auto request =
      Annotated(R"("rendercar.dev/display":"primary","rendercar.dev/resolution":"1920x1080",)"
                R"("rendercar.dev/heads":"2","rendercar.dev/memory":"512Mi",)"
                R"("rendercar.dev/acceleration":"none","rendercar.dev/class":"small")");
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->spec.display_mode, DisplayMode::kPrimary);
  EXPECT_EQ(request->spec.width_px, 1920U);
  EXPECT_EQ(request->spec.height_px, 1080U);
  EXPECT_EQ(request->spec.heads, 2U);
  EXPECT_EQ(request->spec.video_memory_bytes, uint64_t{512} << 20);
  EXPECT_FALSE(request->spec.virgl);
}

TEST(VmiTest, nothing_asked_for_means_the_defaults) {
  EXPECT_EQ(ParseVmi("", Defaults())->spec.display_mode, DisplayMode::kHeadless);
  EXPECT_EQ(ParseVmi("{}", Defaults())->spec.heads, 1U);
}

TEST(VmiTest, wrong_values_are_named_with_their_annotation) {
  EXPECT_THAT(Complaint(R"("rendercar.dev/display":"tall")"),
              HasSubstr("annotation rendercar.dev/display: display is 'tall'; use headless"));
  EXPECT_THAT(Complaint(R"("rendercar.dev/resolution":"big")"), HasSubstr("WIDTHxHEIGHT"));
  EXPECT_THAT(Complaint(R"("rendercar.dev/heads":"two")"), HasSubstr("a number from 1 to 16"));
  EXPECT_THAT(Complaint(R"("rendercar.dev/memory":"1 GB")"), HasSubstr("for example 512Mi"));
  EXPECT_THAT(Complaint(R"("rendercar.dev/memory":"99999999999999999Gi")"), HasSubstr("quantity"));
  EXPECT_THAT(Complaint(R"("rendercar.dev/acceleration":"fast")"), HasSubstr("virgl or none"));
}

TEST(VmiTest, live_migration_on_eviction_is_seen) {
  const auto request = ParseVmi(R"({"spec":{"evictionStrategy":"LiveMigrate"}})", Defaults());
  EXPECT_TRUE(request->live_migratable);
}

TEST(VmiTest, json_of_any_other_shape_does_no_harm) {
  EXPECT_FALSE(ParseVmi("not json", Defaults()).ok());
  EXPECT_FALSE(ParseVmi("[1]", Defaults()).ok());
  EXPECT_TRUE(ParseVmi(R"({"metadata":[],"spec":7})", Defaults()).ok());
  EXPECT_TRUE(
      ParseVmi(R"({"metadata":{"annotations":{"rendercar.dev/heads":7}}})", Defaults()).ok());
}

}  // namespace
}  // namespace rendercar::sidecar
