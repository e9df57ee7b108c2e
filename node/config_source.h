// Where the configuration comes from: a file, under flags that override it, read again when it
// changes.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "node/config.h"
#include "node/config_file.h"
#include "node/directory_watch.h"

namespace rendercar::node {

// Loop only.
class ConfigSource {
 public:
  using Overrides = std::function<void(Config& config)>;
  using Handler = std::function<void(const absl::StatusOr<Config>& config)>;

  // Empty `path`: defaults under the overrides.
  ConfigSource(std::string path, Overrides overrides);

  absl::StatusOr<Config> Load();
  // Calls `handler` whenever the file's content changed: by an editor, or by the swap of a link in
  // its directory, which is how ConfigMaps are updated.
  void Watch(EventLoop& loop, Handler handler);
  // Looks again now (SIGHUP); calls the handler even if nothing changed.
  void Reload();

 private:
  void OnChange();

  const std::string path_;
  const Overrides overrides_;
  Handler handler_;
  std::string text_;
  std::unique_ptr<DirectoryWatch> watch_;
};

}  // namespace rendercar::node
