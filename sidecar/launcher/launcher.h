// The launcher: starts the control process, starts it again when it dies, and holds its children,
// which go on meanwhile. It has no gRPC, no files and no sockets of its own, so that it stays up.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/signalfd.h>

#include <chrono>
#include <string>
#include <vector>

#include "common/children/child_table.h"
#include "common/epoll_loop.h"
#include "common/program.h"

namespace rendercar::launcher {

class Launcher {
 public:
  struct Config {
    std::vector<std::string> argv;  // the control process
    std::chrono::milliseconds first_pause{10};
    std::chrono::milliseconds longest_pause{5'000};
    std::chrono::milliseconds healthy_after{10'000};  // a life this long ends a row of deaths
    std::chrono::milliseconds stop_grace{2'000};      // for children that are left at the end
  };
  // Blocks SIGCHLD, SIGTERM and SIGINT. Becomes the reaper of all orphans below it.
  explicit Launcher(Config config);
  ~Launcher();
  Launcher(const Launcher&) = delete;
  Launcher& operator=(const Launcher&) = delete;

  // Runs until the control process ends by itself (its exit code is the answer) or SIGTERM, which
  // it gets too. A control process that a signal killed, or that fails while children run, is
  // started again. Fails when it cannot be started the first time.
  absl::StatusOr<int> Run();

 private:
  absl::Status StartControl();
  void RestartControl();
  void OnSignal();
  void OnRequest();
  void ReapAll();
  void OnControlEnd(const ChildEnd& end);
  std::chrono::milliseconds NextPause();
  void Finish(int code);
  void Shutdown();

  const Config config_;
  EpollLoop loop_;
  UniqueFd signals_;
  UniqueFd socket_;  // our end towards the control process
  Subprocess control_;
  ChildTable children_;
  std::chrono::steady_clock::time_point started_{};
  std::chrono::milliseconds pause_;
  uint64_t generation_ = 0;
  bool stopping_ = false;
  int code_ = 0;
};

}  // namespace rendercar::launcher
