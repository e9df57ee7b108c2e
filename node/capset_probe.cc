// What virglrenderer can give on a render node: found out by a child, which may crash or hang in
// the GPU's driver.
// SPDX-License-Identifier: Apache-2.0
#include "node/capset_probe.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <nlohmann/json.hpp>
#include <utility>

namespace rendercar::node {
namespace {

constexpr size_t kMaxCapsets = 64;
constexpr size_t kMaxNameBytes = 200;

}  // namespace

absl::StatusOr<ProbeResult> ParseProbe(const std::string& text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("gl_renderer") || !json["gl_renderer"].is_string() ||
      !json.contains("capsets") || !json["capsets"].is_array() ||
      json["capsets"].size() > kMaxCapsets) {
    return absl::InternalError("the probe's output is not what rendercar-renderer --probe prints");
  }
  ProbeResult result;
  result.gl_renderer = json["gl_renderer"].get<std::string>().substr(0, kMaxNameBytes);
  for (const auto& capset : json["capsets"]) {
    if (!capset.is_object() || !capset.contains("id") || !capset["id"].is_number_unsigned()) {
      return absl::InternalError("the probe names a capset without an id");
    }
    result.capsets.push_back(capset["id"].get<uint32_t>());
  }
  return result;
}

CapsetProbe::CapsetProbe(EventLoop& loop, const std::string& program, const RenderNode& node,
                         Done done, std::chrono::milliseconds timeout)
    : loop_(loop), done_(std::move(done)) {
  if (const absl::Status started = Start(program, node); !started.ok()) {
    loop_.Post([this, alive = std::weak_ptr<bool>(alive_), started] {
      if (!alive.expired()) Finish(started);
    });
    return;
  }
  loop_.PostAfter(timeout, [this, alive = std::weak_ptr<bool>(alive_), timeout] {
    if (alive.expired() || !child_.running()) return;
    Finish(absl::DeadlineExceededError(
        fmt::format("the probe did not end within {} ms", timeout.count())));
  });
}

CapsetProbe::~CapsetProbe() { Release(); }

absl::Status CapsetProbe::Start(const std::string& program, const RenderNode& node) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return ErrnoStatus(errno, "pipe2");
  output_.Reset(ends[0]);
  // This end only: a child whose output fails when the pipe is full would lose it.
  ::fcntl(output_.get(), F_SETFL, O_NONBLOCK);
  const UniqueFd input(ends[1]);
  Subprocess::Options options;
  options.argv = {program, "--probe"};
  if (!node.software) options.argv.push_back("--render-node=" + node.path);
  options.fds.push_back({input.get(), STDOUT_FILENO});
  RC_ASSIGN_OR_RETURN(child_, Subprocess::Start(options));
  loop_.Watch(output_.get(), EPOLLIN, [this](uint32_t) { Read(); });
  loop_.Watch(child_.pidfd(), EPOLLIN, [this](uint32_t) { Ended(); });
  return absl::OkStatus();
}

void CapsetProbe::Read() {
  std::array<char, 16384> buffer;
  while (true) {
    const ssize_t got = ::read(output_.get(), buffer.data(), buffer.size());
    if (got > 0) text_.append(buffer.data(), static_cast<size_t>(got));
    if (text_.size() > kMaxOutputBytes) {
      return Finish(absl::InternalError("the probe printed more than it should"));
    }
    if (got > 0) continue;
    // Its end is told by the pidfd.
    if (got == 0) loop_.Unwatch(output_.get());
    return;
  }
}

void CapsetProbe::Ended() {
  const std::weak_ptr<bool> alive = alive_;
  Read();
  if (alive.expired() || !child_.running()) return;
  loop_.Unwatch(child_.pidfd());
  const auto end = child_.Wait(std::chrono::milliseconds(1000));
  if (!end.has_value()) return Finish(absl::InternalError("the probe ended and is still there"));
  if (!end->clean()) {
    return Finish(absl::UnavailableError(fmt::format("the probe {}", end->ToString())));
  }
  Finish(ParseProbe(text_));
}

void CapsetProbe::Finish(const absl::StatusOr<ProbeResult>& result) {
  Release();
  if (const Done done = std::exchange(done_, nullptr)) done(result);
}

void CapsetProbe::Release() {
  if (output_.valid()) loop_.Unwatch(output_.get());
  if (child_.running()) loop_.Unwatch(child_.pidfd());
  output_.Reset();
  child_ = Subprocess();
}

}  // namespace rendercar::node
