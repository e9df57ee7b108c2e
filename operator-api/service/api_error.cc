// Errors that programs can act on: a google.rpc.ErrorInfo beside code and sentence.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/service/api_error.h"

#include <absl/strings/cord.h>

#include <optional>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace rendercar::api_service {
namespace {

// Payloads of absl::Status, by the type that they hold.
constexpr char kInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
constexpr char kFieldUrl[] = "type.googleapis.com/google.rpc.BadRequest";
constexpr int kRetrySeconds = 1;

bool MayRetry(absl::StatusCode code) {
  return code == absl::StatusCode::kUnavailable || code == absl::StatusCode::kResourceExhausted ||
         code == absl::StatusCode::kDeadlineExceeded || code == absl::StatusCode::kAborted;
}

std::optional<google::rpc::ErrorInfo> InfoOf(const absl::Status& status) {
  const auto payload = status.GetPayload(kInfoUrl);
  google::rpc::ErrorInfo info;
  if (!payload || !info.ParseFromString(std::string(*payload))) return std::nullopt;
  return info;
}

}  // namespace

absl::Status WithReason(absl::Status status, const std::string& reason,
                        const std::map<std::string, std::string>& metadata) {
  if (status.ok()) return status;
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain(kErrorDomain);
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  status.SetPayload(kInfoUrl, absl::Cord(info.SerializeAsString()));
  return status;
}

absl::Status BadField(const std::string& field, const std::string& why) {
  google::rpc::BadRequest bad;
  auto& violation = *bad.add_field_violations();
  violation.set_field(field);
  violation.set_description(why);
  absl::Status status = WithReason(absl::InvalidArgumentError(absl::StrCat(field, " ", why)),
                                   "FIELD_INVALID", {{"field", field}});
  status.SetPayload(kFieldUrl, absl::Cord(bad.SerializeAsString()));
  return status;
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = InfoOf(status);
  return info ? info->reason() : "";
}

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::string message(status.message());
  google::rpc::Status details;
  details.set_code(status.raw_code());
  details.set_message(message);
  auto info = InfoOf(status);
  if (!info) {
    info.emplace();
    info->set_reason(absl::StatusCodeToString(status.code()));
    info->set_domain(kErrorDomain);
  }
  details.add_details()->PackFrom(*info);
  google::rpc::BadRequest bad;
  if (const auto payload = status.GetPayload(kFieldUrl);
      payload && bad.ParseFromString(std::string(*payload)))
    details.add_details()->PackFrom(bad);
  if (MayRetry(status.code())) {
    google::rpc::RetryInfo retry;
    retry.mutable_retry_delay()->set_seconds(kRetrySeconds);
    details.add_details()->PackFrom(retry);
  }
  return {static_cast<grpc::StatusCode>(status.raw_code()), message, details.SerializeAsString()};
}

absl::Status FromGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) return result;
  for (const auto& any : details.details()) {
    if (any.type_url() == kInfoUrl || any.type_url() == kFieldUrl)
      result.SetPayload(any.type_url(), absl::Cord(any.value()));
  }
  return result;
}

}  // namespace rendercar::api_service
