// Names of sessions, and what a pod may not do to the agent that looks into its directory.
// SPDX-License-Identifier: Apache-2.0
#include "node/sidecar_clients.h"

#include <gmock/gmock.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/share_env.h"
#include "common/temp_dir.h"
#include "common/unix_socket.h"

namespace rendercar::node {
namespace {

using ::testing::HasSubstr;

TEST(SessionNameTest, a_node_names_share_and_session) {
  const auto place = ParseSessionName("shares/software-0/sessions/gpu0");
  ASSERT_TRUE(place.ok()) << place.status();
  EXPECT_EQ(place->share, "software-0");
  EXPECT_EQ(place->session, "sessions/gpu0");
}

TEST(SessionNameTest, anything_else_is_refused_in_words) {
  for (const char* name : {"", "sessions/gpu0", "shares//sessions/a", "shares/../sessions/a",
                           "shares/a/sessions/", "shares/a/sessions/b/c", "shares/a/b"}) {
    EXPECT_THAT(ParseSessionName(name).status().message(), HasSubstr("shares/SHARE/sessions/NAME"))
        << name;
  }
}

TEST(SessionNameTest, what_a_sidecar_says_of_others_is_not_believed) {
  v1::Session session;
  session.set_name("sessions/gpu0");
  session.set_share("somebody-elses");
  session.mutable_owner()->set_pod("somebody-else");
  ASSERT_TRUE(Adopt("software-0", session));
  EXPECT_EQ(session.name(), "shares/software-0/sessions/gpu0");
  EXPECT_EQ(session.share(), "software-0");
  EXPECT_FALSE(session.has_owner());
  session.set_name("sessions/../../etc");
  EXPECT_FALSE(Adopt("software-0", session));
}

// A sidecar's side, as a pod could write it.
class Served final : public v1::SessionService::Service {
 public:
  Served(const std::string& directory, int sessions) : sessions_(sessions) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort("unix:" + directory + "/" + share_env::kApiSocket,
                             grpc::InsecureServerCredentials());
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }
  ~Served() override { server_->Shutdown(std::chrono::system_clock::now()); }
  grpc::Status ListSessions(grpc::ServerContext*, const v1::ListSessionsRequest*,
                            v1::ListSessionsResponse* response) override {
    for (int i = 0; i < sessions_; ++i)
      response->add_sessions()->set_name("sessions/s" + std::to_string(i));
    return grpc::Status::OK;
  }

 private:
  const int sessions_;
  std::unique_ptr<grpc::Server> server_;
};

std::vector<v1::Session> List(const std::string& directory) {
  return ListSidecarSessions({{"share-1", directory}},
                             std::chrono::system_clock::now() + std::chrono::milliseconds(300));
}

TEST(SidecarClientsTest, sessions_of_a_sidecar_are_listed) {
  const TempDir dir;
  const Served served(dir.path(), 2);
  const auto sessions = List(dir.path());
  ASSERT_EQ(sessions.size(), 2u);
  EXPECT_EQ(sessions[1].name(), "shares/share-1/sessions/s1");
}

TEST(SidecarClientsTest, a_pod_with_a_thousand_sessions_has_eight) {
  const TempDir dir;
  const Served served(dir.path(), 1000);
  EXPECT_EQ(List(dir.path()).size(), kMaxSidecarSessions);
}

TEST(SidecarClientsTest, an_answer_that_is_too_large_is_none) {
  const TempDir dir;
  const Served served(dir.path(), 100'000);
  EXPECT_EQ(List(dir.path()).size(), 0u);
}

TEST(SidecarClientsTest, who_never_answers_costs_the_deadline_and_nothing_else) {
  const TempDir dir;
  const auto listener = UnixListener::Listen(dir / share_env::kApiSocket);
  ASSERT_TRUE(listener.ok());
  EXPECT_EQ(List(dir.path()).size(), 0u);
}

TEST(SidecarClientsTest, links_and_files_are_not_followed) {
  const TempDir dir;
  const TempDir other;
  const Served served(other.path(), 1);
  std::filesystem::create_symlink(other / share_env::kApiSocket, dir / share_env::kApiSocket);
  EXPECT_FALSE(ConnectSidecar(dir.path()).ok());
  std::filesystem::remove(dir / share_env::kApiSocket);
  std::ofstream(dir / share_env::kApiSocket) << "no socket";
  EXPECT_FALSE(ConnectSidecar(dir.path()).ok());
}

}  // namespace
}  // namespace rendercar::node
