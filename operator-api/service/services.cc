// The API's gRPC services over what a server can do.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/service/services.h"

#include <google/protobuf/util/field_mask_util.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <utility>

#include "common/grpc/caller.h"
#include "common/log.h"
#include "operator-api/service/api_error.h"
#include "operator-api/service/session_filter.h"

namespace rendercar::api_service {
namespace {

using google::protobuf::util::FieldMaskUtil;

// Above every wait of a sidecar's supervisor (start timeout, stop grace).
constexpr std::chrono::seconds kLongestCall(25);
constexpr std::chrono::seconds kLongestPoll(5);
constexpr int kMaxSessionsAPage = 1000;
constexpr int kMaxSharesAPage = 1000;
constexpr size_t kMaxReasonBytes = 256;
constexpr size_t kScreenshotPieceBytes = 128 << 10;
constexpr size_t kMaxMetricsBytes = 2 << 20;
constexpr size_t kMaxLogBytes = 1 << 20;

// The client's deadline, or ours when that comes first.
Deadline DeadlineOf(const grpc::ServerContext& context) {
  return std::min(context.deadline(), std::chrono::system_clock::now() + kLongestCall);
}

absl::Status Check(const grpc::ServerContext& context, const RolePolicy& roles, Role needed) {
  const Role role = roles.RoleOf(context.auth_context().get());
  if (role == Role::kChange || (role == Role::kRead && needed == Role::kRead))
    return absl::OkStatus();
  return WithReason(absl::PermissionDeniedError(role == Role::kRead
                                                    ? "this certificate's role is for reading only"
                                                    : "this certificate has no role here"),
                    "ROLE_NOT_ALLOWED");
}

// What a scrape gives, cut after the last line that fits.
std::string MetricsText(const std::vector<std::shared_ptr<prometheus::Collectable>>& collectables) {
  std::string text;
  for (const auto& each : collectables)
    text += prometheus::TextSerializer().Serialize(each->Collect());
  if (text.size() > kMaxMetricsBytes) text.resize(text.rfind('\n', kMaxMetricsBytes - 1) + 1);
  return text;
}

// The newest of `lines` that fit, oldest first.
void AddNewest(const std::vector<std::string>& lines, v1::Diagnostics& response) {
  size_t bytes = 0;
  auto first = lines.end();
  while (first != lines.begin() && (bytes += std::prev(first)->size()) <= kMaxLogBytes) --first;
  response.mutable_log_lines()->Assign(first, lines.end());
}

template <typename T>
absl::Status Put(absl::StatusOr<T> result, T& response) {
  if (!result.ok()) return result.status();
  response = *std::move(result);
  return absl::OkStatus();
}

template <typename T>
grpc::Status Give(absl::StatusOr<T> result, T& response) {
  return ToGrpcStatus(Put(std::move(result), response));
}

log::RateLimit failed_limit;  // who is refused can come again at once

// The audit trail: who asked for what, and what came of it.
void LogChange(const char* call, const std::string& about, const std::string& by,
               const absl::Status& status) {
  if (!status.ok() && !failed_limit.Allow()) return;
  log::Info("API call", {{"call", std::string(call)},
                         {"about", about},
                         {"by", by},
                         {"result", absl::StatusCodeToString(status.code())}});
}

absl::Status CheckMask(const google::protobuf::FieldMask& mask) {
  for (const std::string& path : mask.paths()) {
    if (path != "*" && !FieldMaskUtil::IsValidPath<v1::Session>(path))
      return BadField("read_mask", absl::StrCat("names '", path, "', which no session has"));
  }
  return absl::OkStatus();
}

// Leaves what `mask` names; everything where it names nothing, or "*".
void Trim(const google::protobuf::FieldMask& mask, v1::Session& session) {
  const bool all = std::find(mask.paths().begin(), mask.paths().end(), "*") != mask.paths().end();
  if (!all) FieldMaskUtil::TrimMessage(mask, &session);
}

absl::StatusOr<int> PageSize(int asked, int most) {
  if (asked < 0) return BadField("page_size", "is negative; use 0 for the default");
  return asked == 0 ? most : std::min(asked, most);
}

const std::string& KeyOf(const v1::Session& session) { return session.name(); }
const std::string& KeyOf(const v1::Share& share) { return share.id(); }

// Moves what comes after `token` in `all` (sorted) to `page`; gives the next page's token.
template <typename T, typename Page>
std::string FillPage(std::vector<T>& all, const std::string& token, int size, Page& page) {
  for (T& each : all) {
    if (!token.empty() && KeyOf(each) <= token) continue;
    if (page.size() == size) return KeyOf(page.Get(size - 1));
    *page.Add() = std::move(each);
  }
  return "";
}

template <typename T>
void SortByKey(std::vector<T>& all) {
  std::sort(all.begin(), all.end(), [](const T& a, const T& b) { return KeyOf(a) < KeyOf(b); });
}

absl::Status ListInto(SessionApi& api, const v1::ListSessionsRequest& request, Deadline deadline,
                      v1::ListSessionsResponse& response) {
  RC_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size(), kMaxSessionsAPage));
  RC_ASSIGN_OR_RETURN(const SessionFilter filter, SessionFilter::Parse(request.filter()));
  RC_RETURN_IF_ERROR(CheckMask(request.read_mask()));
  RC_ASSIGN_OR_RETURN(std::vector<v1::Session> sessions, api.List(deadline));
  std::erase_if(sessions, [&](const v1::Session& each) { return !filter.Matches(each); });
  SortByKey(sessions);
  response.set_next_page_token(
      FillPage(sessions, request.page_token(), size, *response.mutable_sessions()));
  for (v1::Session& each : *response.mutable_sessions()) Trim(request.read_mask(), each);
  return absl::OkStatus();
}

absl::Status ListInto(InventoryApi& api, const v1::ListSharesRequest& request, Deadline deadline,
                      v1::ListSharesResponse& response) {
  RC_ASSIGN_OR_RETURN(const int size, PageSize(request.page_size(), kMaxSharesAPage));
  RC_ASSIGN_OR_RETURN(std::vector<v1::Share> shares, api.Shares(deadline));
  SortByKey(shares);
  response.set_next_page_token(
      FillPage(shares, request.page_token(), size, *response.mutable_shares()));
  return absl::OkStatus();
}

}  // namespace

SessionService::SessionService(SessionApi& api, RolePolicy roles)
    : api_(api),
      roles_(std::move(roles)),
      watch_([this] { return api_.List(std::chrono::system_clock::now() + kLongestPoll); }) {}

template <typename Request, typename Response, typename Work>
grpc::Status SessionService::Change(const grpc::ServerContext& context, const char* call,
                                    const std::string& session, const Request& request,
                                    Response& response, Work work) {
  const std::string by = CallerOf(context);
  absl::Status status = Check(context, roles_, Role::kChange);
  if (status.ok()) {
    status = cache_.Once(request.request_id(), call, request, response,
                         [&] { return work(DeadlineOf(context)); });
  }
  LogChange(call, session, by, status);
  return ToGrpcStatus(status);
}

grpc::Status SessionService::CreateSession(grpc::ServerContext* context,
                                           const v1::CreateSessionRequest* request,
                                           v1::Session* response) {
  return Change(*context, "CreateSession", request->session_id(), *request, *response,
                [&](Deadline deadline) { return Put(api_.Create(*request, deadline), *response); });
}

grpc::Status SessionService::GetSession(grpc::ServerContext* context,
                                        const v1::GetSessionRequest* request,
                                        v1::Session* response) {
  absl::Status status = Check(*context, roles_, Role::kRead);
  if (status.ok()) status = CheckMask(request->read_mask());
  if (status.ok()) status = Put(api_.Get(request->name(), DeadlineOf(*context)), *response);
  if (status.ok()) Trim(request->read_mask(), *response);
  return ToGrpcStatus(status);
}

grpc::Status SessionService::ListSessions(grpc::ServerContext* context,
                                          const v1::ListSessionsRequest* request,
                                          v1::ListSessionsResponse* response) {
  if (const auto status = Check(*context, roles_, Role::kRead); !status.ok())
    return ToGrpcStatus(status);
  return ToGrpcStatus(ListInto(api_, *request, DeadlineOf(*context), *response));
}

grpc::Status SessionService::DeleteSession(grpc::ServerContext* context,
                                           const v1::DeleteSessionRequest* request,
                                           google::protobuf::Empty* response) {
  return Change(*context, "DeleteSession", request->name(), *request, *response,
                [&](Deadline deadline) { return api_.Delete(*request, deadline); });
}

grpc::Status SessionService::GetDeviceDefinition(grpc::ServerContext* context,
                                                 const v1::GetDeviceDefinitionRequest* request,
                                                 v1::DeviceDefinition* response) {
  if (const auto status = Check(*context, roles_, Role::kRead); !status.ok())
    return ToGrpcStatus(status);
  return Give(api_.Define(*request, DeadlineOf(*context)), *response);
}

grpc::Status SessionService::WatchSessions(grpc::ServerContext* context,
                                           const v1::WatchSessionsRequest* request,
                                           grpc::ServerWriter<v1::WatchSessionsResponse>* writer) {
  if (const auto status = Check(*context, roles_, Role::kRead); !status.ok())
    return ToGrpcStatus(status);
  return ToGrpcStatus(watch_.Run(
      *request, [&](const v1::WatchSessionsResponse& change) { return writer->Write(change); },
      [&] { return context->IsCancelled(); }));
}

grpc::Status SessionService::UpdateSession(grpc::ServerContext* context,
                                           const v1::UpdateSessionRequest* request,
                                           v1::Session* response) {
  return Change(*context, "UpdateSession", request->session().name(), *request, *response,
                [&](Deadline deadline) { return Put(api_.Update(*request, deadline), *response); });
}

grpc::Status SessionService::RestartRenderer(grpc::ServerContext* context,
                                             const v1::RestartRendererRequest* request,
                                             v1::Session* response) {
  return Change(
      *context, "RestartRenderer", request->name(), *request, *response,
      [&](Deadline deadline) { return Put(api_.RestartRenderer(*request, deadline), *response); });
}

grpc::Status SessionService::UpgradeSession(grpc::ServerContext* context,
                                            const v1::UpgradeSessionRequest* request,
                                            v1::Session* response) {
  return Change(
      *context, "UpgradeSession", request->name(), *request, *response,
      [&](Deadline deadline) { return Put(api_.Upgrade(*request, deadline), *response); });
}

grpc::Status SessionService::CaptureScreenshot(
    grpc::ServerContext* context, const v1::CaptureScreenshotRequest* request,
    grpc::ServerWriter<v1::CaptureScreenshotResponse>* writer) {
  const std::string by = CallerOf(*context);
  if (const auto status = Check(*context, roles_, Role::kChange); !status.ok())
    return ToGrpcStatus(status);
  const auto shot = api_.Capture(*request, DeadlineOf(*context));
  LogChange("CaptureScreenshot", request->name(), by, shot.status());
  if (!shot.ok()) return ToGrpcStatus(shot.status());
  for (size_t at = 0; at < shot->png.size(); at += kScreenshotPieceBytes) {
    v1::CaptureScreenshotResponse piece;
    piece.set_width_px(shot->width_px);
    piece.set_height_px(shot->height_px);
    piece.set_png(shot->png.substr(at, kScreenshotPieceBytes));
    if (!writer->Write(piece)) break;  // the client has gone
  }
  return grpc::Status::OK;
}

grpc::Status InventoryService::GetServerInfo(grpc::ServerContext* context,
                                             const v1::GetServerInfoRequest* /*request*/,
                                             v1::ServerInfo* response) {
  if (const auto status = Check(*context, roles_, Role::kRead); !status.ok())
    return ToGrpcStatus(status);
  return Give(api_.Info(DeadlineOf(*context)), *response);
}

grpc::Status InventoryService::ListRenderNodes(grpc::ServerContext* context,
                                               const v1::ListRenderNodesRequest* /*request*/,
                                               v1::ListRenderNodesResponse* response) {
  if (const auto status = Check(*context, roles_, Role::kRead); !status.ok())
    return ToGrpcStatus(status);
  auto nodes = api_.RenderNodes(DeadlineOf(*context));
  if (nodes.ok()) response->mutable_render_nodes()->Assign(nodes->begin(), nodes->end());
  return ToGrpcStatus(nodes.status());
}

grpc::Status InventoryService::ListShares(grpc::ServerContext* context,
                                          const v1::ListSharesRequest* request,
                                          v1::ListSharesResponse* response) {
  if (const auto status = Check(*context, roles_, Role::kRead); !status.ok())
    return ToGrpcStatus(status);
  return ToGrpcStatus(ListInto(api_, *request, DeadlineOf(*context), *response));
}

grpc::Status InventoryService::Drain(grpc::ServerContext* context, const v1::DrainRequest* request,
                                     v1::ServerInfo* response) {
  const std::string by = CallerOf(*context);
  if (const auto status = Check(*context, roles_, Role::kChange); !status.ok())
    return ToGrpcStatus(status);
  if (request->reason().size() > kMaxReasonBytes) {
    return ToGrpcStatus(
        BadField("reason", absl::StrCat("is longer than ", kMaxReasonBytes, " bytes")));
  }
  const absl::Status status = Put(api_.Drain(*request, DeadlineOf(*context)), *response);
  LogChange("Drain", request->end() ? "end" : request->reason(), by, status);
  return ToGrpcStatus(status);
}

grpc::Status InventoryService::GetDiagnostics(grpc::ServerContext* context,
                                              const v1::GetDiagnosticsRequest* /*request*/,
                                              v1::Diagnostics* response) {
  if (const auto status = Check(*context, roles_, Role::kChange); !status.ok())
    return ToGrpcStatus(status);
  if (diagnostics_.configuration) response->set_configuration(diagnostics_.configuration());
  response->set_metrics(MetricsText(diagnostics_.metrics));
  AddNewest(log::Recent(), *response);
  return grpc::Status::OK;
}

}  // namespace rendercar::api_service
