// Children of this process itself.
// SPDX-License-Identifier: Apache-2.0
#include "common/children/process_host.h"

#include <utility>

namespace rendercar {
namespace {

class LocalChild final : public Child {
 public:
  explicit LocalChild(Subprocess process) : process_(std::move(process)) {}

  pid_t pid() const override { return process_.pid(); }
  int pidfd() const override { return process_.pidfd(); }
  bool running() const override { return process_.running(); }
  void Signal(int signal) const override { process_.Signal(signal); }
  std::optional<ChildEnd> Wait(std::chrono::milliseconds timeout) override {
    return process_.Wait(timeout);
  }

 private:
  Subprocess process_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Child>> LocalProcessHost::Start(const ChildRequest& request) {
  RC_ASSIGN_OR_RETURN(Subprocess process,
                      Subprocess::Start({.argv = request.argv, .fds = request.fds}));
  return std::make_unique<LocalChild>(std::move(process));
}

}  // namespace rendercar
