// Leader election by a Lease.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/kube/lease.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <random>
#include <utility>

#include "common/log.h"

namespace rendercar::kube {
namespace {

std::string HolderOf(const Json& lease) { return Text(lease, {"spec", "holderIdentity"}); }

}  // namespace

std::string MicroTime(std::chrono::system_clock::time_point time) {
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  return fmt::format("{:%Y-%m-%dT%H:%M:%S}.{:06}Z",
                     fmt::gmtime(static_cast<std::time_t>(micros / 1'000'000)), micros % 1'000'000);
}

Elector::Elector(ApiClient& client, Options options, Clock clock)
    : client_(client), options_(std::move(options)), clock_(std::move(clock)) {}

std::string Elector::Path() const {
  return fmt::format("/apis/coordination.k8s.io/v1/namespaces/{}/leases", options_.ns);
}

bool Elector::IsLeader() const { return held_ && clock_() - renewed_ < options_.duration * 2 / 3; }

void Elector::Step() {
  const bool before = IsLeader();
  const absl::Status status = Try();
  static log::RateLimit limit(1, std::chrono::minutes(10));
  if (!status.ok() && !absl::IsAborted(status) && !absl::IsAlreadyExists(status) && limit.Allow())
    log::Warning("cannot take or renew the lease", {{"error", std::string(status.message())}});
  if (IsLeader() != before)
    log::Info(before ? "no longer the leader" : "leader now", {{"identity", options_.identity}});
}

absl::Status Elector::Try() {
  const auto started = clock_();
  auto lease = client_.Get(Path() + "/" + options_.name);
  if (absl::IsNotFound(lease.status())) {
    lease = Json{{"apiVersion", "coordination.k8s.io/v1"},
                 {"kind", "Lease"},
                 {"metadata", {{"name", options_.name}, {"namespace", options_.ns}}}};
  }
  RC_RETURN_IF_ERROR(lease.status());
  if (!IsFree(*lease)) {
    held_ = false;
    return absl::OkStatus();
  }
  const absl::Status taken = Take(*std::move(lease));
  if (taken.ok()) renewed_ = started;
  // Another was quicker; an answer that did not come says nothing, and IsLeader looks at the clock.
  if (absl::IsAborted(taken) || absl::IsAlreadyExists(taken)) held_ = false;
  return taken;
}

bool Elector::IsFree(const Json& lease) {
  const std::string holder = HolderOf(lease);
  if (holder.empty() || holder == options_.identity) return true;
  const std::string state = holder + " " + Text(lease, {"spec", "renewTime"});
  if (state != std::exchange(seen_, state)) seen_at_ = clock_();
  const std::chrono::seconds duration(
      Number(lease, {"spec", "leaseDurationSeconds"}, options_.duration.count()));
  return clock_() - seen_at_ > duration;
}

Json Elector::Spec(const Json& old) const {
  Json spec = Items(old, {"spec"});
  if (!spec.is_object()) spec = Json::object();
  const std::string now = MicroTime(std::chrono::system_clock::now());
  if (HolderOf(old) != options_.identity) {
    spec["acquireTime"] = now;
    spec["leaseTransitions"] = Number(old, {"spec", "leaseTransitions"}) + 1;
  }
  spec["holderIdentity"] = options_.identity;
  spec["leaseDurationSeconds"] = options_.duration.count();
  spec["renewTime"] = now;
  return spec;
}

absl::Status Elector::Take(Json lease) {
  lease["spec"] = Spec(lease);
  const bool exists = !Text(lease, {"metadata", "resourceVersion"}).empty();
  RC_RETURN_IF_ERROR((exists ? client_.Replace(Path() + "/" + options_.name, lease)
                             : client_.Create(Path(), lease))
                         .status());
  held_ = true;
  return absl::OkStatus();
}

std::chrono::milliseconds Elector::Pause() const {
  const auto duration = std::chrono::milliseconds(options_.duration);
  if (IsLeader()) return duration / 5;
  static thread_local std::minstd_rand random(std::random_device{}());
  return std::chrono::milliseconds(
      std::uniform_int_distribution<int64_t>(duration.count() / 4, duration.count() / 2)(random));
}

void Elector::Release(ApiClient& client) {
  if (!std::exchange(held_, false)) return;
  auto lease = client.Get(Path() + "/" + options_.name);
  if (!lease.ok() || HolderOf(*lease) != options_.identity) return;
  (*lease)["spec"]["holderIdentity"] = "";
  (void)client.Replace(Path() + "/" + options_.name, *lease);
}

}  // namespace rendercar::kube
