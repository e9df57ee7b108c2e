// A server made of a list of sessions, for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "operator-api/service/api_error.h"
#include "operator-api/service/session_api.h"

namespace rendercar::api_service {

inline v1::Session Named(const std::string& name) {
  v1::Session session;
  session.set_name("sessions/" + name);
  session.set_state(v1::Session::STATE_READY);
  session.set_share("share-" + name);
  return session;
}

class FakeSessions : public SessionApi {
 public:
  absl::StatusOr<std::vector<v1::Session>> List(Deadline) override {
    const std::lock_guard lock(mutex_);
    std::vector<v1::Session> all;
    for (const auto& [name, session] : sessions_) all.push_back(session);
    return all;
  }
  absl::StatusOr<v1::Session> Get(const std::string& name, Deadline deadline) override {
    asked_until = deadline;
    return WithReason(absl::NotFoundError("no session"), "SESSION_NOT_FOUND", {{"session", name}});
  }
  absl::StatusOr<v1::Session> Create(const v1::CreateSessionRequest& request, Deadline) override {
    ++creations;
    Put(Named(request.session_id()));
    return Named(request.session_id());
  }
  absl::Status Delete(const v1::DeleteSessionRequest&, Deadline) override {
    return absl::UnavailableError("not now");
  }
  absl::StatusOr<v1::Session> Update(const v1::UpdateSessionRequest&, Deadline) override {
    return BadField("update_mask", "is empty");
  }
  absl::StatusOr<v1::Session> RestartRenderer(const v1::RestartRendererRequest&,
                                              Deadline) override {
    return Named("a");
  }
  absl::StatusOr<v1::Session> Upgrade(const v1::UpgradeSessionRequest&, Deadline) override {
    ++upgrades;
    return Named("a");
  }
  absl::StatusOr<v1::DeviceDefinition> Define(const v1::GetDeviceDefinitionRequest&,
                                              Deadline) override {
    return v1::DeviceDefinition();
  }
  absl::StatusOr<Screenshot> Capture(const v1::CaptureScreenshotRequest&, Deadline) override {
    return absl::FailedPreconditionError("nothing is shown");
  }

  void Put(const v1::Session& session) {
    const std::lock_guard lock(mutex_);
    sessions_[session.name()] = session;
  }
  void Remove(const std::string& name) {
    const std::lock_guard lock(mutex_);
    sessions_.erase("sessions/" + name);
  }
  int creations = 0;
  int upgrades = 0;
  Deadline asked_until;

 private:
  std::mutex mutex_;
  std::map<std::string, v1::Session> sessions_;
};

}  // namespace rendercar::api_service
