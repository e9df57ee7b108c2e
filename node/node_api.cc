// What the API can do at a node agent.
// SPDX-License-Identifier: Apache-2.0
#include "node/node_api.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <type_traits>
#include <utility>

#include "common/log.h"
#include "common/loop_call.h"
#include "common/version.h"
#include "operator-api/service/api_error.h"

namespace rendercar::node {
namespace {

// A resource as it is offered now.
struct Offered {
  std::string resource;
  ShareTable table;
};

absl::StatusOr<std::vector<Offered>> OffersOf(EventLoop& loop, Agent& agent,
                                              api_service::Deadline deadline) {
  return CallOnLoop<std::vector<Offered>>(loop, deadline,
                                          [&agent](Answer<std::vector<Offered>> answer) {
                                            std::vector<Offered> offered;
                                            for (const auto& [resource, table] : agent.Tables())
                                              offered.push_back({resource, table});
                                            answer(std::move(offered));
                                          });
}

v1::Share ToProto(const Offered& offered, const Share& share) {
  const RenderNode& node = offered.table.NodeOf(share);
  v1::Share proto;
  proto.set_id(share.id);
  proto.set_render_node(node.path.empty() ? node.id : node.path);
  proto.set_video_memory_limit_bytes(share.video_memory_bytes);
  proto.set_resource(offered.resource);
  proto.set_healthy(node.healthy());
  return proto;
}

v1::Owner ToProto(const ShareUser& user) {
  v1::Owner owner;
  owner.set_namespace_(user.ns);
  owner.set_pod(user.pod);
  owner.set_container(user.container);
  return owner;
}

template <typename Request>
std::string& NameIn(Request& request) {
  return *request.mutable_name();
}
std::string& NameIn(v1::UpdateSessionRequest& request) {
  return *request.mutable_session()->mutable_name();
}

// A request as the sidecar at `place` knows the session.
template <typename Request>
struct Addressed {
  SessionPlace place;
  Request request;
};
template <typename Request>
absl::StatusOr<Addressed<Request>> Address(Request request) {
  std::string& name = NameIn(request);
  RC_ASSIGN_OR_RETURN(SessionPlace place, ParseSessionName(name));
  name = place.session;
  return Addressed<Request>{std::move(place), std::move(request)};
}

// virglrenderer's words; a number where it has newer ones.
std::string CapsetName(uint32_t id) {
  static const auto* names = new std::map<uint32_t, std::string>{
      {1, "virgl"}, {2, "virgl2"}, {3, "gfxstream"}, {4, "venus"}, {5, "cross-domain"}, {6, "drm"}};
  const auto found = names->find(id);
  return found == names->end() ? std::to_string(id) : found->second;
}

void AddProbe(const ProbeResult& result, v1::RenderNode& proto) {
  proto.set_gl_renderer(result.gl_renderer);
  for (const uint32_t id : result.capsets) proto.add_capsets(CapsetName(id));
}

std::string NodeName() {
  const char* name = std::getenv("NODE_NAME");
  return name == nullptr ? "" : name;
}

}  // namespace

NodeApi::NodeApi(EventLoop& loop, Agent& agent, std::string session_root,
                 std::string metrics_address)
    : loop_(loop),
      agent_(agent),
      session_root_(std::move(session_root)),
      metrics_address_(std::move(metrics_address)),
      users_(agent.users()),
      probes_(agent.probes()) {}

// Directories of shares that nobody has are of the dead, as far as the kubelet tells.
std::vector<SessionDirs::Current> NodeApi::Directories() const {
  auto directories = SessionDirs({.root = session_root_}).List();
  if (const auto users = users_->Get(); users != nullptr)
    std::erase_if(directories, [&](const auto& each) { return users->count(each.share_id) == 0; });
  return directories;
}

void NodeApi::SetOwner(const std::string& share, v1::Session& session) const {
  const auto users = users_->Get();
  if (users == nullptr) return;
  const auto found = users->find(share);
  if (found != users->end()) *session.mutable_owner() = ToProto(found->second);
}

absl::StatusOr<std::vector<v1::Session>> NodeApi::List(Deadline deadline) {
  const auto patience = std::min(deadline, std::chrono::system_clock::now() + kSidecarPatience);
  std::vector<v1::Session> sessions = ListSidecarSessions(Directories(), patience);
  for (v1::Session& session : sessions) SetOwner(session.share(), session);
  return sessions;
}

absl::StatusOr<std::unique_ptr<NodeApi::Stub>> NodeApi::SidecarOf(const SessionPlace& place) const {
  for (const SessionDirs::Current& current : Directories()) {
    if (current.share_id != place.share) continue;
    const auto channel = ConnectSidecar(current.directory);
    if (channel.ok()) return v1::SessionService::NewStub(*channel);
    return api_service::WithReason(
        absl::UnavailableError(fmt::format("the sidecar of share '{}' does not listen: {}",
                                           place.share, std::string(channel.status().message()))),
        "SIDECAR_UNREACHABLE", {{"share", place.share}});
  }
  return api_service::WithReason(
      absl::NotFoundError(fmt::format(
          "nobody has share '{}' on this node; 'rendercarctl shares' lists them", place.share)),
      "SHARE_NOT_FOUND", {{"share", place.share}});
}

template <typename Request, typename Response>
absl::StatusOr<Response> NodeApi::Forward(const Request& request, Deadline deadline,
                                          grpc::Status (Stub::*method)(grpc::ClientContext*,
                                                                       const Request&, Response*)) {
  RC_ASSIGN_OR_RETURN(const auto there, Address(request));
  RC_ASSIGN_OR_RETURN(const std::unique_ptr<Stub> stub, SidecarOf(there.place));
  grpc::ClientContext context;
  context.set_deadline(deadline);
  Response response;
  RC_RETURN_IF_ERROR(
      api_service::FromGrpcStatus((stub.get()->*method)(&context, there.request, &response)));
  if constexpr (std::is_same_v<Response, v1::Session>)
    RC_RETURN_IF_ERROR(MakeOurs(there.place.share, response));
  return response;
}

absl::Status NodeApi::MakeOurs(const std::string& share, v1::Session& session) const {
  if (!Adopt(share, session))
    return absl::InternalError("the sidecar answered with a session of an impossible name");
  SetOwner(share, session);
  return absl::OkStatus();
}

absl::StatusOr<v1::Session> NodeApi::Get(const std::string& name, Deadline deadline) {
  v1::GetSessionRequest request;
  request.set_name(name);
  return Forward(request, deadline, &Stub::GetSession);
}

absl::StatusOr<v1::Session> NodeApi::Create(const v1::CreateSessionRequest&, Deadline) {
  return api_service::WithReason(
      absl::UnimplementedError("a node agent makes no sessions: whoever was given a share does, "
                               "at the sidecar of its pod"),
      "NOT_AT_A_NODE");
}

absl::Status NodeApi::Delete(const v1::DeleteSessionRequest& request, Deadline deadline) {
  return Forward(request, deadline, &Stub::DeleteSession).status();
}

absl::StatusOr<v1::Session> NodeApi::Update(const v1::UpdateSessionRequest& request,
                                            Deadline deadline) {
  return Forward(request, deadline, &Stub::UpdateSession);
}

absl::StatusOr<v1::Session> NodeApi::RestartRenderer(const v1::RestartRendererRequest& request,
                                                     Deadline deadline) {
  return Forward(request, deadline, &Stub::RestartRenderer);
}

absl::StatusOr<v1::Session> NodeApi::Upgrade(const v1::UpgradeSessionRequest& request,
                                             Deadline deadline) {
  return Forward(request, deadline, &Stub::UpgradeSession);
}

absl::StatusOr<v1::DeviceDefinition> NodeApi::Define(const v1::GetDeviceDefinitionRequest& request,
                                                     Deadline deadline) {
  return Forward(request, deadline, &Stub::GetDeviceDefinition);
}

absl::StatusOr<api_service::Screenshot> NodeApi::Capture(
    const v1::CaptureScreenshotRequest& request, Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const auto there, Address(request));
  RC_ASSIGN_OR_RETURN(const std::unique_ptr<Stub> stub, SidecarOf(there.place));
  grpc::ClientContext context;
  context.set_deadline(deadline);
  const auto reader = stub->CaptureScreenshot(&context, there.request);
  api_service::Screenshot shot;
  v1::CaptureScreenshotResponse piece;
  while (reader->Read(&piece)) {
    shot.width_px = piece.width_px();
    shot.height_px = piece.height_px();
    shot.png += piece.png();
    if (shot.png.size() <= kMaxScreenshotBytes) continue;
    context.TryCancel();
    reader->Finish().ok();
    return absl::ResourceExhaustedError("the screenshot is larger than 64 MiB");
  }
  RC_RETURN_IF_ERROR(api_service::FromGrpcStatus(reader->Finish()));
  return shot;
}

absl::StatusOr<std::vector<v1::Share>> NodeApi::Shares(Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const auto offered, OffersOf(loop_, agent_, deadline));
  RC_ASSIGN_OR_RETURN(const auto sessions, List(deadline));
  std::map<std::string, std::string> session_of;
  for (const v1::Session& session : sessions) session_of[session.share()] = session.name();
  const auto users = users_->Get();
  std::vector<v1::Share> shares;
  for (const Offered& each : offered) {
    for (const Share& share : each.table.shares()) {
      v1::Share proto = ToProto(each, share);
      if (const auto found = session_of.find(share.id); found != session_of.end())
        proto.set_session(found->second);
      if (users != nullptr) {
        if (const auto user = users->find(share.id); user != users->end())
          *proto.mutable_owner() = ToProto(user->second);
      }
      shares.push_back(std::move(proto));
    }
  }
  return shares;
}

std::set<std::string> NodeApi::UsedShares(Deadline deadline) {
  std::set<std::string> used;
  if (const auto users = users_->Get(); users != nullptr) {
    for (const auto& [share, user] : *users) used.insert(share);
  } else if (const auto sessions = List(deadline); sessions.ok()) {
    for (const v1::Session& session : *sessions) used.insert(session.share());
  }
  return used;
}

absl::StatusOr<std::vector<v1::RenderNode>> NodeApi::RenderNodes(Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const auto offered, OffersOf(loop_, agent_, deadline));
  const std::set<std::string> used = UsedShares(deadline);
  const auto probes = probes_->Get();
  std::vector<v1::RenderNode> nodes;
  for (const Offered& each : offered) {
    const size_t first = nodes.size();
    for (size_t i = 0; i < each.table.nodes().size(); ++i) {
      const RenderNode& node = each.table.nodes()[i];
      v1::RenderNode proto;
      proto.set_id(node.id);
      proto.set_device_path(node.path);
      proto.set_driver(node.driver);
      proto.set_resource(each.resource);
      proto.set_healthy(node.healthy());
      proto.set_problem(node.problem);
      proto.set_shares(static_cast<int>(each.table.CountOf(i)));
      if (probes != nullptr) {
        if (const auto found = probes->find(node.id); found != probes->end())
          AddProbe(found->second, proto);
      }
      nodes.push_back(std::move(proto));
    }
    for (const Share& share : each.table.shares()) {
      if (used.count(share.id) == 0) continue;
      v1::RenderNode& node = nodes[first + share.node_index];
      node.set_used_shares(node.used_shares() + 1);
    }
  }
  return nodes;
}

absl::StatusOr<v1::ServerInfo> NodeApi::Info(Deadline deadline) {
  RC_ASSIGN_OR_RETURN(const bool draining,
                      CallOnLoop<bool>(loop_, deadline, [&agent = agent_](Answer<bool> answer) {
                        answer(agent.drained());
                      }));
  v1::ServerInfo info;
  info.set_component("node");
  info.set_version(kVersion);
  info.set_node(NodeName());
  info.set_metrics_address(metrics_address_);
  info.set_draining(draining);
  RC_ASSIGN_OR_RETURN(const auto shares, Shares(deadline));
  info.mutable_shares()->Assign(shares.begin(), shares.end());
  return info;
}

absl::StatusOr<v1::ServerInfo> NodeApi::Drain(const v1::DrainRequest& request, Deadline deadline) {
  const std::string why = request.reason().empty() ? "no reason was given" : request.reason();
  log::Info(request.end() ? "drain ended" : "draining", {{"reason", why}});
  const auto done = CallOnLoop<bool>(
      loop_, deadline,
      [&agent = agent_, why = request.end() ? std::string() : why](Answer<bool> answer) {
        const absl::Status status = agent.SetDrained(why);
        if (status.ok()) {
          answer(true);
        } else {
          answer(status);
        }
      });
  RC_RETURN_IF_ERROR(done.status());
  return Info(deadline);
}

}  // namespace rendercar::node
