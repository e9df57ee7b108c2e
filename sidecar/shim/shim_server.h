// The sidecar's side of the shim: takes the vhost-user socket that libvirt made, and runs a backend
// on it.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "common/accept_watch.h"
#include "common/children/process_host.h"
#include "common/event_loop.h"
#include "common/unix_socket.h"
#include "sidecar/config/share.h"
#include "sidecar/session/session_manager.h"

namespace rendercar::sidecar {

class ShimServer {
 public:
  struct Config {
    std::string socket_path;
    std::string backend_path;
    std::vector<Share> shares;  // those that no session uses; one VM each
    std::function<bool(uid_t)> allows;
    std::vector<std::string> backend_flags = {};  // limits
  };

  // Accepts on `loop`, which outlives this object, as `processes` does. Loop thread, or before the
  // loop runs. Goes on with the backends of shims that an earlier control process left.
  static absl::StatusOr<std::unique_ptr<ShimServer>> Start(EventLoop& loop, ProcessHost& processes,
                                                           Config config, Recovered& recovered);
  // Ends all backends at once.
  ~ShimServer();
  ShimServer(const ShimServer&) = delete;
  ShimServer& operator=(const ShimServer&) = delete;

  // Whether `pid` is one of our backends.
  bool Owns(pid_t pid) const;
  // Each shim's VM as a session, by name; and who uses the shares.
  std::vector<SessionView> List() const;
  std::vector<ShareUse> Shares() const;

 private:
  // One shim, from its connection to the end of its backend.
  struct Client {
    UniqueFd socket;
    std::unique_ptr<Child> backend;
    std::string share;
    std::string name;
    bool virgl = false;
    std::chrono::system_clock::time_point since = std::chrono::system_clock::now();
    bool running() const { return backend && backend->running(); }
  };

  ShimServer(EventLoop& loop, ProcessHost& processes, Config config, UnixListener listener);
  void Adopt(RecoveredChild& recovered);
  SessionView View(const Client& client) const;
  void Accept(UniqueFd socket);
  void OnReadable(uint64_t id);
  absl::Status StartBackend(Client& client, uint64_t id);
  absl::StatusOr<Share> FreeShare() const;
  void OnBackendEnd(uint64_t id);
  void Tell(const Client& client, const std::string& line);
  void Drop(uint64_t id);

  EventLoop& loop_;
  ProcessHost& processes_;
  const Config config_;
  UnixListener listener_;
  std::map<uint64_t, Client> clients_;
  uint64_t next_id_ = 1;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
  AcceptWatch watch_;
};

}  // namespace rendercar::sidecar
