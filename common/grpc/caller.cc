// Who made a call, for the log.
// SPDX-License-Identifier: Apache-2.0
#include "common/grpc/caller.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>

#include <vector>

#include "common/grpc/tls_grpc_server.h"
#include "common/unix_socket.h"

namespace rendercar {
namespace {

constexpr char kDescriptor[] = "fd:";  // what gRPC calls a connection that it was handed
constexpr char kUnknown[] = "unknown";

}  // namespace

std::string CallerOf(const grpc::ServerContext& context) {
  const auto peer = context.auth_context();
  const auto names = peer == nullptr ? std::vector<std::string>() : NamesOf(*peer);
  if (!names.empty()) return names.front();
  const std::string connection = context.peer();
  int fd = -1;
  if (connection.rfind(kDescriptor, 0) != 0 ||
      !absl::SimpleAtoi(connection.substr(sizeof(kDescriptor) - 1), &fd))
    return kUnknown;
  const auto credentials = GetPeerCredentials(fd);
  // The number of a connection that has gone may be another's by now.
  if (!credentials.ok() || context.IsCancelled()) return kUnknown;
  return absl::StrCat("uid ", credentials->uid, " (process ", credentials->pid, ")");
}

}  // namespace rendercar
