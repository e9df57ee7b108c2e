// Tests of what the leader says of RenderPools and which sessions it deletes.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/pool_status.h"

#include <gmock/gmock.h>

#include "operator-api/kube/fake_transport.h"

namespace rendercar::rc_operator {
namespace {

using kube::Text;
using ::testing::SizeIs;

const Time kNow{std::chrono::seconds(1'767'323'045)};

Json Node(const std::string& name, const std::string& zone, const std::string& shares) {
  return {{"metadata", {{"name", name}, {"labels", {{"zone", zone}}}}},
          {"status", {{"allocatable", {{"rendercar.dev/render", shares}}}}}};
}

Json Session(const std::string& node, const std::string& ready) {
  return {{"metadata", {{"name", "s-" + node}, {"namespace", "team"}}},
          {"spec", {{"nodeName", node}, {"resourceName", "rendercar.dev/render"}}},
          {"status", {{"conditions", {{{"type", "Ready"}, {"status", ready}}}}}}};
}

Json Pool(const std::string& name, Json spec) {
  return {{"metadata", {{"name", name}, {"generation", 3}}}, {"spec", std::move(spec)}};
}

Cluster ClusterWith(const std::vector<Json>& pools) {
  Cluster cluster;
  for (const Json& pool : pools) cluster.pools[Text(pool, {"metadata", "name"})] = pool;
  cluster.nodes = {Node("n1", "a", "4"), Node("n2", "a", "2"), Node("n3", "b", "8")};
  cluster.sessions = {Session("n1", "True"), Session("n2", "False"), Session("n3", "True")};
  return cluster;
}

std::string Reason(const Json& status) { return Text(status["conditions"][0], {"reason"}); }

TEST(PoolStatusTest, CountsNodesSharesAndSessions) {
  const Json pool = Pool("p", {{"nodeSelector", {{"zone", "a"}}}});
  const Json status = PoolStatus(pool, ClusterWith({pool}), kNow);
  EXPECT_EQ(status["nodes"], 2);
  EXPECT_EQ(status["shares"], 6);
  EXPECT_EQ(status["sessions"], 2);
  EXPECT_EQ(status["readySessions"], 1);
  EXPECT_EQ(status["observedGeneration"], 3);
  EXPECT_EQ(Reason(status), "Offered");
}

TEST(PoolStatusTest, SaysWhyAPoolOffersNothing) {
  const Json nowhere = Pool("p", {{"nodeSelector", {{"zone", "z"}}}});
  EXPECT_EQ(Reason(PoolStatus(nowhere, ClusterWith({nowhere}), kNow)), "NoNodes");
  const Json empty = Pool("p", {{"resourceName", "x/y"}});
  EXPECT_EQ(Reason(PoolStatus(empty, ClusterWith({empty}), kNow)), "NoShares");
}

TEST(PoolStatusTest, TheLaterOfTwoPoolsWithOneResourceIsToldWhichComesFirst) {
  const Json first = Pool("first", {{"nodeSelector", {{"zone", "a"}}}, {"priority", 1}});
  const Json second = Pool("second", Json::object());
  const Cluster cluster = ClusterWith({first, second});
  EXPECT_EQ(Reason(PoolStatus(first, cluster, kNow)), "Offered");
  const Json status = PoolStatus(second, cluster, kNow);
  EXPECT_EQ(Reason(status), "ResourceNameTaken");
  EXPECT_EQ(status["nodes"], 3);
  EXPECT_EQ(status["shares"], 8);
  EXPECT_EQ(status["sessions"], 1);
}

TEST(PoolStatusTest, SessionsOfNodesThatAreGoneAreOrphans) {
  Cluster cluster = ClusterWith({});
  cluster.nodes.pop_back();
  ASSERT_THAT(Orphans(cluster), SizeIs(1));
  EXPECT_EQ(Text(Orphans(cluster)[0], {"spec", "nodeName"}), "n3");
}

TEST(PoolStatusTest, AListThatFailsDeletesNothing) {
  kube::FakeTransport server;
  kube::ApiClient client(server, [](std::chrono::milliseconds) { return false; });
  Report report;
  server.Answer(200, kube::Dump({{"items", {Session("n1", "True")}}}));
  server.Answer(403);
  EXPECT_FALSE(PoolWriter(client, report).Step({}, kNow).ok());
  EXPECT_THAT(server.requests, SizeIs(2));
}

TEST(PoolStatusTest, AClusterWithoutNodesIsNotBelieved) {
  kube::FakeTransport server;
  kube::ApiClient client(server, [](std::chrono::milliseconds) { return false; });
  Report report;
  server.Answer(200, kube::Dump({{"items", {Session("n1", "True")}}}));
  server.Answer(200, R"({"items": []})");
  EXPECT_TRUE(absl::IsUnavailable(PoolWriter(client, report).Step({}, kNow)));
  EXPECT_THAT(server.requests, SizeIs(2));
}

}  // namespace
}  // namespace rendercar::rc_operator
