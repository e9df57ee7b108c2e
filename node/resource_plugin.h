// One resource as the kubelet sees it: its shares, its socket, its registration.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/grpc/unix_grpc_server.h"
#include "node/config.h"
#include "node/device_plugin_service.h"
#include "node/registrar.h"
#include "node/watcher_service.h"

namespace rendercar::node {

// Loop only, but for Shutdown.
class ResourcePlugin final : public DevicePluginHandler {
 public:
  ResourcePlugin(EventLoop& loop, const Places& places, const ResourceConfig& config,
                 SessionDirs& dirs, RegistrationClient& client, Report& report);
  ~ResourcePlugin() override;

  // Makes the socket and registers if the kubelet is there.
  absl::Status Start();
  // The policy and nodes from now on; what the kubelet allocated stays allocated.
  void Update(const ResourceConfig& config, bool use_cdi, std::vector<RenderNode> nodes);
  // Compares what should be with what is: the own socket, the kubelet's, the stream.
  // `kubelet_appeared`: its socket is known to be a new one.
  void Check(bool kubelet_appeared);
  // Removes the socket and ends streams.
  void Stop();
  // Ends what calls are left; blocks, not on the loop, which must still run.
  void Shutdown();

  bool registered() const { return registrar_.registered(); }
  const std::string& name() const { return config_.name; }
  // File name of the own socket: "rendercar-render.sock".
  const std::string& endpoint() const { return endpoint_; }

  const ShareTable& Table() const override { return table_; }
  absl::StatusOr<std::vector<ContainerGrant>> Allocate(const AllocationRequest& request) override;
  absl::StatusOr<std::vector<std::string>> Prefer(const std::vector<std::string>& available,
                                                  const std::vector<std::string>& must_include,
                                                  int size) override;
  absl::Status PreStart(const std::vector<std::string>& share_ids) override;

 private:
  AllocationPolicy Policy() const;
  bool RestoreSocket();
  absl::Status ListenForWatcher();
  bool StreamIsMissing();

  const Places places_;
  ResourceConfig config_;
  const std::string endpoint_;
  const std::string path_;
  SessionDirs& dirs_;
  Report& report_;
  ShareTable table_;
  DevicePluginService service_;
  UnixGrpcServer server_;
  // Only where the plugin watcher is used.
  WatcherService watcher_service_;
  std::unique_ptr<UnixGrpcServer> watcher_server_;
  Registrar registrar_;
  int checks_without_stream_ = 0;
  bool use_cdi_ = false;
  bool stopped_ = false;
};

// "rendercar-render.sock" for rendercar.dev/render, "rendercar-example.com_gpu.sock" for another
// domain.
std::string EndpointFor(const std::string& resource_name);

}  // namespace rendercar::node
