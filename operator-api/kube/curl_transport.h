// HTTP to the API server by libcurl.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <curl/curl.h>

#include <memory>
#include <string>

#include "operator-api/kube/stopper.h"
#include "operator-api/kube/transport.h"

namespace rendercar::kube {

struct Server {
  std::string url;         // https://HOST:PORT
  std::string ca_file;     // who signs its certificate; empty: whom the system trusts
  std::string token_file;  // sent as a bearer token; empty: none
};

// What Kubernetes tells a pod: address from the environment, files of its service account.
// Unavailable outside of a pod.
absl::StatusOr<Server> ServerOfPod();

// Used by one thread, whose connection it keeps. Token and CA are read anew for each request, and
// each connection, since both are rotated. Larger answers than 64 MiB are refused.
class CurlTransport final : public Transport {
 public:
  // `stopper` outlives it and ends requests within about a second.
  CurlTransport(Server server, const Stopper& stopper);

  absl::StatusOr<Response> Send(const Request& request) override;
  absl::StatusOr<Response> Stream(const Request& request, const LineHandler& handler) override;

 private:
  struct Free {
    void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
  };

  const Server server_;
  const Stopper& stopper_;
  std::unique_ptr<CURL, Free> easy_;
};

}  // namespace rendercar::kube
