// Objects of the API server.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/kube/api_client.h"

#include <fmt/format.h>

#include <algorithm>
#include <random>
#include <utility>

namespace rendercar::kube {
namespace {

constexpr int kAttempts = 4;
constexpr int kPageSize = 500;
constexpr long kLongestRetryAfter = 60;
constexpr char kManager[] = "rendercar-operator";
constexpr char kJson[] = "application/json";
constexpr char kApply[] = "application/apply-patch+yaml";

absl::StatusCode CodeOf(const Response& response, const Json& body) {
  switch (response.status) {
    case 400:
    case 422:
      return absl::StatusCode::kInvalidArgument;
    case 401:
      return absl::StatusCode::kUnauthenticated;
    case 403:
      return absl::StatusCode::kPermissionDenied;
    case 404:
      return absl::StatusCode::kNotFound;
    case 409:
      return Text(body, {"reason"}) == "AlreadyExists" ? absl::StatusCode::kAlreadyExists
                                                       : absl::StatusCode::kAborted;
    case 410:
      return absl::StatusCode::kOutOfRange;
    case 429:
      return absl::StatusCode::kResourceExhausted;
    default:
      return absl::StatusCode::kUnavailable;
  }
}

bool IsWorthAnotherTry(const absl::StatusOr<Response>& response) {
  if (!response.ok()) return absl::IsUnavailable(response.status());
  return response->status == 429 || response->status >= 500;
}

std::chrono::milliseconds PauseBefore(int attempt, const absl::StatusOr<Response>& response) {
  if (response.ok() && response->retry_after_s >= 0)
    return std::chrono::seconds(std::min(response->retry_after_s, kLongestRetryAfter));
  return Backoff(attempt);
}

}  // namespace

std::chrono::milliseconds Backoff(int attempt) {
  static thread_local std::minstd_rand random(std::random_device{}());
  const int64_t longest = std::min<int64_t>(30'000, int64_t{500} << std::min(attempt - 1, 10));
  return std::chrono::milliseconds(
      std::uniform_int_distribution<int64_t>(longest / 2, longest)(random));
}

absl::Status StatusOf(const Response& response) {
  if (response.status >= 200 && response.status < 300) return absl::OkStatus();
  const Json body = Parse(response.body);
  const std::string words = Text(body, {"message"}, response.body.substr(0, 200));
  return absl::Status(CodeOf(response, body),
                      fmt::format("the API server answered {}: {}", response.status, words));
}

absl::StatusOr<Json> ApiClient::Call(const Request& request) {
  absl::StatusOr<Response> response = absl::UnavailableError("stopped");
  for (int attempt = 1;; ++attempt) {
    response = transport_.Send(request);
    if (attempt == kAttempts || !IsWorthAnotherTry(response)) break;
    if (!wait_(PauseBefore(attempt, response))) break;
  }
  RC_RETURN_IF_ERROR(response.status());
  RC_RETURN_IF_ERROR(StatusOf(*response));
  Json body = Parse(response->body);
  if (body.is_discarded()) return absl::UnavailableError("the API server's answer is no JSON");
  return body;
}

absl::StatusOr<Json> ApiClient::Get(const std::string& path) { return Call({.path = path}); }

absl::StatusOr<List> ApiClient::ListAll(const std::string& path, const std::string& selector) {
  List list;
  std::string more;
  do {
    RC_ASSIGN_OR_RETURN(const Json page,
                        Call({.path = fmt::format("{}?limit={}{}{}", path, kPageSize,
                                                  selector.empty() ? "" : "&" + selector, more)}));
    for (const Json& item : Items(page, {"items"})) list.items.push_back(item);
    list.resource_version = Text(page, {"metadata", "resourceVersion"});
    const std::string next = Text(page, {"metadata", "continue"});
    more = next.empty() ? "" : "&continue=" + next;
  } while (!more.empty());
  return list;
}

absl::StatusOr<Json> ApiClient::Create(const std::string& collection, const Json& object) {
  return Call({.method = "POST", .path = collection, .content_type = kJson, .body = Dump(object)});
}

absl::StatusOr<Json> ApiClient::Apply(const std::string& path, const Json& object) {
  return Call({.method = "PATCH",
               .path = fmt::format("{}?fieldManager={}&force=true", path, kManager),
               .content_type = kApply,
               .body = Dump(object)});
}

absl::StatusOr<Json> ApiClient::Replace(const std::string& path, const Json& object) {
  return Call({.method = "PUT", .path = path, .content_type = kJson, .body = Dump(object)});
}

absl::Status ApiClient::Delete(const std::string& path) {
  const auto done = Call({.method = "DELETE", .path = path});
  return done.ok() || absl::IsNotFound(done.status()) ? absl::OkStatus() : done.status();
}

}  // namespace rendercar::kube
