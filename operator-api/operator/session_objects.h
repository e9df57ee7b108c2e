// A session of the node's API as a GpuSession, its status and Kubernetes Events. Pure functions.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <string>

#include "operator-api/kube/json_fields.h"
#include "rendercar/v1/session.pb.h"

namespace rendercar::rc_operator {

using kube::Json;
using Time = std::chrono::system_clock::time_point;

inline constexpr char kApiVersion[] = "rendercar.dev/v1alpha1";
inline constexpr char kNodeLabel[] = "rendercar.dev/node";

// What the node agent tells of one session.
struct NodeSession {
  v1::Session session;
  std::string resource;  // of its share
};

// A label's value for a node's name; long names are cut and told apart by a hash.
std::string NodeLabel(const std::string& node);
// "POD-SESSION", at most 253 characters.
std::string NameOf(const v1::Session& session);

// The object as it is applied, without status.
Json GpuSession(const NodeSession& session, const std::string& name, const std::string& node);
// Its status; conditions that did not change keep the time of `old` (a status, or null).
Json GpuSessionStatus(const v1::Session& session, const Json& old, Time now);
// The same status when the node agent does not answer.
Json UnknownStatus(const Json& old, const std::string& why, Time now);
// The part of a status that changes all the time; what is left is worth a write at once.
Json WithoutUsage(Json status);

// A condition of type `type`; keeps the time of transition of the one in `old` (a status).
Json Condition(const std::string& type, bool holds, const std::string& reason,
               const std::string& message, const Json& old, Time now);

// What an Event is about.
struct Regarding {
  std::string kind;
  std::string ns;  // empty: of the cluster
  std::string name;
  std::string uid;
};
// An events.k8s.io/v1 Event; the same one has the same name, so that it is never told twice.
Json Event(const Regarding& regarding, const std::string& node, const std::string& reason,
           const std::string& note, Time time);
// Seconds, as Kubernetes writes times.
std::string Seconds(Time time);
Time TimeOf(const google::protobuf::Timestamp& timestamp);

}  // namespace rendercar::rc_operator
