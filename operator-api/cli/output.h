// Answers as a table for people, or as JSON or YAML for programs.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "rendercar/v1/inventory_service.pb.h"
#include "rendercar/v1/session_service.pb.h"

namespace rendercar::ctl {

enum class OutputFormat { kTable, kJson, kYaml };

// Columns as wide as their widest cell, two spaces between, no spaces at line ends.
std::string Table(const std::vector<std::vector<std::string>>& rows);

// Protobuf's JSON mapping with the fields' own names, indented; one newline at the end.
std::string ToJson(const google::protobuf::Message& message);
// The same fields as YAML.
std::string ToYaml(const google::protobuf::Message& message);

// "45s", "5m", "3h", "12d".
std::string Age(int64_t seconds);

// `now_seconds`: unix time, for ages.
std::string SessionTable(const v1::ListSessionsResponse& list, int64_t now_seconds);
std::string SessionDetails(const v1::Session& session, int64_t now_seconds);
std::string InfoDetails(const v1::ServerInfo& info);
std::string PreflightTable(const v1::ServerInfo& info);
std::string RenderNodeTable(const v1::ListRenderNodesResponse& list);
std::string ShareTable(const v1::ListSharesResponse& list);
// One line: "12:00:05  ADDED     gpu0  ready  ...".
std::string ChangeLine(const v1::WatchSessionsResponse& change, const std::string& clock);
// What sessions used between two lists, the busiest first; `before` may be empty.
std::string TopTable(const v1::ListSessionsResponse& before, const v1::ListSessionsResponse& now);

}  // namespace rendercar::ctl
