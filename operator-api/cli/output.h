// Answers as a table for people, or as JSON or YAML for programs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <string>

#include "operator-api/cli/table.h"
#include "rendercar/v1/inventory_service.pb.h"
#include "rendercar/v1/session_service.pb.h"

namespace rendercar::ctl {

enum class OutputFormat { kTable, kJson, kYaml };

// Protobuf's JSON mapping with the fields' own names, indented; one newline at the end.
std::string ToJson(const google::protobuf::Message& message);
// The same fields as YAML.
std::string ToYaml(const google::protobuf::Message& message);

// "45s", "5m", "3h", "12d".
std::string Age(int64_t seconds);

// `now_seconds`: unix time, for ages. `columns` as in Table.
std::string SessionTable(const v1::ListSessionsResponse& list, int64_t now_seconds,
                         size_t columns = kNoLimit);
std::string SessionDetails(const v1::Session& session, int64_t now_seconds);
std::string InfoDetails(const v1::ServerInfo& info);
std::string PreflightTable(const v1::ServerInfo& info);
std::string RenderNodeTable(const v1::ListRenderNodesResponse& list);
std::string ShareTable(const v1::ListSharesResponse& list, size_t columns = kNoLimit);
// One line: "12:00:05  ADDED     gpu0  ready  ...".
std::string ChangeLine(const v1::WatchSessionsResponse& change, const std::string& clock);
// What sessions used between two lists, the busiest first; `before` may be empty.
std::string TopTable(const v1::ListSessionsResponse& before, const v1::ListSessionsResponse& now,
                     size_t columns = kNoLimit);

}  // namespace rendercar::ctl
