// The operator of one node: threads that watch RenderPools and the node, write the agent's
// configuration and GpuSessions; and, on the leader's, the status of RenderPools.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "operator-api/kube/curl_transport.h"
#include "operator-api/kube/informer.h"
#include "operator-api/kube/lease.h"
#include "operator-api/kube/stopper.h"
#include "operator-api/operator/report.h"
#include "operator-api/operator/session_writer.h"

namespace rendercar::rc_operator {

struct Options {
  kube::Server server;
  std::string node;
  std::string node_api_socket;
  std::string base_config;  // with `config`: both or none
  std::string config;
  kube::Elector::Options lease;
  std::chrono::seconds session_interval{5};
  std::chrono::seconds usage_interval{60};
  std::chrono::seconds pool_status_interval{30};
};

// Writes the agent's configuration from what the API server says now; without an answer what was
// written before stays, and where nothing was it is the base. An error only when nothing is there
// in the end.
absl::Status WriteConfigOnce(const Options& options);

class Operator {
 public:
  // `report` outlives it.
  Operator(Options options, Report& report);
  ~Operator() { Stop(); }

  void Start();
  // Ends within about a second, after giving back the lease. Waits for it.
  void Stop();

 private:
  // A connection of a thread of its own.
  struct Connection {
    Connection(const kube::Server& server, kube::Stopper& stopper)
        : transport(server, stopper), client(transport, [&stopper](std::chrono::milliseconds time) {
            return stopper.WaitFor(time);
          }) {}
    kube::CurlTransport transport;
    kube::ApiClient client;
  };

  void KeepConfig();
  void KeepSessions();
  void Lead();
  void ApplyPools(kube::ApiClient& client);

  const Options options_;
  Report& report_;
  kube::Stopper stopper_;
  Connection pools_connection_;
  Connection node_connection_;
  kube::Informer pools_;
  kube::Informer nodes_;  // this one alone
  std::string refused_;   // the last configuration that could not be
  std::vector<std::thread> threads_;
};

}  // namespace rendercar::rc_operator
