// Whether somebody listens on a unix socket, found without connecting (a connection would be taken
// for a VMM).
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/session/socket_probe.h"

#include <fstream>
#include <sstream>

namespace rendercar::sidecar {
namespace {

constexpr char kAcceptsConnections[] = "00010000";  // __SO_ACCEPTCON

}  // namespace

bool IsListening(const std::string& path, const std::string& table) {
  std::ifstream file(table);
  std::string line;
  while (std::getline(file, line)) {
    // Num: RefCount Protocol Flags Type St Inode Path
    std::istringstream fields(line);
    std::string num, count, protocol, flags, type, state, inode, bound;
    fields >> num >> count >> protocol >> flags >> type >> state >> inode;
    if (flags != kAcceptsConnections) continue;
    fields.get();
    std::getline(fields, bound);
    if (bound == path) return true;
  }
  return false;
}

}  // namespace rendercar::sidecar
