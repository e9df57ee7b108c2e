// The node agent: keeps the inventory true, and offers it to the kubelet as resources.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "node/capset_book.h"
#include "node/config.h"
#include "node/directory_watch.h"
#include "node/drain_note.h"
#include "node/grpc_registration_client.h"
#include "node/health.h"
#include "node/pod_resources.h"
#include "node/resource_plugin.h"
#include "node/udev_monitor.h"

namespace rendercar::node {

// Loop only. Stop must have called back before this object goes.
class Agent {
 public:
  // How often everything is compared with the truth, events or not.
  static constexpr std::chrono::seconds kCheckPeriod{1};
  static constexpr std::chrono::seconds kScanPeriod{5};
  static constexpr std::chrono::seconds kCollectPeriod{60};
  static constexpr std::chrono::seconds kUsersPeriod{10};
  static constexpr std::chrono::seconds kSessionsPeriod{10};

  Agent(EventLoop& loop, const Places& places, const Config& config, Report& report);
  ~Agent();

  // Scans, serves and registers; the kubelet may come later. Errors say what to do.
  absl::Status Start();
  // Removes the sockets and ends every call; `done` runs on the loop afterwards.
  void Stop(Task done);
  // Looks at sysfs again.
  absl::Status Rescan();
  // Looks at what sessions tell of themselves, for the health of the nodes that they are on.
  void WatchSessions();
  // From now on `config`; resources that stay keep their registration and what is allocated.
  absl::Status Reconfigure(const Config& config);

  // While this says why, every node gives out no new share, also after a restart of the agent;
  // empty: as the configuration says. An error: it holds, but a restart would forget it.
  absl::Status SetDrained(const std::string& why);
  bool drained() const { return !drained_because_.empty(); }
  // What each resource offers now, in the configuration's order.
  std::vector<std::pair<std::string, ShareTable>> Tables() const;

  // Which pod has which share, as the kubelet last told; may be read from any thread.
  const std::shared_ptr<ShareUserBook>& users() const { return users_; }
  // The nodes as they were last seen; may be read from any thread.
  const std::shared_ptr<NodeBook>& nodes() const { return nodes_; }
  // What 3D they give, where it was probed; may be read from any thread.
  const std::shared_ptr<ProbeBook>& probes() const { return capsets_.found(); }

 private:
  absl::Status MakePlugins();
  void RetirePlugins();
  ResourcePlugin* Find(const std::string& resource) const;
  void OnFile(FileEvent event, const std::string& name);
  void SeeKubelet();
  void CheckAll(bool kubelet_appeared);
  void Every(std::chrono::milliseconds period,
             absl::AnyInvocable<std::chrono::milliseconds()> task);
  static void RemoveStaleSockets(const std::string& directory);
  void OnDrmEvent(const DrmEvent& event);
  void WatchDevices();
  void WriteSpecs(const std::vector<RenderNode>& nodes);
  void AskForUsers();

  EventLoop& loop_;
  const Places places_;
  Config config_;
  bool kubelet_seen_ = false;
  std::string drained_because_;
  Report& report_;
  SessionDirs dirs_;
  const DrainNote drain_note_;
  HealthMonitor health_;
  CapsetBook capsets_;
  PodResourcesClient pod_resources_;
  const std::shared_ptr<ShareUserBook> users_ = std::make_shared<ShareUserBook>();
  const std::shared_ptr<NodeBook> nodes_ = std::make_shared<NodeBook>();
  std::unique_ptr<UdevMonitor> udev_;
  GrpcRegistrationClient client_;
  std::vector<std::unique_ptr<ResourcePlugin>> plugins_;
  std::unique_ptr<DirectoryWatch> watch_;
  std::vector<std::thread> stoppers_;
  std::vector<std::unique_ptr<ResourcePlugin>> retired_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rendercar::node
