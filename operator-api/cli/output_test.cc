// What people and programs read.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/output.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "operator-api/cli/terminal.h"

namespace rendercar::ctl {
namespace {

namespace api = ::rendercar::v1;
using ::testing::HasSubstr;

api::Session Gpu0() {
  api::Session session;
  session.set_name("sessions/gpu0");
  session.set_share("0000-03-00.0-2");
  session.set_render_node("/dev/dri/renderD128");
  session.set_state(api::Session::STATE_BACKING_OFF);
  session.set_backend_restarts(12);
  session.mutable_create_time()->set_seconds(1000);
  return session;
}

TEST(OutputTest, the_session_table_fits_80_columns) {
  api::ListSessionsResponse list;
  *list.add_sessions() = Gpu0();
  EXPECT_EQ(SessionTable(list, 1000 + 7 * 3600),
            "NAME  STATE        SHARE           NODE        VM  RESTARTS  AGE\n"
            "gpu0  backing-off  0000-03-00.0-2  renderD128  no  12        7h\n");
}

TEST(OutputTest, tables_of_long_names_lose_their_middle_where_a_terminal_is_narrow) {
  api::Session session = Gpu0();
  session.set_name("shares/0000-03-00.0-2/sessions/gpu0");
  session.mutable_owner()->set_namespace_("team-a");
  session.mutable_owner()->set_pod("virt-launcher-desktop-x7k2p");
  api::ListSessionsResponse list;
  *list.add_sessions() = session;
  EXPECT_EQ(TopTable({}, list, 80),
            "SESSION         POD              CMD/S  FRAME/S  MB/S  FENCE ms  MEMORY  CTX  3D\n"
            "0000-03~2/gpu0  team-a/~p-x7k2p  0      0        0.0   0.00      0M      0    -\n");
  EXPECT_THAT(TopTable({}, list), HasSubstr("team-a/virt-launcher-desktop-x7k2p"));
  EXPECT_EQ(Table({{"12345678", "12345678"}}, 4), "12345678  12345678\n");
  EXPECT_EQ(Table({}, 4), "");
}

TEST(OutputTest, no_sessions_says_how_to_make_one) {
  EXPECT_THAT(SessionTable({}, 0), HasSubstr("rendercarctl sessions create NAME"));
}

TEST(OutputTest, json_has_the_fields_own_names) {
  EXPECT_THAT(ToJson(Gpu0()), HasSubstr("\"render_node\": \"/dev/dri/renderD128\""));
}

TEST(OutputTest, yaml_quotes_strings_and_nests) {
  EXPECT_THAT(ToYaml(Gpu0()), HasSubstr("backend_restarts: \"12\"\n"));
  EXPECT_THAT(ToYaml(Gpu0()), HasSubstr("name: \"sessions/gpu0\"\n"));
}

TEST(OutputTest, details_say_why_a_session_waits) {
  api::Session session = Gpu0();
  session.set_state_message("backend exited with code 69; started again in 100 ms");
  EXPECT_THAT(SessionDetails(session, 1000), HasSubstr("Because:       backend exited"));
}

TEST(OutputTest, ages_are_short) {
  EXPECT_EQ(Age(45), "45s");
  EXPECT_EQ(Age(119 * 60), "119m");
  EXPECT_EQ(Age(47 * 3600), "47h");
  EXPECT_EQ(Age(12 * 86400), "12d");
}

TEST(FitTest, what_does_not_fit_is_cut_and_said) {
  EXPECT_EQ(Fit("a\nb\n", {80, 24}), "a\nb\n");
  EXPECT_EQ(Fit("abcdef\nüöäß\n", {3, 24}), "abc\nüöä\n");
  EXPECT_EQ(Fit("1\n2\n3\n4\n5\n", {80, 4}), "1\n2\n... 3 more lines\n");
  EXPECT_EQ(Fit("", {80, 24}), "\n");
}

}  // namespace
}  // namespace rendercar::ctl
