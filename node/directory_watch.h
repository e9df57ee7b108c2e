// Tells when files appear in a directory or leave it, by inotify, also when the directory itself
// goes and comes back.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "common/event_loop.h"
#include "common/unique_fd.h"

namespace rendercar::node {

enum class FileEvent {
  kAppeared,
  kGone,
  kChanged,  // written and closed
  kUnknown,  // the directory came, went, or events were lost: look at everything again
};

// Loop only. The handler gets a file name without directory (empty for kUnknown).
class DirectoryWatch {
 public:
  using Handler = absl::AnyInvocable<void(FileEvent event, const std::string& name)>;
  // How often a missing directory is looked for.
  static constexpr std::chrono::milliseconds kRetry{500};

  DirectoryWatch(EventLoop& loop, std::string directory, Handler handler);
  ~DirectoryWatch();
  DirectoryWatch(const DirectoryWatch&) = delete;
  DirectoryWatch& operator=(const DirectoryWatch&) = delete;

 private:
  void Attach();
  void Detach();
  void Read();
  void Handle(uint32_t mask, const std::string& name);

  EventLoop& loop_;
  const std::string directory_;
  Handler handler_;
  UniqueFd inotify_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace rendercar::node
