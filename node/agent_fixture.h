// An agent on a loop of its own, a sysfs tree, and a stand-in kubelet, for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "common/epoll_loop.h"
#include "node/agent.h"
#include "node/fake_report.h"
#include "node/fake_sysfs.h"
#include "tests/fakes/kubelet/fake_kubelet.h"

namespace rendercar::node {

using rendercar::testing::FakeKubelet;
using rendercar::testing::FakeResource;

inline constexpr char kResource[] = "rendercar.dev/render";
// Longer than anything takes; a test that waits so long has failed.
inline constexpr std::chrono::seconds kPatience{30};

class AgentTest : public ::testing::Test {
 protected:
  AgentTest() {
    std::filesystem::create_directories(dir_ / "kubelet");
    places_.kubelet_dir = dir_ / "kubelet";
    places_.pod_resources_socket.clear();
    places_.session_root = dir_ / "sessions";
    places_.roots = sysfs_.roots();
    config_.resources.front().sizes.replicas = 2;
  }
  ~AgentTest() override { StopAgent(); }

  absl::Status StartAgent() {
    agent_ = std::make_unique<Agent>(loop_, places_, config_, report_);
    absl::Status status = agent_->Start();
    thread_ = std::thread([this] { loop_.Run(); });
    return status;
  }
  void StopAgent() {
    if (agent_ == nullptr) return;
    loop_.Post([this] { agent_->Stop([this] { loop_.Quit(); }); });
    thread_.join();
    agent_.reset();
  }
  // Until the kubelet has registered more plugins than `before`.
  void WaitForRegistration(int before) {
    while (kubelet_.registrations() == before) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }
  void OnLoop(const std::function<void()>& task) {
    std::promise<void> done;
    loop_.Post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  bool WaitForHealthy(size_t count) {
    return kubelet_.WaitFor(
        kResource, [=](const FakeResource& r) { return r.connected && r.healthy() == count; },
        kPatience);
  }
  grpc::Status AllocateIds(const std::vector<std::vector<std::string>>& containers) {
    v1beta1::AllocateRequest request;
    for (const auto& ids : containers) {
      auto* container = request.add_container_requests();
      for (const std::string& id : ids) container->add_devices_ids(id);
    }
    v1beta1::AllocateResponse response;
    return kubelet_.Allocate(kResource, request, &response);
  }

  TempDir dir_;
  FakeSysfs sysfs_;
  Places places_;
  Config config_;
  FakeReport report_;
  EpollLoop loop_;
  std::unique_ptr<Agent> agent_;
  std::thread thread_;
  FakeKubelet kubelet_{dir_ / "kubelet"};
};

}  // namespace rendercar::node
