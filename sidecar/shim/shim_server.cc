// The sidecar's side of the shim: takes the vhost-user socket that libvirt made, and runs a backend
// on it.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/shim/shim_server.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_split.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstring>
#include <utility>

#include "common/log.h"
#include "common/share_env.h"
#include "sidecar/shim/shim_protocol.h"

namespace rendercar::sidecar {
namespace {

constexpr int kBackendFd = 3;
constexpr char kChildPrefix[] = "shim";
constexpr size_t kMaxClients = 64;
constexpr std::chrono::seconds kGreetingTime{10};

log::RateLimit refused_limit;  // who is refused can come again at once

// What a shim sends, checked: the greeting and one socket.
struct Greeting {
  UniqueFd vhost_user;
  bool virgl = false;
};

absl::StatusOr<Greeting> Receive(int socket) {
  std::array<std::byte, sizeof(ShimGreeting)> bytes{};
  RC_ASSIGN_OR_RETURN(Received received, ReceiveWithFds(socket, bytes, 1, MSG_DONTWAIT));
  ShimGreeting greeting{};
  std::memcpy(&greeting, bytes.data(), sizeof(greeting));
  const bool right = received.size == sizeof(greeting) && received.fds.size() == 1 &&
                     std::memcmp(greeting.magic, kShimMagic, sizeof(kShimMagic)) == 0;
  if (!right)
    return absl::InvalidArgumentError(
        "this is no greeting of rendercar-shim; use the shim of the same version");
  return Greeting{std::move(received.fds.front()), (greeting.flags & kShimVirgl) != 0};
}

std::string StatsPath(const Share& share, const std::string& name) {
  return share.session_dir.empty() ? "" : absl::StrCat(share.session_dir, "/", name, ".stats");
}

std::vector<std::string> Argv(const std::string& program, const std::string& name,
                              const Share& share, bool virgl) {
  std::vector<std::string> argv{program, absl::StrCat("--fd=", kBackendFd),
                                absl::StrCat("--session=", name)};
  if (virgl) argv.push_back("--virgl");
  if (virgl && share.render_node != share_env::kSoftwareNode)
    argv.push_back(absl::StrCat("--render-node=", share.render_node));
  if (const std::string stats = StatsPath(share, name); !stats.empty())
    argv.push_back(absl::StrCat("--stats-path=", stats));
  if (share.video_memory_bytes != 0)
    argv.push_back(absl::StrCat("--max-video-memory=", share.video_memory_bytes));
  return argv;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ShimServer>> ShimServer::Start(EventLoop& loop,
                                                              ProcessHost& processes, Config config,
                                                              Recovered& recovered) {
  RC_ASSIGN_OR_RETURN(UnixListener listener, UnixListener::Listen(config.socket_path, 0666));
  std::unique_ptr<ShimServer> server(
      new ShimServer(loop, processes, std::move(config), std::move(listener)));
  for (RecoveredChild& child : recovered.children) server->Adopt(child);
  return server;
}

ShimServer::ShimServer(EventLoop& loop, ProcessHost& processes, Config config,
                       UnixListener listener)
    : loop_(loop),
      processes_(processes),
      config_(std::move(config)),
      listener_(std::move(listener)),
      watch_(loop, listener_, [this](UniqueFd socket) { Accept(std::move(socket)); }) {}

void ShimServer::Adopt(RecoveredChild& recovered) {
  const std::vector<std::string> parts = absl::StrSplit(recovered.name, '/');
  uint64_t id = 0;
  const bool ours = parts.size() == 4 && parts[0] == kChildPrefix && recovered.kept.size() == 1 &&
                    absl::SimpleAtoi(parts[1], &id);
  if (!ours) return;
  Client& client = clients_[id];
  client.socket = std::move(recovered.kept[0]);
  client.backend = std::move(recovered.child);
  client.virgl = parts[2] == "3d";
  client.share = parts[3];
  client.name = absl::StrCat("shim-", id);
  next_id_ = std::max(next_id_, id + 1);
  loop_.Watch(client.socket.get(), EPOLLIN, [this, id](uint32_t) { OnReadable(id); });
  loop_.Watch(client.backend->pidfd(), EPOLLIN, [this, id](uint32_t) { OnBackendEnd(id); });
  log::Info("shim found again", {{"session", client.name}, {"pid", client.backend->pid()}});
}

ShimServer::~ShimServer() {
  *alive_ = false;
  while (!clients_.empty()) Drop(clients_.begin()->first);
}

bool ShimServer::Owns(pid_t pid) const {
  return std::any_of(clients_.begin(), clients_.end(), [pid](const auto& entry) {
    return entry.second.running() && entry.second.backend->pid() == pid;
  });
}

SessionView ShimServer::View(const Client& client) const {
  SessionView view;
  view.spec.name = client.name;
  view.spec.share = client.share;
  view.spec.virgl = client.virgl;
  for (const Share& share : config_.shares) {
    if (share.id == client.share) view.share = share;
  }
  view.state = SessionState::kReady;
  view.state_message = "libvirt started this VM through the shim and made its socket";
  view.stats_path = StatsPath(view.share, client.name);
  view.backend_pid = client.running() ? client.backend->pid() : 0;
  view.create_time = client.since;
  return view;
}

std::vector<SessionView> ShimServer::List() const {
  std::vector<SessionView> views;
  for (const auto& [id, client] : clients_) {
    if (client.running()) views.push_back(View(client));
  }
  return views;
}

std::vector<ShareUse> ShimServer::Shares() const {
  std::vector<ShareUse> uses;
  for (const Share& share : config_.shares) {
    uses.push_back({share, ""});
    for (const auto& [id, client] : clients_) {
      if (client.share == share.id) uses.back().session = client.name;
    }
  }
  return uses;
}

void ShimServer::Accept(UniqueFd socket) {
  const absl::StatusOr<PeerCredentials> peer = GetPeerCredentials(socket.get());
  if (!peer.ok() || !config_.allows(peer->uid) || clients_.size() >= kMaxClients) {
    if (refused_limit.Allow())
      log::Warning("shim refused", {{"uid", peer.ok() ? static_cast<int64_t>(peer->uid) : -1}});
    return;
  }
  const uint64_t id = next_id_++;
  Client& client = clients_[id];
  client.socket = std::move(socket);
  client.name = absl::StrCat("shim-", id);
  loop_.Watch(client.socket.get(), EPOLLIN, [this, id](uint32_t) { OnReadable(id); });
  // A shim greets at once; one that does not would keep another one's place.
  loop_.PostAfter(kGreetingTime, [this, id, alive = alive_] {
    if (!*alive) return;
    const auto found = clients_.find(id);
    if (found == clients_.end() || found->second.running()) return;
    log::Warning("shim refused: it said nothing", {{"session", found->second.name}});
    Drop(id);
  });
}

// The greeting, or the shim's end.
void ShimServer::OnReadable(uint64_t id) {
  Client& client = clients_.at(id);
  if (client.running()) {  // a shim sends nothing more: it went, so libvirt stopped the VM
    log::Info("shim went", {{"session", client.name}});
    Drop(id);
    return;
  }
  if (const absl::Status status = StartBackend(client, id); !status.ok()) {
    log::Warning("shim failed", {{"session", client.name}, {"why", std::string(status.message())}});
    Tell(client, absl::StrCat(kShimFailed, status.message()));
    Drop(id);
  }
}

absl::StatusOr<Share> ShimServer::FreeShare() const {
  for (const Share& share : config_.shares) {
    const bool used = std::any_of(clients_.begin(), clients_.end(), [&](const auto& entry) {
      return entry.second.share == share.id;
    });
    if (!used) return share;
  }
  return absl::ResourceExhaustedError("every share is used by a VM; request more shares");
}

absl::Status ShimServer::StartBackend(Client& client, uint64_t id) {
  RC_ASSIGN_OR_RETURN(const Greeting greeting, Receive(client.socket.get()));
  RC_ASSIGN_OR_RETURN(const Share share, FreeShare());
  ChildRequest request;
  request.name =
      absl::StrCat(kChildPrefix, "/", id, "/", greeting.virgl ? "3d" : "2d", "/", share.id);
  request.argv = Argv(config_.backend_path, client.name, share, greeting.virgl);
  request.argv.insert(request.argv.end(), config_.backend_flags.begin(),
                      config_.backend_flags.end());
  request.fds = {{greeting.vhost_user.get(), kBackendFd}};
  request.kept = {client.socket.get()};
  RC_ASSIGN_OR_RETURN(client.backend, processes_.Start(request));
  client.share = share.id;
  client.virgl = greeting.virgl;
  loop_.Watch(client.backend->pidfd(), EPOLLIN, [this, id](uint32_t) { OnBackendEnd(id); });
  log::Info("backend started for a shim",
            {{"session", client.name}, {"share", share.id}, {"pid", client.backend->pid()}});
  Tell(client, kShimStarted);
  return absl::OkStatus();
}

void ShimServer::OnBackendEnd(uint64_t id) {
  Client& client = clients_.at(id);
  loop_.Unwatch(client.backend->pidfd());
  const auto end = client.backend->Wait(std::chrono::milliseconds(0));
  const std::string how = end ? end->ToString() : "is gone";
  log::Info("backend of a shim ended", {{"session", client.name}, {"how", how}});
  Tell(client, absl::StrCat(kShimEnded, how));
  Drop(id);
}

void ShimServer::Tell(const Client& client, const std::string& line) {
  const std::string text = line + "\n";
  ::send(client.socket.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

void ShimServer::Drop(uint64_t id) {
  Client& client = clients_.at(id);
  loop_.Unwatch(client.socket.get());
  if (client.running()) loop_.Unwatch(client.backend->pidfd());
  for (const Share& share : config_.shares) {
    if (share.id == client.share && !share.session_dir.empty())
      ::unlink(absl::StrCat(share.session_dir, "/", client.name, ".stats").c_str());
  }
  clients_.erase(id);  // kills what still runs
}

}  // namespace rendercar::sidecar
