// Errors that programs can act on: a google.rpc.ErrorInfo beside code and sentence.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/support/status.h>

#include <map>
#include <string>

#include "common/status.h"

namespace rendercar::api_service {

inline constexpr char kErrorDomain[] = "rendercar.dev";

// `status` with a reason (UPPER_SNAKE_CASE, listed in docs/operator-api.md) and what it is about.
absl::Status WithReason(absl::Status status, const std::string& reason,
                        const std::map<std::string, std::string>& metadata = {});

// INVALID_ARGUMENT for one field of the request.
absl::Status BadField(const std::string& field, const std::string& why);

// With google.rpc.Status in the details: ErrorInfo always (its reason is the code's name where
// WithReason gave none), BadRequest for BadField, RetryInfo where the same call may succeed later.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The other way: reason and metadata survive.
absl::Status FromGrpcStatus(const grpc::Status& status);

// The reason of `status`; empty when it has none.
std::string ReasonOf(const absl::Status& status);

}  // namespace rendercar::api_service
