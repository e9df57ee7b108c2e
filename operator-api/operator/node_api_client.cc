// The sessions of this node, from its agent.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/operator/node_api_client.h"

#include <map>

#include "operator-api/cli/client.h"

namespace rendercar::rc_operator {
namespace {

constexpr std::chrono::seconds kPatience(10);

}  // namespace

absl::StatusOr<std::vector<NodeSession>> ListNodeSessions(const std::string& socket) {
  RC_ASSIGN_OR_RETURN(ctl::Client client, ctl::Client::Connect(socket, kPatience));
  RC_ASSIGN_OR_RETURN(const v1::ListSharesResponse shares, client.ListShares());
  RC_ASSIGN_OR_RETURN(const v1::ListSessionsResponse sessions, client.ListSessions());
  std::map<std::string, std::string> resources;
  for (const v1::Share& share : shares.shares()) resources[share.id()] = share.resource();
  std::vector<NodeSession> all;
  for (const v1::Session& session : sessions.sessions())
    all.push_back({session, resources[session.share()]});
  return all;
}

}  // namespace rendercar::rc_operator
