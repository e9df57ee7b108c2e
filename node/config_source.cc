// Where the configuration comes from: a file, under flags that override it, read again when it
// changes.
// SPDX-License-Identifier: Apache-2.0
#include "node/config_source.h"

#include <filesystem>
#include <utility>

namespace rendercar::node {

ConfigSource::ConfigSource(std::string path, Overrides overrides)
    : path_(std::move(path)), overrides_(std::move(overrides)) {}

absl::StatusOr<Config> ConfigSource::Load() {
  Config config;
  if (!path_.empty()) {
    RC_ASSIGN_OR_RETURN(text_, ReadConfigFile(path_));
    RC_ASSIGN_OR_RETURN(config, ParseConfig(text_, path_));
  }
  overrides_(config);
  RC_RETURN_IF_ERROR(CheckNames(config));
  return config;
}

void ConfigSource::Watch(EventLoop& loop, Handler handler) {
  handler_ = std::move(handler);
  if (path_.empty()) return;
  const std::filesystem::path parent = std::filesystem::absolute(path_).parent_path();
  watch_ = std::make_unique<DirectoryWatch>(loop, parent.string(),
                                            [this](FileEvent, const std::string&) { OnChange(); });
}

// A file that is missing for a moment is being replaced; its return is an event of its own.
void ConfigSource::OnChange() {
  const auto text = ReadConfigFile(path_);
  if (text.ok() && *text != text_) Reload();
}

void ConfigSource::Reload() {
  if (handler_) handler_(Load());
}

}  // namespace rendercar::node
