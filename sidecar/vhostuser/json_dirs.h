// The directories of vhost-user JSON as libvirt reads them: which file counts, which is masked, and
// which breaks all.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "common/status.h"
#include "sidecar/config/share.h"

namespace rendercar::sidecar {

enum class JsonState {
  kActive,
  kMasked,  // a directory that is read later has a file of the same name
  kHidden,  // empty, or a link to /dev/null: hides the name
  kBroken,  // libvirt cannot read it, and then starts no vhost-user device at all
};

struct JsonFile {
  std::string name;  // in its directory; the sort order
  std::string path;
  JsonState state = JsonState::kActive;
  std::string problem;  // for kBroken, a sentence; for kMasked, the path that masks it
  std::string type;
  std::string binary;
  bool ours = false;  // tagged "rendercar"
};

// In the order in which libvirt reads them, later ones win: /usr/share/qemu/vhost-user,
// /etc/qemu/vhost-user, and for an unprivileged daemon $XDG_CONFIG_HOME/qemu/vhost-user.
std::vector<std::string> JsonDirs(const Environment& environment, bool session);

// Every file of `dirs` (missing directories have none), sorted by name, then in reading order.
std::vector<JsonFile> ListJson(const std::vector<std::string>& dirs);

// What is wrong with a file's content; empty when libvirt takes it.
std::string JsonProblem(const std::string& content);

}  // namespace rendercar::sidecar
