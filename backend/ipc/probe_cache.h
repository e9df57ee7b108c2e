// The file that remembers a probe's answer. Read as hostile: it may be anybody's.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>

#include "backend/ipc/renderer_command.h"

namespace rendercar::ipc {

class ProbeCache {
 public:
  // The entry for one renderer program and render node in `dir`; an empty `dir` remembers nothing.
  ProbeCache(const std::string& dir, const RendererCommand& renderer);

  // The probe's output as it was stored, if the file is ours and nothing that it depends on has
  // changed since.
  std::optional<std::string> Read() const;
  // Stores it atomically. Failing to is no error: the next start probes again.
  void Write(const std::string& probe_output) const;

  const std::string& path() const { return path_; }

 private:
  std::string dir_;
  std::string path_;
};

}  // namespace rendercar::ipc
