// Who holds a process's children: it itself, or another process that starts them for it: a launcher
// above, with which children outlive this process, or a spawner below, with which this process
// needs no right to start any.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "common/status.h"
#include "common/subprocess.h"
#include "common/unique_fd.h"

namespace rendercar {

// A running child. Killed when this object goes while it runs.
class Child {
 public:
  virtual ~Child() = default;
  virtual pid_t pid() const = 0;
  // Readable when the child has ended; for an EventLoop. Valid while running().
  virtual int pidfd() const = 0;
  virtual bool running() const = 0;
  virtual void Signal(int signal) const = 0;
  // As Subprocess::Wait.
  virtual std::optional<ChildEnd> Wait(std::chrono::milliseconds timeout) = 0;
};

struct ChildRequest {
  std::string name;  // tells the next control process whose child it is: "session/gpu0"
  std::vector<std::string> argv;
  std::vector<Subprocess::Options::PassedFd> fds;
  std::vector<int> kept;  // descriptors that must live as long as the child, whoever controls it
};

struct RecoveredChild {
  std::string name;
  std::unique_ptr<Child> child;  // it may have ended meanwhile: its pidfd says so
  std::vector<UniqueFd> kept;    // in the order in which they were given
};

// What an earlier control process left.
struct Recovered {
  std::vector<RecoveredChild> children;
  std::map<std::string, std::string> notes;
};

class ProcessHost {
 public:
  virtual ~ProcessHost() = default;
  // As Subprocess::Start.
  virtual absl::StatusOr<std::unique_ptr<Child>> Start(const ChildRequest& request) = 0;
  // Keeps `note` under `key` for the next control process; an empty one forgets the key.
  virtual void Remember(const std::string& key, const std::string& note) = 0;
  // What is there from before; the second call finds the same children again, so once a process.
  virtual Recovered Recover() = 0;
};

// Children of this process, which die with it; nothing is remembered.
class LocalProcessHost final : public ProcessHost {
 public:
  absl::StatusOr<std::unique_ptr<Child>> Start(const ChildRequest& request) override;
  void Remember(const std::string&, const std::string&) override {}
  Recovered Recover() override { return {}; }
};

}  // namespace rendercar
