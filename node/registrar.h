// Keeps one resource registered with the kubelet, whatever happens to the kubelet.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "common/event_loop.h"
#include "node/report.h"

namespace rendercar::node {

// Sends one Register call; `done` runs on the loop, once.
class RegistrationClient {
 public:
  virtual ~RegistrationClient() = default;
  virtual void Register(const std::string& resource, const std::string& endpoint,
                        absl::AnyInvocable<void(absl::Status)> done) = 0;
};

// Registers whenever the kubelet appears, and tries again until it says yes. Loop only.
class Registrar {
 public:
  static constexpr std::chrono::milliseconds kFirstRetry{50};
  static constexpr std::chrono::milliseconds kLastRetry{2000};

  Registrar(EventLoop& loop, RegistrationClient& client, Report& report, std::string resource,
            std::string endpoint);

  // The kubelet's socket is there (again), or our own is: register now.
  void Start();
  // The kubelet's socket is gone; `why` as a sentence.
  void Lose(const std::string& why);

  bool registered() const { return state_ == State::kRegistered; }
  bool idle() const { return state_ == State::kIdle; }

 private:
  enum class State { kIdle, kTrying, kRegistered };

  void Try();
  void Answered(const absl::Status& result);

  EventLoop& loop_;
  RegistrationClient& client_;
  Report& report_;
  const std::string resource_;
  const std::string endpoint_;
  State state_ = State::kIdle;
  std::chrono::milliseconds retry_ = kFirstRetry;
  // Answers and timers of an earlier round are void.
  uint64_t round_ = 0;
  // Timers and answers may outlive this object.
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rendercar::node
