// A stand-in for rendercar-backend that takes its command line and misbehaves in the one way that
// RENDERCAR_FAKE_BACKEND names.
// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "common/stats_page.h"
#include "common/unix_socket.h"

namespace {

// The value of --NAME=VALUE; empty when it is not there.
std::string Flag(int argc, char** argv, const std::string& name) {
  const std::string prefix = "--" + name + "=";
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (argument.rfind(prefix, 0) == 0) return argument.substr(prefix.size());
  }
  return "";
}

// A page with known numbers, as if one VM were connected when `connected`.
bool WriteStats(const std::string& path, bool connected) {
  auto stats = rendercar::StatsWriter::Create(path);
  if (!stats.ok()) return false;
  stats->Set(rendercar::StatsValue::kFrontendConnected, connected ? 1 : 0);
  stats->Count(rendercar::StatsValue::kBytes2d, 4096);
  stats->CountCommand(rendercar::StatsCommand::kResourceFlush, rendercar::StatsResult::kOk);
  stats->CountError(rendercar::StatsError::kUnknownCommand);
  return true;
}

// Serves one client as the convention is: takes it, waits until it goes, ends.
int ServeOne(rendercar::UnixListener& listener) {
  pollfd waits{listener.fd(), POLLIN, 0};
  while (::poll(&waits, 1, -1) <= 0) {
  }
  auto client = listener.Accept();
  if (!client.ok()) return 70;
  char byte = 0;
  while (::read(client->get(), &byte, 1) > 0) {
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  const char* way = std::getenv("RENDERCAR_FAKE_BACKEND");
  const std::string behaviour = way == nullptr ? "good" : way;
  if (behaviour == "ends-at-once") return 69;
  if (behaviour == "crashes-at-once") std::abort();
  if (behaviour == "never-listens") ::pause();
  if (behaviour == "ignores-sigterm") std::signal(SIGTERM, SIG_IGN);
  const std::string stats = Flag(argc, argv, "stats-path");
  if (!stats.empty() && !WriteStats(stats, behaviour == "connected")) return 73;
  auto listener = rendercar::UnixListener::Listen(Flag(argc, argv, "socket-path"));
  if (!listener.ok()) {
    std::fprintf(stderr, "fake_backend: %s\n", std::string(listener.status().message()).c_str());
    return 73;
  }
  if (behaviour == "crashes-with-client") {
    ServeOne(*listener);
    std::abort();
  }
  return ServeOne(*listener);
}
