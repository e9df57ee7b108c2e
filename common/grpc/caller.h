// Who made a call, for the log.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <grpcpp/server_context.h>

#include <string>

namespace rendercar {

// "uid 1000 (process 4711)" on a unix socket, the certificate's name over TLS. To be asked while
// the call begins: of a client that has gone it says "unknown".
std::string CallerOf(const grpc::ServerContext& context);

}  // namespace rendercar
