// Which pod has which share: what the kubelet's PodResources API tells.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "common/event_loop.h"
#include "common/status.h"
#include "node/latest.h"

namespace rendercar::node {

struct ShareUser {
  std::string ns;  // namespace
  std::string pod;
  std::string container;

  bool operator==(const ShareUser&) const = default;
};

// KubeVirt's pods are called "virt-launcher-VM-SUFFIX"; empty for others.
inline std::string VmOf(const std::string& pod) {
  constexpr std::string_view kPrefix = "virt-launcher-";
  const size_t suffix = pod.rfind('-');
  if (pod.rfind(kPrefix, 0) != 0 || suffix < kPrefix.size()) return "";
  return pod.substr(kPrefix.size(), suffix - kPrefix.size());
}

// By share id.
using ShareUsers = std::map<std::string, ShareUser>;

// Asks the kubelet; one question at a time. Loop only.
class PodResourcesClient {
 public:
  static constexpr std::chrono::seconds kDeadline{5};

  // `socket` is the kubelet's, usually /var/lib/kubelet/pod-resources/kubelet.sock.
  PodResourcesClient(EventLoop& loop, std::string socket);

  // Shares of `resources` that pods have now; `done` runs on the loop. Nothing is asked while an
  // earlier question is open.
  void List(const std::set<std::string>& resources,
            std::function<void(const absl::StatusOr<ShareUsers>&)> done);

 private:
  EventLoop& loop_;
  const std::string socket_;
  const std::shared_ptr<bool> busy_ = std::make_shared<bool>(false);
};

// The last answer; none: the kubelet has never told.
using ShareUserBook = Latest<ShareUsers>;

}  // namespace rendercar::node
