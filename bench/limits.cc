// What the machine itself allows, measured in the same run: no backend can be faster than these.
// SPDX-License-Identifier: Apache-2.0
#include "bench/limits.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>
#include <thread>

#include "bench/samples.h"
#include "common/unix_socket.h"

namespace rendercar::bench {
namespace {

constexpr size_t kFrameBytes = size_t{1920} * 1080 * 4;

Limit Memcpy(std::chrono::milliseconds slice) {
  std::vector<char> from(kFrameBytes, 1), to(kFrameBytes, 2);
  Samples samples;
  const Clock::time_point end = Clock::now() + slice;
  while (Clock::now() < end) {
    const Clock::time_point start = Clock::now();
    std::memcpy(to.data(), from.data(), kFrameBytes);
    samples.Add(Clock::now() - start);
    from[0] = to[kFrameBytes / 2];  // so that the copy is not optimised away
  }
  return {"memcpy of a 1080p frame, contiguous", kFrameBytes / samples.Percentile(0.5) / 1e9,
          "GB/s"};
}

uint64_t Take(int fd) {
  uint64_t count = 0;
  return ::read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}
void Give(int fd) {
  const uint64_t one = 1;
  if (::write(fd, &one, sizeof(one)) < 0) std::perror("eventfd");
}

Limit EventfdRoundTrip(std::chrono::milliseconds slice) {
  const UniqueFd ping(::eventfd(0, EFD_CLOEXEC)), pong(::eventfd(0, EFD_CLOEXEC));
  bool stop = false;  // written before the last ping, read after it
  std::thread other([&] {
    while (Take(ping.get()) != 0 && !stop) Give(pong.get());
  });
  Samples samples;
  const Clock::time_point end = Clock::now() + slice;
  while (Clock::now() < end) {
    const Clock::time_point start = Clock::now();
    Give(ping.get());
    Take(pong.get());
    samples.Add(Clock::now() - start);
  }
  stop = true;
  Give(ping.get());
  other.join();
  return {"eventfd round trip between two threads (two wake-ups), median",
          samples.Percentile(0.5) * 1e6, "us"};
}

Limit UnixSocket(std::chrono::milliseconds slice) {
  absl::StatusOr<SocketPair> pair = CreateSocketPair(SOCK_STREAM);
  if (!pair.ok()) return {"unix stream socket", 0, "GB/s"};
  std::thread reader([fd = pair->b.get()] {
    std::vector<char> buffer(kFrameBytes);
    while (::read(fd, buffer.data(), buffer.size()) > 0) continue;
  });
  const std::vector<char> frame(kFrameBytes, 1);
  double bytes = 0;
  const Clock::time_point start = Clock::now();
  while (Clock::now() < start + slice) {
    const ssize_t sent = ::send(pair->a.get(), frame.data(), frame.size(), MSG_NOSIGNAL);
    if (sent <= 0) break;
    bytes += static_cast<double>(sent);
  }
  const double seconds = Seconds(Clock::now() - start);
  pair->a.Reset();
  reader.join();
  return {"unix stream socket, 1080p frames", bytes / seconds / 1e9, "GB/s"};
}

}  // namespace

std::vector<Limit> MeasureLimits(std::chrono::milliseconds slice) {
  return {Memcpy(slice), EventfdRoundTrip(slice), UnixSocket(slice)};
}

}  // namespace rendercar::bench
