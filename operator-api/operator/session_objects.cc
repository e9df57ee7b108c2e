// A session of the node's API as a GpuSession, its status and Kubernetes Events.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/session_objects.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "operator-api/kube/lease.h"

namespace rendercar::rc_operator {
namespace {

using kube::At;
using kube::Items;
using kube::Text;

constexpr size_t kMaxName = 253;
constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxNote = 1024;
constexpr uint64_t kMi = 1 << 20;
// In the year 2255; what a pod tells may be anything.
constexpr int64_t kLatestSecond = 9'000'000'000;
// What the API server takes as a 64-bit integer.
constexpr uint64_t kMaxNumber = INT64_MAX;

// FNV-1a: the same on every node and in every version.
uint32_t Hash(std::string_view text) {
  uint32_t hash = 2166136261U;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 16777619U;
  return hash;
}

// At most `most` characters, the end being a hash of all where it was cut.
std::string Fit(const std::string& text, size_t most) {
  if (text.size() <= most) return text;
  return fmt::format("{}-{:08x}", text.substr(0, most - 9), Hash(text));
}

std::string IdOf(const v1::Session& session) {
  const std::string& name = session.name();
  return name.substr(name.rfind('/') + 1);
}

const char* StateName(v1::Session::State state) {
  switch (state) {
    case v1::Session::STATE_STARTING:
      return "Starting";
    case v1::Session::STATE_READY:
      return "Ready";
    case v1::Session::STATE_BACKING_OFF:
      return "BackingOff";
    case v1::Session::STATE_STOPPING:
      return "Stopping";
    default:  // proto3 enums are open
      return "Unknown";
  }
}

const char* AccelerationName(v1::Acceleration acceleration) {
  if (acceleration == v1::ACCELERATION_VIRGL) return "virgl";
  return acceleration == v1::ACCELERATION_NONE ? "none" : "unknown";
}

const char* ModeName(v1::DisplayMode mode) {
  if (mode == v1::DISPLAY_MODE_HEADLESS) return "headless";
  if (mode == v1::DISPLAY_MODE_SECONDARY) return "secondary";
  return mode == v1::DISPLAY_MODE_PRIMARY ? "primary" : "unknown";
}

uint64_t Bounded(uint64_t number) { return std::min(number, kMaxNumber); }

std::string Quantity(uint64_t bytes) {
  return bytes % kMi == 0 ? fmt::format("{}Mi", bytes / kMi) : fmt::format("{}", bytes);
}

Json UsageOf(const v1::SessionUsage& usage) {
  return {
      {"commands", Bounded(usage.commands())}, {"failedCommands", Bounded(usage.failed_commands())},
      {"frames", Bounded(usage.frames())},     {"resources", Bounded(usage.resources())},
      {"contexts", Bounded(usage.contexts())}, {"rendererDeaths", Bounded(usage.renderer_deaths())},
      {"errors", Bounded(usage.errors())}};
}

Json VideoMemoryOf(const v1::Session& session) {
  Json memory = Json::object();
  if (session.video_memory_limit_bytes() != 0)
    memory["limit"] = Quantity(session.video_memory_limit_bytes());
  // Up to the next MiB, so that it does not change with every texture.
  if (session.has_usage())
    memory["used"] = fmt::format("{}Mi", session.usage().resource_bytes() / kMi +
                                             (session.usage().resource_bytes() % kMi != 0));
  return memory;
}

Json EventsOf(const v1::Session& session) {
  Json events = Json::array();
  const int first = std::max(0, session.events_size() - 16);
  for (int i = first; i < session.events_size(); ++i) {
    const v1::SessionEvent& event = session.events(i);
    events.push_back({{"time", Seconds(TimeOf(event.time()))},
                      {"reason", event.reason().substr(0, 128)},
                      {"message", event.message().substr(0, kMaxNote)}});
  }
  return events;
}

Json ConditionsOf(const v1::Session& session, const Json& old, Time now) {
  const bool ready = session.state() == v1::Session::STATE_READY;
  const std::string message = session.state_message().substr(0, kMaxNote);
  return Json::array(
      {Condition("Ready", ready, StateName(session.state()),
                 ready ? "The session's backend serves it." : message, old, now),
       session.frontend_connected()
           ? Condition("Connected", true, "FrontendConnected", "A VM is connected.", old, now)
           : Condition("Connected", false, "NoFrontend", "No VM is connected.", old, now)});
}

bool IsWarning(std::string_view reason) {
  constexpr std::array<std::string_view, 7> kUsual{
      "BackendStarted", "BackendReady",      "ControlProcessRestarted",
      "LimitsUpdated",  "RendererRestarted", "Created",
      "ConfigApplied"};
  return std::find(kUsual.begin(), kUsual.end(), reason) == kUsual.end();
}

}  // namespace

std::string Seconds(Time time) {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}",
                     fmt::gmtime(std::chrono::system_clock::to_time_t(time)));
}

Time TimeOf(const google::protobuf::Timestamp& timestamp) {
  const int64_t seconds = std::clamp<int64_t>(timestamp.seconds(), 0, kLatestSecond);
  const int64_t nanos = std::clamp(timestamp.nanos(), 0, 999'999'999);
  return Time(std::chrono::seconds(seconds) + std::chrono::microseconds(nanos / 1000));
}

std::string NodeLabel(const std::string& node) { return Fit(node, kMaxLabel); }

std::string NameOf(const v1::Session& session) {
  return Fit(fmt::format("{}-{}", session.owner().pod(), IdOf(session)), kMaxName);
}

Json GpuSession(const NodeSession& session, const std::string& name, const std::string& node) {
  const v1::Session& told = session.session;
  return {{"apiVersion", kApiVersion},
          {"kind", "GpuSession"},
          {"metadata",
           {{"name", name},
            {"namespace", told.owner().namespace_()},
            {"labels", {{kNodeLabel, NodeLabel(node)}}}}},
          {"spec",
           {{"nodeName", node},
            {"podName", told.owner().pod()},
            {"containerName", told.owner().container()},
            {"session", told.name()},
            {"share", told.share()},
            {"resourceName", session.resource}}}};
}

Json GpuSessionStatus(const v1::Session& session, const Json& old, Time now) {
  Json status{{"observedGeneration", 1},  // a spec never changes
              {"state", StateName(session.state())},
              {"message", session.state() == v1::Session::STATE_READY
                              ? ""
                              : session.state_message().substr(0, kMaxNote)},
              {"renderNode", session.render_node().substr(0, kMaxName)},
              {"acceleration", AccelerationName(session.acceleration())},
              {"display",
               {{"mode", ModeName(session.display().mode())},
                {"heads", session.display().heads()},
                {"width", session.display().width_px()},
                {"height", session.display().height_px()}}},
              {"videoMemory", VideoMemoryOf(session)},
              {"frontendConnected", session.frontend_connected()},
              {"backendRestarts", Bounded(session.backend_restarts())},
              {"recentEvents", EventsOf(session)},
              {"conditions", ConditionsOf(session, old, now)}};
  if (session.has_create_time()) status["startTime"] = Seconds(TimeOf(session.create_time()));
  if (session.has_usage()) status["usage"] = UsageOf(session.usage());
  return status;
}

Json UnknownStatus(const Json& old, const std::string& why, Time now) {
  Json status = old.is_object() ? old : Json::object();
  status["state"] = "Unknown";
  status["message"] = why.substr(0, kMaxNote);
  Json ready = Condition("Ready", false, "NodeAgentSilent", why.substr(0, kMaxNote), Json(), now);
  ready["status"] = "Unknown";
  for (const Json& each : Items(old, {"conditions"}))
    if (Text(each, {"type"}) == "Ready" && Text(each, {"status"}) == "Unknown")
      ready["lastTransitionTime"] = Text(each, {"lastTransitionTime"});
  status["conditions"] = Json::array({ready});
  return status;
}

Json WithoutUsage(Json status) {
  status.erase("usage");
  status.erase("videoMemory");
  return status;
}

Json Condition(const std::string& type, bool holds, const std::string& reason,
               const std::string& message, const Json& old, Time now) {
  std::string since = Seconds(now);
  const std::string value = holds ? "True" : "False";
  for (const Json& each : Items(old, {"conditions"}))
    if (Text(each, {"type"}) == type && Text(each, {"status"}) == value)
      since = Text(each, {"lastTransitionTime"}, since);
  return {{"type", type},
          {"status", value},
          {"reason", reason},
          {"message", message},
          {"lastTransitionTime", since}};
}

Json Event(const Regarding& regarding, const std::string& node, const std::string& told,
           const std::string& note, Time time) {
  const std::string reason = told.empty() ? "Unnamed" : told.substr(0, 128);
  const std::string ns = regarding.ns.empty() ? "default" : regarding.ns;
  const auto micros =
      std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  Json about{{"apiVersion", kApiVersion}, {"kind", regarding.kind}, {"name", regarding.name}};
  if (!regarding.ns.empty()) about["namespace"] = regarding.ns;
  if (!regarding.uid.empty()) about["uid"] = regarding.uid;
  return {{"apiVersion", "events.k8s.io/v1"},
          {"kind", "Event"},
          {"metadata",
           {{"name", fmt::format("{}.{:x}{:08x}", Fit(regarding.name, 220), micros,
                                 Hash(node + reason + note))},
            {"namespace", ns}}},
          {"eventTime", kube::MicroTime(time)},
          {"reportingController", "rendercar.dev/operator"},
          {"reportingInstance", Fit(node, 128)},
          {"action", reason},
          {"reason", reason},
          {"regarding", about},
          {"note", note.substr(0, kMaxNote)},
          {"type", IsWarning(reason) ? "Warning" : "Normal"}};
}

}  // namespace rendercar::rc_operator
