// A server with a fake device on a thread of its own, and a frontend to it in the test's thread.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "backend/server/fake_device.h"
#include "backend/server/server.h"
#include "common/epoll_loop.h"
#include "common/unix_socket.h"
#include "tests/frontend/vhost_frontend.h"

namespace rendercar::server {

class ServerFixture : public testing::Test {
 protected:
  ~ServerFixture() override { StopServer(); }

  // Serves one end of a socket pair; the other is the frontend's.
  UniqueFd ServePair() {
    auto pair = CreateSocketPair(SOCK_STREAM);
    RC_CHECK(pair.ok(), "tests need a socket pair");
    StartServer({}, [socket = std::move(pair->a)](Server& server) mutable {
      server.Serve(std::move(socket));
    });
    return std::move(pair->b);
  }
  // With `screenshots` screenshots are offered there.
  void ServePath(const std::string& path, bool persistent, const std::string& screenshots = "") {
    auto listener = UnixListener::Listen(path);
    RC_CHECK(listener.ok(), "tests can listen");
    absl::StatusOr<UnixListener> port = UnixListener();
    if (!screenshots.empty()) port = UnixListener::Listen(screenshots);
    RC_CHECK(port.ok(), "tests can listen");
    StartServer({persistent}, [listener = *std::move(listener), port = *std::move(port),
                               offered = !screenshots.empty()](Server& server) mutable {
      server.Listen(std::move(listener));
      if (offered) server.OfferScreenshots(std::move(port));
    });
  }

  // A frontend that has realized its device; `hidden` protocol features it does not take.
  frontend::VhostFrontend MakeFrontend(UniqueFd socket, frontend::FrontendOptions options = {}) {
    auto ram = frontend::GuestRam::Create(frontend::GuestRam::DefaultRegions(), seal_ram_);
    RC_CHECK(ram.ok(), "tests need memory");
    ram_ = std::make_unique<frontend::GuestRam>(*std::move(ram));
    auto made = frontend::VhostFrontend::Create(std::move(socket), ram_.get(), options);
    RC_CHECK(made.ok(), "a frontend can be made");
    return *std::move(made);
  }

  // How the server ended; waits for it.
  absl::Status WaitForEnd() {
    std::unique_lock lock(mutex_);
    const bool came =
        ended_.wait_for(lock, std::chrono::seconds(20), [&] { return end_.has_value(); });
    return came ? *end_ : absl::DeadlineExceededError("the server goes on");
  }
  void StopServer() {
    if (!thread_.joinable()) return;
    loop_.Quit();
    thread_.join();
  }

  // One request of 8 bytes, answered with the same.
  bool Echo(frontend::VhostFrontend& frontend, uint32_t queue, uint64_t value) {
    const uint64_t addr = ram_->Allocate(32);
    std::memcpy(ram_->At(addr, 8).data(), &value, 8);
    auto& ring = frontend.queue(queue);
    if (!ring.Add(std::array{frontend::Buffer{addr, 8}, frontend::Buffer{addr + 16, 8, true}}))
      return false;
    ring.Publish();
    if (!ring.WaitUsed(std::chrono::seconds(20))) return false;
    const auto used = ring.Take();
    return used.has_value() && used->written == 8 &&
           std::memcmp(ram_->At(addr + 16, 8).data(), &value, 8) == 0;
  }

  EpollLoop loop_;
  StatsWriter stats_;
  FakeDeviceLog log_;
  bool seal_ram_ = true;
  std::unique_ptr<frontend::GuestRam> ram_;

 private:
  void StartServer(Server::Options options, absl::AnyInvocable<void(Server&)> start) {
    thread_ = std::thread([this, options, start = std::move(start)]() mutable {
      Server server(loop_, stats_, FakeDeviceFactory(log_), options,
                    [this](const absl::Status& why) {
                      const std::lock_guard lock(mutex_);
                      end_ = why;
                      ended_.notify_all();
                    });
      start(server);
      loop_.Run();
    });
  }

  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable ended_;
  std::optional<absl::Status> end_;
};

}  // namespace rendercar::server
