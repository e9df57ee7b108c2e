// Serves /metrics and /healthz over HTTP.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <memory>
#include <string>
#include <vector>

#include "common/event_loop.h"
#include "common/status.h"

namespace rendercar::node {

// Any thread. Goes before the loop does.
class MetricsServer {
 public:
  // `address` is HOST:PORT or PORT; port 0 chooses a free one. /healthz is answered when the loop
  // turns, and hangs (so that a probe times out) while it does not.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Start(
      EventLoop& loop, const std::string& address,
      const std::vector<std::shared_ptr<prometheus::Collectable>>& metrics);

  int port() const { return exposer_->GetListeningPorts().front(); }

 private:
  explicit MetricsServer(std::unique_ptr<prometheus::Exposer> exposer)
      : exposer_(std::move(exposer)) {}

  // The exposer keeps no more than weak references.
  std::vector<std::shared_ptr<prometheus::Collectable>> collectables_;
  std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace rendercar::node
