// Keeps the GpuSessions of one node.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/session_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <utility>

#include "common/log.h"

namespace rendercar::rc_operator {
namespace {

using kube::At;
using kube::Items;
using kube::Text;

constexpr int kMissedBeforeGone = 3;
// A pod tells what it wants of its session; more than that in a resync interval is left out.
constexpr int kMaxEvents = 32;
constexpr char kAll[] = "/apis/rendercar.dev/v1alpha1/gpusessions";

std::string PathOf(const std::pair<std::string, std::string>& key) {
  return fmt::format("/apis/rendercar.dev/v1alpha1/namespaces/{}/gpusessions/{}", key.first,
                     key.second);
}

}  // namespace

absl::Status SessionWriter::Note(const char* what, absl::Status status) {
  report_.Wrote(what, status);
  return status;
}

absl::Status SessionWriter::Load(Time now) {
  if (loaded_ != Time() && now - loaded_ < options_.resync_interval) return absl::OkStatus();
  const std::string selector =
      fmt::format("labelSelector=rendercar.dev%2Fnode%3D{}", NodeLabel(options_.node));
  RC_ASSIGN_OR_RETURN(const kube::List list, client_.ListAll(kAll, selector));
  for (auto& [key, written] : written_) {
    written.object = Json();
    written.events = 0;
  }
  for (const Json& object : list.items) Adopt(object);
  loaded_ = now;
  return absl::OkStatus();
}

void SessionWriter::Adopt(const Json& object) {
  if (Text(object, {"spec", "nodeName"}) != options_.node) return;
  const auto [at, is_new] = written_.try_emplace(
      Key{Text(object, {"metadata", "namespace"}), Text(object, {"metadata", "name"})});
  if (!is_new) return;
  Written& written = at->second;
  written.status = At(object, {"status"});
  // Events of a session that was known before are told already, up to its last one. The tail of
  // a second that was not yet over comes twice, under the same names.
  std::string last;
  for (const Json& event : Items(written.status, {"recentEvents"}))
    last = std::max(last, Text(event, {"time"}));
  std::tm parts{};
  if (!last.empty() && ::strptime(last.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) != nullptr)
    written.last_event = std::chrono::system_clock::from_time_t(::timegm(&parts));
}

void SessionWriter::Sync(const std::vector<NodeSession>& sessions, Time now) {
  absl::Status status = Load(now);
  for (auto& [key, written] : written_) written.wanted = false;
  size_t without_pod = 0;
  for (const NodeSession& session : sessions) {
    const v1::Owner& owner = session.session.owner();
    if (owner.namespace_().empty() || owner.pod().empty()) {
      ++without_pod;
      continue;
    }
    if (!status.ok()) continue;
    status.Update(Write({owner.namespace_(), NameOf(session.session)}, session, now));
  }
  report_.Sessions(sessions.size() - without_pod, without_pod);
  if (status.ok()) DeleteUnwanted();
  static log::RateLimit limit(1, std::chrono::seconds(60));
  if (!status.ok() && limit.Allow())
    log::Warning("cannot write GpuSessions; trying on", {{"error", std::string(status.message())}});
}

absl::Status SessionWriter::Write(const Key& key, const NodeSession& session, Time now) {
  Written& written = written_[key];
  // A second session of that name in one pod: told with the first.
  if (std::exchange(written.wanted, true)) return absl::OkStatus();
  written.missed = 0;
  RC_RETURN_IF_ERROR(WriteObject(key, GpuSession(session, key.second, options_.node), written));
  RC_RETURN_IF_ERROR(
      WriteStatus(key, GpuSessionStatus(session.session, written.status, now), written, now));
  return TellEvents(key, session.session, written);
}

absl::Status SessionWriter::WriteObject(const Key& key, const Json& object, Written& written) {
  if (written.object == object) return absl::OkStatus();
  auto applied = client_.Apply(PathOf(key), object);
  if (absl::IsInvalidArgument(applied.status())) {
    // Its place never changes: what has this name is of an earlier pod.
    RC_RETURN_IF_ERROR(Note("deletion", client_.Delete(PathOf(key))));
    applied = client_.Apply(PathOf(key), object);
  }
  RC_RETURN_IF_ERROR(Note("session", applied.status()));
  if (written.object.is_null()) written.usage_written = Time();
  written.object = object;
  written.uid = Text(*applied, {"metadata", "uid"});
  return absl::OkStatus();
}

bool SessionWriter::IsWorthWriting(const Written& written, const Json& status, Time now) const {
  if (written.usage_written == Time()) return true;
  if (WithoutUsage(written.status) != WithoutUsage(status)) return true;
  return written.status != status && now - written.usage_written >= options_.usage_interval;
}

absl::Status SessionWriter::WriteStatus(const Key& key, Json status, Written& written, Time now) {
  if (!IsWorthWriting(written, status, now)) return absl::OkStatus();
  const Json object{{"apiVersion", kApiVersion},
                    {"kind", "GpuSession"},
                    {"metadata", {{"name", key.second}, {"namespace", key.first}}},
                    {"status", status}};
  const absl::Status applied = client_.Apply(PathOf(key) + "/status", object).status();
  // Somebody deleted it: it is made again at the next call.
  if (absl::IsNotFound(applied)) written.object = Json();
  RC_RETURN_IF_ERROR(Note("status", applied));
  written.status = std::move(status);
  written.usage_written = now;
  return absl::OkStatus();
}

absl::Status SessionWriter::TellEvents(const Key& key, const v1::Session& session,
                                       Written& written) {
  for (const v1::SessionEvent& event : session.events()) {
    const Time time = TimeOf(event.time());
    if (time <= written.last_event || ++written.events > kMaxEvents) continue;
    const absl::Status created =
        client_
            .Create(fmt::format("/apis/events.k8s.io/v1/namespaces/{}/events", key.first),
                    Event({"GpuSession", key.first, key.second, written.uid}, options_.node,
                          event.reason(), event.message(), time))
            .status();
    if (absl::IsAlreadyExists(created)) continue;
    RC_RETURN_IF_ERROR(Note("event", created));
  }
  if (!session.events().empty())
    written.last_event =
        std::max(written.last_event, TimeOf(session.events(session.events_size() - 1).time()));
  return absl::OkStatus();
}

void SessionWriter::DeleteUnwanted() {
  for (auto at = written_.begin(); at != written_.end();) {
    const bool gone = !at->second.wanted && ++at->second.missed >= kMissedBeforeGone &&
                      Note("deletion", client_.Delete(PathOf(at->first))).ok();
    at = gone ? written_.erase(at) : std::next(at);
  }
}

void SessionWriter::Lost(const std::string& why, Time now) {
  if (!Load(now).ok()) return;
  for (auto& [key, written] : written_) {
    const Json status = UnknownStatus(written.status, why, now);
    if (written.status != status) (void)WriteStatus(key, status, written, now);
  }
}

}  // namespace rendercar::rc_operator
