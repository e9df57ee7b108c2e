// Answers who asks for what a head shows.
// SPDX-License-Identifier: Apache-2.0
#include "backend/server/screenshot_port.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <span>
#include <utility>

namespace rendercar::server {
namespace {

bool IsAllowed(int socket) {
  const auto peer = GetPeerCredentials(socket);
  return peer.ok() && (peer->uid == 0 || peer->uid == ::geteuid());
}

}  // namespace

ScreenshotPort::ScreenshotPort(EventLoop& loop, UnixListener listener, Source source)
    : loop_(loop),
      source_(std::move(source)),
      listener_(std::move(listener)),
      alive_(std::make_shared<ScreenshotPort*>(this)) {
  watch_ = std::make_unique<AcceptWatch>(
      loop_, listener_, [this](UniqueFd socket) { OnConnection(std::move(socket)); });
}

ScreenshotPort::~ScreenshotPort() {
  *alive_ = nullptr;
  watch_.reset();
  while (!clients_.empty()) Drop(clients_.begin()->first);
}

void ScreenshotPort::OnConnection(UniqueFd socket) {
  if (!IsAllowed(socket.get())) return;
  if (clients_.size() >= kMaxClients) Drop(clients_.begin()->first);
  const uint64_t client = ++last_client_;
  const int fd = socket.get();
  clients_.emplace(client, std::move(socket));
  loop_.Watch(fd, EPOLLIN | EPOLLHUP, [this, client](uint32_t) { OnReadable(client); });
}

void ScreenshotPort::OnReadable(uint64_t client) {
  const int fd = clients_.at(client).get();
  screenshot::Request request;
  const auto received =
      ReceiveWithFds(fd, std::as_writable_bytes(std::span(&request, 1)), 0, MSG_DONTWAIT);
  if (!received.ok() || received->size != sizeof(request) || request.magic != screenshot::kMagic)
    return Drop(client);
  loop_.Unwatch(fd);
  source_(request.head, [alive = alive_, client](const gpu::Screenshot& shot) {
    if (*alive != nullptr) (*alive)->Answer(client, shot);
  });
}

void ScreenshotPort::Answer(uint64_t client, const gpu::Screenshot& shot) {
  const auto found = clients_.find(client);
  if (found == clients_.end()) return;
  screenshot::Answer answer;
  answer.outcome = shot.outcome;
  answer.width = shot.width;
  answer.height = shot.height;
  const int fds[] = {shot.pixels.get()};
  // The first bytes on this socket: there is room, or the client has gone.
  SendWithFds(found->second.get(), std::as_bytes(std::span(&answer, 1)),
              std::span(fds).first(shot.pixels.valid() ? 1 : 0))
      .IgnoreError();
  Drop(client);
}

void ScreenshotPort::Drop(uint64_t client) {
  const auto found = clients_.find(client);
  loop_.Unwatch(found->second.get());
  clients_.erase(found);
}

}  // namespace rendercar::server
