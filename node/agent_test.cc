// The agent and a stand-in kubelet over real sockets: registering, restarts, removed sockets,
// requests.
// SPDX-License-Identifier: Apache-2.0
#include "node/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <future>

#include "common/share_env.h"
#include "common/stats_page.h"
#include "node/agent_fixture.h"
#include "tests/fakes/kubelet/fake_plugin_watcher.h"
#include "tests/fakes/kubelet/fake_pod_resources.h"

namespace rendercar::node {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(AgentTest, offers_the_software_node_where_there_is_no_other) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  EXPECT_EQ(kubelet_.Resource(kResource)->devices[1].id(), "software-1");
  EXPECT_EQ(kubelet_.authority(), "localhost");
}

TEST_F(AgentTest, allocates_a_share_of_a_gpu_end_to_end) {
  sysfs_.AddPci(128, {});
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  const auto allocation = kubelet_.AllocateContainer(kResource, 1);
  ASSERT_TRUE(allocation.ok()) << allocation.status();
  EXPECT_THAT(allocation->device_ids, SizeIs(1));
  EXPECT_EQ(allocation->response.envs().at(share_env::kRenderNodes), "/dev/dri/renderD128");
  ASSERT_EQ(allocation->response.mounts_size(), 1);
  EXPECT_TRUE(std::filesystem::is_directory(allocation->response.mounts(0).host_path()));
  ASSERT_EQ(allocation->response.devices_size(), 1);
  EXPECT_EQ(allocation->response.devices(0).permissions(), "rw");
  EXPECT_EQ(allocation->response.annotations().at("rendercar.dev/shares"),
            allocation->device_ids[0]);
}

TEST_F(AgentTest, tells_the_numa_node) {
  sysfs_.AddPci(128, {.numa_node = "1"});
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  const auto resource = kubelet_.Resource(kResource);
  ASSERT_EQ(resource->devices[0].topology().nodes_size(), 1);
  EXPECT_EQ(resource->devices[0].topology().nodes(0).id(), 1);
}

TEST_F(AgentTest, registers_when_the_kubelet_comes_later) {
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(kubelet_.Start().ok());
  EXPECT_TRUE(WaitForHealthy(2));
}

TEST_F(AgentTest, registers_again_after_a_kubelet_restart_that_wipes_its_directory) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  kubelet_.Stop();
  ASSERT_TRUE(kubelet_.Start().ok());
  EXPECT_TRUE(WaitForHealthy(2));
  EXPECT_TRUE(kubelet_.AllocateContainer(kResource, 1).ok());
}

TEST_F(AgentTest, restores_its_socket_when_somebody_removes_it) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  const int before = kubelet_.registrations();
  std::filesystem::remove(dir_ / "kubelet/rendercar-render.sock");
  EXPECT_TRUE(kubelet_.WaitFor(
      kResource,
      [&](const FakeResource& r) {
        return r.connected && std::filesystem::exists(dir_ / "kubelet/rendercar-render.sock");
      },
      kPatience));
  WaitForRegistration(before);
  EXPECT_TRUE(WaitForHealthy(2));
  EXPECT_TRUE(kubelet_.AllocateContainer(kResource, 1).ok());
}

TEST_F(AgentTest, registers_again_when_the_kubelet_forgot_it) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  kubelet_.DropStreams();
  const int before = kubelet_.registrations();
  WaitForRegistration(before);
  EXPECT_TRUE(WaitForHealthy(2));
}

TEST_F(AgentTest, a_node_that_is_unplugged_leaves_the_list_and_comes_back) {
  sysfs_.AddPci(128, {.address = "0000:03:00.0"});
  sysfs_.AddPci(129, {.address = "0000:41:00.0"});
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(4));
  sysfs_.Remove(129);
  OnLoop([this] { ASSERT_TRUE(agent_->Rescan().ok()); });
  EXPECT_TRUE(WaitForHealthy(2));
  sysfs_.AddPci(130, {.address = "0000:81:00.0"});
  OnLoop([this] { ASSERT_TRUE(agent_->Rescan().ok()); });
  EXPECT_TRUE(WaitForHealthy(4));
}

TEST_F(AgentTest, a_new_configuration_keeps_registration_and_shares) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  ASSERT_TRUE(kubelet_.AllocateContainer(kResource, 1).ok());
  config_.resources.front().sizes.replicas = 5;
  OnLoop([this] { ASSERT_TRUE(agent_->Reconfigure(config_).ok()); });
  EXPECT_TRUE(WaitForHealthy(5));
  EXPECT_EQ(kubelet_.registrations(), 1);
}

TEST_F(AgentTest, resources_come_and_go_with_the_configuration) {
  sysfs_.AddPci(128, {});
  config_.software = SoftwareMode::kAlways;
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(4));
  config_.resources.push_back(ResourceConfig{.name = "rendercar.dev/software"});
  config_.resources.front().select.software = false;
  OnLoop([this] { ASSERT_TRUE(agent_->Reconfigure(config_).ok()); });
  EXPECT_TRUE(kubelet_.WaitFor(
      "rendercar.dev/software", [](const FakeResource& r) { return r.healthy() == 4; }, kPatience));
  EXPECT_TRUE(WaitForHealthy(2));
  config_.resources.pop_back();
  OnLoop([this] { ASSERT_TRUE(agent_->Reconfigure(config_).ok()); });
  EXPECT_TRUE(kubelet_.WaitFor(
      "rendercar.dev/software", [](const FakeResource& r) { return !r.connected; }, kPatience));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "kubelet/rendercar-software.sock"));
}

TEST_F(AgentTest, a_drained_node_gives_out_nothing_new) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  config_.drain = {"software"};
  OnLoop([this] { ASSERT_TRUE(agent_->Reconfigure(config_).ok()); });
  EXPECT_TRUE(WaitForHealthy(0));
  const grpc::Status status = AllocateIds({{"software-0"}});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("drained"));
  EXPECT_TRUE(kubelet_.PreStart(kResource, {"software-0"}).ok()) << "containers there start again";
  config_.drain.clear();
  OnLoop([this] { ASSERT_TRUE(agent_->Reconfigure(config_).ok()); });
  EXPECT_TRUE(WaitForHealthy(2));
}

TEST_F(AgentTest, a_drain_by_hand_outlives_the_agents_restart) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  OnLoop([this] { ASSERT_TRUE(agent_->SetDrained("driver update").ok()); });
  EXPECT_TRUE(WaitForHealthy(0));
  const int before = kubelet_.registrations();
  StopAgent();
  ASSERT_TRUE(StartAgent().ok());
  WaitForRegistration(before);
  EXPECT_TRUE(WaitForHealthy(0));
  EXPECT_THAT(AllocateIds({{"software-0"}}).error_message(), HasSubstr("drained: driver update"));
  OnLoop([this] { ASSERT_TRUE(agent_->SetDrained("").ok()); });
  EXPECT_TRUE(WaitForHealthy(2));
}

TEST_F(AgentTest, registers_by_the_plugin_watcher_where_asked_to) {
  std::filesystem::create_directories(dir_ / "registry");
  places_.plugins_registry = dir_ / "registry";
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  const std::string socket = dir_ / "registry/rendercar-render.sock";
  const auto plugin = rendercar::testing::AskPlugin(socket);
  ASSERT_TRUE(plugin.ok()) << plugin.status();
  EXPECT_EQ(plugin->type, "DevicePlugin");
  EXPECT_EQ(plugin->name, kResource);
  EXPECT_EQ(plugin->endpoint, dir_ / "kubelet/rendercar-render.sock");
  EXPECT_EQ(plugin->version, "v1beta1");
  EXPECT_TRUE(rendercar::testing::TellPlugin(socket, "").ok());
  OnLoop([this] { EXPECT_EQ(report_.events.back(), "registered"); });
  EXPECT_EQ(kubelet_.registrations(), 0);
}

TEST_F(AgentTest, probes_each_node_once) {
  sysfs_.AddPci(128, {.address = "0000:03:00.0"});
  sysfs_.AddPci(129, {.address = "0000:41:00.0"});
  places_.capset_probe = "/bin/false";
  ASSERT_TRUE(StartAgent().ok());
  const auto count = [this] {
    size_t probed = 0;
    OnLoop([&] {
      ASSERT_TRUE(agent_->Rescan().ok());
      for (const std::string& event : report_.events)
        probed += event.rfind("probed ", 0) == 0 ? 1 : 0;
    });
    return probed;
  };
  while (count() < 2) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT_EQ(count(), 2u);
}

TEST_F(AgentTest, learns_from_the_kubelet_who_has_a_share) {
  rendercar::testing::FakePodResources pod_resources;
  places_.pod_resources_socket = dir_ / "pods.sock";
  ASSERT_TRUE(pod_resources.Serve(places_.pod_resources_socket).ok());
  pod_resources.Add("vms", "launcher", "gpu", kResource, "software-1");
  ASSERT_TRUE(StartAgent().ok());
  while (agent_->users()->Get() == nullptr) std::this_thread::yield();
  EXPECT_EQ(agent_->users()->Get()->at("software-1").pod, "launcher");
}

TEST_F(AgentTest, cdi_and_feature_files_are_there_before_the_kubelet_knows_the_shares) {
  sysfs_.AddPci(128, {});
  config_.cdi_dir = dir_ / "cdi";
  config_.nfd_dir = dir_ / "features.d";
  ASSERT_TRUE(StartAgent().ok());
  EXPECT_TRUE(std::filesystem::exists(dir_ / "cdi/rendercar.dev-render.json"));
  EXPECT_TRUE(std::filesystem::exists(dir_ / "features.d/rendercar"));
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  const auto allocation = kubelet_.AllocateContainer(kResource, 1);
  ASSERT_TRUE(allocation.ok()) << allocation.status();
  EXPECT_EQ(allocation->response.devices_size(), 0);
  EXPECT_EQ(allocation->response.cdi_devices(0).name(), "rendercar.dev/render=0000-03-00.0");
}

TEST_F(AgentTest, an_unhealthy_node_is_told_and_told_again_when_it_recovers) {
  sysfs_.AddPci(128, {});
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  sysfs_.RemoveDeviceFile(128);
  OnLoop([this] { ASSERT_TRUE(agent_->Rescan().ok()); });
  EXPECT_TRUE(WaitForHealthy(0));
  EXPECT_EQ(kubelet_.Resource(kResource)->devices.size(), 2u);
  EXPECT_EQ(kubelet_.PreStart(kResource, {"0000-03-00.0-0"}).error_code(),
            grpc::StatusCode::UNAVAILABLE);
  sysfs_.AddDeviceFile(128);
  OnLoop([this] { ASSERT_TRUE(agent_->Rescan().ok()); });
  EXPECT_TRUE(WaitForHealthy(2));
}

TEST_F(AgentTest, deaths_of_renderers_of_several_pods_close_a_node) {
  config_.crash_limit = {.crashes = 2, .pods = 2, .window = std::chrono::seconds(3600)};
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  std::vector<StatsWriter> pages;
  for (int i = 0; i < 2; ++i) {
    const auto allocation = kubelet_.AllocateContainer(kResource, 1);
    ASSERT_TRUE(allocation.ok()) << allocation.status();
    auto page = StatsWriter::Create(allocation->response.mounts(0).host_path() + "/vm.stats");
    ASSERT_TRUE(page.ok()) << page.status();
    page->Count(StatsValue::kRendererDeaths);
    pages.push_back(*std::move(page));
  }
  OnLoop([this] {
    agent_->WatchSessions();
    ASSERT_TRUE(agent_->Rescan().ok());
  });
  EXPECT_TRUE(WaitForHealthy(0));
  EXPECT_THAT(AllocateIds({{"software-0"}}).error_message(), HasSubstr("renderers of 2 pods died"));
  EXPECT_TRUE(kubelet_.PreStart(kResource, {"software-0"}).ok()) << "containers there start again";
  StopAgent();
  ASSERT_TRUE(kubelet_.WaitFor(
      kResource, [](const FakeResource& r) { return !r.connected; }, kPatience));
  ASSERT_TRUE(StartAgent().ok());
  EXPECT_TRUE(WaitForHealthy(0)) << "also after a restart of the agent";
  config_.crash_limit.crashes = 0;
  OnLoop([this] { ASSERT_TRUE(agent_->Reconfigure(config_).ok()); });
  EXPECT_TRUE(WaitForHealthy(2));
}

TEST_F(AgentTest, bad_requests_are_answered_with_a_reason) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  EXPECT_EQ(AllocateIds({}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(AllocateIds({{}}).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(AllocateIds({{"software-0"}, {"software-0"}}).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  const grpc::Status unknown = AllocateIds({{"software-7"}});
  EXPECT_EQ(unknown.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(unknown.error_message(), HasSubstr("'software-7'"));
  EXPECT_EQ(AllocateIds({std::vector<std::string>(10'000, "software-0")}).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(kubelet_.PreStart(kResource, {"nothing"}).error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(AgentTest, a_clean_stop_removes_the_socket_and_ends_the_list) {
  ASSERT_TRUE(kubelet_.Start().ok());
  ASSERT_TRUE(StartAgent().ok());
  ASSERT_TRUE(WaitForHealthy(2));
  StopAgent();
  EXPECT_FALSE(std::filesystem::exists(dir_ / "kubelet/rendercar-render.sock"));
  EXPECT_TRUE(kubelet_.WaitFor(
      kResource, [](const FakeResource& r) { return !r.connected; }, kPatience));
}

TEST_F(AgentTest, sockets_of_an_earlier_configuration_are_removed) {
  std::filesystem::create_directories(dir_ / "registry");
  places_.plugins_registry = dir_ / "registry";
  for (const std::string directory : {"kubelet", "registry"}) {
    auto stale = UnixListener::Listen(dir_ / (directory + "/x.sock"));
    ASSERT_TRUE(stale.ok());
    std::filesystem::rename(dir_ / (directory + "/x.sock"),
                            dir_ / (directory + "/rendercar-old.sock"));
  }
  ASSERT_TRUE(std::filesystem::exists(dir_ / "registry/rendercar-old.sock"));
  ASSERT_TRUE(StartAgent().ok());
  EXPECT_FALSE(std::filesystem::exists(dir_ / "kubelet/rendercar-old.sock"));
  EXPECT_FALSE(std::filesystem::exists(dir_ / "registry/rendercar-old.sock"));
}

TEST_F(AgentTest, a_second_agent_is_refused) {
  ASSERT_TRUE(StartAgent().ok());
  Agent second(loop_, places_, config_, report_);
  std::promise<absl::Status> started;
  loop_.Post([&] { started.set_value(second.Start()); });
  const absl::Status status = started.get_future().get();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("another process listens"));
  OnLoop([&] { second.Stop([] {}); });
}

TEST_F(AgentTest, a_missing_kubelet_directory_is_named) {
  places_.kubelet_dir = dir_ / "nowhere";
  const absl::Status status = StartAgent();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr(dir_ / "nowhere"));
}

}  // namespace
}  // namespace rendercar::node
