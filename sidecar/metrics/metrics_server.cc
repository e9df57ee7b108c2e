// Serves a collector over HTTP at /metrics.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/metrics_server.h"

#include <absl/strings/numbers.h>
#include <prometheus/exposer.h>

#include <exception>
#include <utility>

namespace rendercar::sidecar {
namespace {

constexpr size_t kThreads = 2;

absl::Status CheckAddress(const std::string& address) {
  const size_t colon = address.rfind(':');
  uint32_t port = 0;
  if (colon != std::string::npos && colon != 0 &&
      absl::SimpleAtoi(address.substr(colon + 1), &port) && port <= 65535)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("metrics address '", address,
                   "' (--metrics-address) is wrong; write HOST:PORT, for example 0.0.0.0:9465, or "
                   "off"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Start(
    const std::string& address,
    std::vector<std::shared_ptr<prometheus::Collectable>> collectables) {
  RC_RETURN_IF_ERROR(CheckAddress(address));
  std::unique_ptr<prometheus::Exposer> exposer;
  try {  // the library throws when it cannot listen, and does not say why
    exposer = std::make_unique<prometheus::Exposer>(address, kThreads);
  } catch (const std::exception&) {
    return absl::FailedPreconditionError(absl::StrCat(
        "cannot serve metrics on '", address,
        "': the port is taken or the address is not this machine's; choose another with "
        "--metrics-address, or off"));
  }
  for (const auto& each : collectables) exposer->RegisterCollectable(each);
  const std::string bound =
      absl::StrCat(address.substr(0, address.rfind(':') + 1), exposer->GetListeningPorts().front());
  return std::unique_ptr<MetricsServer>(
      new MetricsServer(std::move(exposer), std::move(collectables), bound));
}

MetricsServer::MetricsServer(std::unique_ptr<prometheus::Exposer> exposer,
                             std::vector<std::shared_ptr<prometheus::Collectable>> collectables,
                             std::string address)
    : collectables_(std::move(collectables)),
      exposer_(std::move(exposer)),
      address_(std::move(address)) {}

MetricsServer::~MetricsServer() = default;

}  // namespace rendercar::sidecar
