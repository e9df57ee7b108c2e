// Writes events down as words, for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "node/report.h"

namespace rendercar::node {

class FakeReport final : public Report {
 public:
  void SharesChanged(const std::string&, const ShareTable&) override {}
  void ResourceRemoved(const std::string& resource) override {
    events.push_back("removed " + resource);
  }
  void Probed(const RenderNode& node, const absl::StatusOr<ProbeResult>& result) override {
    events.push_back(
        absl::StrCat("probed ", node.id, " ", absl::StatusCodeToString(result.status().code())));
  }
  void ConfigRead(const absl::Status& result) override {
    events.push_back(absl::StrCat("config ", absl::StatusCodeToString(result.code())));
  }
  void DriverEvent(const std::string& device, DriverEventKind kind, const std::string&) override {
    events.push_back(absl::StrCat("driver ", device, " ", static_cast<int>(kind)));
  }
  void KubeletRestarted() override { events.emplace_back("kubelet restarted"); }
  void Allocated(const std::string&, size_t shares, const absl::Status& result) override {
    events.push_back(
        absl::StrCat("allocated ", shares, " ", absl::StatusCodeToString(result.code())));
  }
  void RegistrationTried(const std::string&, const absl::Status& result) override {
    events.push_back(absl::StrCat("tried ", absl::StatusCodeToString(result.code())));
  }
  void Registered(const std::string&) override { events.emplace_back("registered"); }
  void RegistrationLost(const std::string&, const std::string&) override {
    events.emplace_back("lost");
  }
  void SocketRestored(const std::string&, const std::string&) override {
    events.emplace_back("socket restored");
  }

  std::vector<std::string> events;
};

}  // namespace rendercar::node
