// Between the control API's messages and the sidecar's own types.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"
#include "rendercar/v1/inventory_service.pb.h"
#include "rendercar/v1/session_service.pb.h"
#include "sidecar/preflight/preflight.h"
#include "sidecar/session/session_manager.h"

namespace rendercar::sidecar {

namespace api = ::rendercar::v1;

// The last part of "sessions/{session}". InvalidArgument when `name` is not of that form.
absl::StatusOr<std::string> SessionId(const std::string& name);
std::string SessionName(const std::string& id);

// InvalidArgument for enum numbers that this version does not know.
absl::StatusOr<SessionSpec> ToSpec(const api::CreateSessionRequest& request);

api::Session ToProto(const SessionView& session);
api::Share ToProto(const ShareUse& use);
api::PreflightCheck ToProto(const PreflightCheck& check);

}  // namespace rendercar::sidecar
