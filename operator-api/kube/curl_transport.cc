// HTTP to the API server by libcurl.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/kube/curl_transport.h"

#include <fmt/format.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <utility>

namespace rendercar::kube {
namespace {

constexpr size_t kMaxAnswer = 64 << 20;
constexpr size_t kMaxToken = 64 << 10;
constexpr char kAccountDir[] = "/var/run/secrets/kubernetes.io/serviceaccount/";

// What a transfer's callbacks work on.
struct Transfer {
  CURL* easy = nullptr;
  const LineHandler* lines = nullptr;
  const Stopper* stopper = nullptr;
  Response response;
  std::string partial;
  bool ended_by_handler = false;

  bool TakeLines() {
    size_t start = 0;
    for (size_t end; (end = partial.find('\n', start)) != std::string::npos; start = end + 1) {
      if (end == start) continue;
      if ((*lines)(partial.substr(start, end - start))) continue;
      ended_by_handler = true;
      return false;
    }
    partial.erase(0, start);
    return partial.size() <= kMaxAnswer;
  }
};

size_t OnBytes(char* bytes, size_t, size_t count, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  long status = 0;
  curl_easy_getinfo(transfer.easy, CURLINFO_RESPONSE_CODE, &status);
  if (transfer.lines != nullptr && status == 200) {
    transfer.partial.append(bytes, count);
    return transfer.TakeLines() ? count : 0;
  }
  if (transfer.response.body.size() + count > kMaxAnswer) return 0;
  transfer.response.body.append(bytes, count);
  return count;
}

int OnProgress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return static_cast<Transfer*>(user)->stopper->stopped() ? 1 : 0;
}

struct FreeHeaders {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, FreeHeaders>;

void Add(Headers& headers, const std::string& header) {
  headers.reset(curl_slist_append(headers.release(), header.c_str()));
}

absl::StatusOr<std::string> ReadToken(const std::string& path) {
  std::ifstream file(path);
  std::string token(std::istreambuf_iterator<char>(file), {});
  while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back()))) token.pop_back();
  if (!token.empty() && token.size() < kMaxToken && token.find('\n') == std::string::npos)
    return token;
  return absl::UnavailableError(fmt::format(
      "cannot read a token from '{}'; is the service account's token mounted there?", path));
}

absl::StatusOr<Headers> MakeHeaders(const Request& request, const std::string& token_file) {
  Headers headers;
  Add(headers, "Accept: application/json");
  // No round trip of its own before a body.
  Add(headers, "Expect:");
  if (!request.content_type.empty()) Add(headers, "Content-Type: " + request.content_type);
  if (token_file.empty()) return headers;
  RC_ASSIGN_OR_RETURN(const std::string token, ReadToken(token_file));
  Add(headers, "Authorization: Bearer " + token);
  return headers;
}

void SetUp(CURL* easy, const Server& server, const Request& request, const std::string& url,
           Transfer& transfer) {
  curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, 10L);
  curl_easy_setopt(easy, CURLOPT_TIMEOUT, static_cast<long>(request.timeout.count()));
  // A peer that is gone without a word ends a watch within a minute.
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 30L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 10L);
  if (!server.ca_file.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, server.ca_file.c_str());
  // Otherwise a rotated CA would be known a day later.
  curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L);
  if (!request.body.empty()) {
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.c_str());
  }
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, OnBytes);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, &transfer);
  curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, OnProgress);
  curl_easy_setopt(easy, CURLOPT_XFERINFODATA, &transfer);
}

absl::StatusOr<Response> Perform(CURL* easy, const Server& server, const Stopper& stopper,
                                 const Request& request, const LineHandler* lines) {
  RC_ASSIGN_OR_RETURN(const Headers headers, MakeHeaders(request, server.token_file));
  Transfer transfer{.easy = easy, .lines = lines, .stopper = &stopper};
  const std::string url = server.url + request.path;
  curl_easy_reset(easy);
  SetUp(easy, server, request, url, transfer);
  curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
  const CURLcode code = curl_easy_perform(easy);
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &transfer.response.status);
  curl_off_t retry_after = 0;
  if (curl_easy_getinfo(easy, CURLINFO_RETRY_AFTER, &retry_after) == CURLE_OK && retry_after > 0)
    transfer.response.retry_after_s = static_cast<long>(retry_after);
  if (code != CURLE_OK && !transfer.ended_by_handler) {
    return absl::UnavailableError(
        fmt::format("{} {}: {}", request.method, url, curl_easy_strerror(code)));
  }
  return std::move(transfer.response);
}

}  // namespace

absl::StatusOr<Server> ServerOfPod() {
  const char* host = std::getenv("KUBERNETES_SERVICE_HOST");
  const char* port = std::getenv("KUBERNETES_SERVICE_PORT_HTTPS");
  if (host == nullptr || port == nullptr) {
    return absl::UnavailableError(
        "no API server: not in a pod (KUBERNETES_SERVICE_HOST is not set); name one with "
        "--api-server, --token-file and --ca-file");
  }
  const std::string name(host);
  const bool is_ipv6 = name.find(':') != std::string::npos;
  const std::string bracketed = is_ipv6 ? "[" + name + "]" : name;
  return Server{.url = fmt::format("https://{}:{}", bracketed, port),
                .ca_file = std::string(kAccountDir) + "ca.crt",
                .token_file = std::string(kAccountDir) + "token"};
}

CurlTransport::CurlTransport(Server server, const Stopper& stopper)
    : server_(std::move(server)), stopper_(stopper), easy_(curl_easy_init()) {
  RC_CHECK(easy_ != nullptr, "libcurl gives no handle");
}

absl::StatusOr<Response> CurlTransport::Send(const Request& request) {
  return Perform(easy_.get(), server_, stopper_, request, nullptr);
}

absl::StatusOr<Response> CurlTransport::Stream(const Request& request, const LineHandler& handler) {
  return Perform(easy_.get(), server_, stopper_, request, &handler);
}

}  // namespace rendercar::kube
