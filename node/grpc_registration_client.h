// Calls the kubelet's Registration service on its unix socket.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "node/registrar.h"

namespace rendercar::node {

class GrpcRegistrationClient final : public RegistrationClient {
 public:
  // The kubelet must answer within this; it dials back before it does.
  static constexpr std::chrono::seconds kDeadline{10};

  GrpcRegistrationClient(EventLoop& loop, std::string kubelet_socket);

  void Register(const std::string& resource, const std::string& endpoint,
                absl::AnyInvocable<void(absl::Status)> done) override;

 private:
  EventLoop& loop_;
  const std::string kubelet_socket_;
};

}  // namespace rendercar::node
