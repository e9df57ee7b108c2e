// Keeps one resource registered with the kubelet, whatever happens to the kubelet.
// SPDX-License-Identifier: Apache-2.0
#include "node/registrar.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace rendercar::node {

Registrar::Registrar(EventLoop& loop, RegistrationClient& client, Report& report,
                     std::string resource, std::string endpoint)
    : loop_(loop),
      client_(client),
      report_(report),
      resource_(std::move(resource)),
      endpoint_(std::move(endpoint)) {}

void Registrar::Start() {
  if (registered()) report_.RegistrationLost(resource_, "the kubelet or a socket was replaced");
  state_ = State::kTrying;
  retry_ = kFirstRetry;
  ++round_;
  Try();
}

void Registrar::Lose(const std::string& why) {
  if (registered()) report_.RegistrationLost(resource_, why);
  state_ = State::kIdle;
  ++round_;
}

void Registrar::Try() {
  const std::weak_ptr<bool> alive = alive_;
  client_.Register(resource_, endpoint_, [this, alive, round = round_](const absl::Status& result) {
    if (!alive.expired() && round == round_) Answered(result);
  });
}

void Registrar::Answered(const absl::Status& result) {
  report_.RegistrationTried(resource_, result);
  if (result.ok()) {
    state_ = State::kRegistered;
    report_.Registered(resource_);
    return;
  }
  const std::weak_ptr<bool> alive = alive_;
  loop_.PostAfter(retry_, [this, alive, round = round_] {
    if (!alive.expired() && round == round_) Try();
  });
  retry_ = std::min(retry_ * 2, kLastRetry);
}

}  // namespace rendercar::node
