// What the renderer can do, found out before a guest is told.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/probe.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "backend/ipc/capabilities_json.h"
#include "backend/ipc/exit_reason.h"
#include "backend/ipc/probe_cache.h"
#include "common/log.h"
#include "common/subprocess.h"

namespace rendercar::ipc {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kMaxOutputBytes = size_t{1} << 20;

// What the child writes until it closes the pipe.
absl::StatusOr<std::string> ReadOutput(int fd, Clock::time_point deadline) {
  std::string output;
  char buffer[16384];
  for (;;) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
    pollfd poll{fd, POLLIN, 0};
    if (left <= 0 || ::poll(&poll, 1, static_cast<int>(left)) == 0)
      return absl::DeadlineExceededError("the renderer's probe takes too long; is the GPU hung?");
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return output;
    output.append(buffer, static_cast<size_t>(got));
    if (output.size() > kMaxOutputBytes)
      return absl::UnavailableError("the renderer's probe writes without end");
  }
}

absl::StatusOr<std::string> RunProbe(const ProbeOptions& options) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe");
  const UniqueFd from(ends[0]);
  UniqueFd to(ends[1]);
  Subprocess::Options child;
  child.argv = options.renderer.ProbeArgv();
  child.fds = {{to.get(), STDOUT_FILENO}};
  RC_ASSIGN_OR_RETURN(Subprocess process, Subprocess::Start(child));
  to.Reset();
  const auto deadline = Clock::now() + options.timeout;
  RC_ASSIGN_OR_RETURN(std::string output, ReadOutput(from.get(), deadline));
  const auto end = process.Wait(std::chrono::milliseconds(2000));
  if (!end.has_value()) return absl::DeadlineExceededError("the renderer's probe does not end");
  if (!end->clean()) return absl::UnavailableError(ExitReason(*end, 0));
  return output;
}

}  // namespace

absl::StatusOr<gpu::RendererCapabilities> ProbeRenderer(const ProbeOptions& options) {
  const ProbeCache cache(options.cache_dir, options.renderer);
  if (const auto cached = cache.Read()) {
    auto capabilities = FromJson(*cached);
    if (capabilities.ok()) return capabilities;
    log::Warning("probe cache is damaged, probing again", {{"file", cache.path()}});
  }
  RC_ASSIGN_OR_RETURN(const std::string output, RunProbe(options));
  RC_ASSIGN_OR_RETURN(gpu::RendererCapabilities capabilities, FromJson(output));
  cache.Write(output);
  return capabilities;
}

std::string DefaultProbeCache() {
  const char* cache = std::getenv("XDG_CACHE_HOME");
  if (cache != nullptr && *cache == '/') return absl::StrCat(cache, "/rendercar");
  const char* home = std::getenv("HOME");
  if (::geteuid() != 0 && home != nullptr && *home == '/')
    return absl::StrCat(home, "/.cache/rendercar");
  return "/var/cache/rendercar";
}

}  // namespace rendercar::ipc
