// Between a process and the one that holds its children.
// SPDX-License-Identifier: Apache-2.0
#include "common/children/launch_protocol.h"

#include <cstring>
#include <optional>
#include <span>
#include <utility>

#include "common/unix_socket.h"

namespace rendercar::launcher {
namespace {

struct Header {
  uint32_t kind;
  int32_t code;
  uint64_t id;
  uint32_t numbers;
  uint32_t strings;
};
static_assert(sizeof(Header) == 24);

void Append(std::vector<std::byte>& bytes, const void* data, size_t size) {
  const auto* from = static_cast<const std::byte*>(data);
  bytes.insert(bytes.end(), from, from + size);
}

std::vector<std::byte> Encode(const Message& message) {
  const Header header{static_cast<uint32_t>(message.kind), message.code, message.id,
                      static_cast<uint32_t>(message.numbers.size()),
                      static_cast<uint32_t>(message.strings.size())};
  std::vector<std::byte> bytes;
  Append(bytes, &header, sizeof(header));
  for (const int64_t number : message.numbers) Append(bytes, &number, sizeof(number));
  for (const std::string& text : message.strings) {
    const auto size = static_cast<uint32_t>(text.size());
    Append(bytes, &size, sizeof(size));
    Append(bytes, text.data(), text.size());
  }
  return bytes;
}

// Takes values off the front of received bytes.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  template <typename T>
  bool Read(T& value) {
    if (bytes_.size() < sizeof(T)) return false;
    std::memcpy(&value, bytes_.data(), sizeof(T));
    bytes_ = bytes_.subspan(sizeof(T));
    return true;
  }
  bool Read(std::string& text) {
    uint32_t size = 0;
    if (!Read(size) || bytes_.size() < size) return false;
    text.assign(reinterpret_cast<const char*>(bytes_.data()), size);
    bytes_ = bytes_.subspan(size);
    return true;
  }
  bool empty() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
};

std::optional<Message> Decode(std::span<const std::byte> bytes) {
  Reader reader(bytes);
  Header header{};
  if (!reader.Read(header) || header.kind > static_cast<uint32_t>(Kind::kAnswer) ||
      header.numbers > kMaxNumbers || header.strings > kMaxStrings) {
    return std::nullopt;
  }
  Message message;
  message.kind = static_cast<Kind>(header.kind);
  message.code = header.code;
  message.id = header.id;
  message.numbers.resize(header.numbers);
  for (int64_t& number : message.numbers) {
    if (!reader.Read(number)) return std::nullopt;
  }
  message.strings.resize(header.strings);
  for (std::string& text : message.strings) {
    if (!reader.Read(text)) return std::nullopt;
  }
  if (!reader.empty()) return std::nullopt;
  return message;
}

}  // namespace

Message Failure(const absl::Status& status) {
  Message message;
  message.code = status.raw_code();
  message.strings = {std::string(status.message())};
  return message;
}

absl::Status StatusOf(const Message& answer) {
  if (answer.code == 0) return absl::OkStatus();
  return absl::Status(static_cast<absl::StatusCode>(answer.code),
                      answer.strings.empty() ? "the launcher refused" : answer.strings[0]);
}

absl::Status Send(int socket, const Message& message, const std::vector<int>& extra_fds) {
  const std::vector<std::byte> bytes = Encode(message);
  std::vector<int> fds;
  for (const UniqueFd& fd : message.fds) fds.push_back(fd.get());
  fds.insert(fds.end(), extra_fds.begin(), extra_fds.end());
  if (bytes.size() > kMaxMessageBytes || message.numbers.size() > kMaxNumbers ||
      message.strings.size() > kMaxStrings || fds.size() > kMaxFds) {
    return absl::InvalidArgumentError("a message to the launcher is too large");
  }
  return SendWithFds(socket, bytes, fds).status();
}

absl::StatusOr<Message> Receive(int socket, int flags) {
  std::vector<std::byte> buffer(kMaxMessageBytes);
  RC_ASSIGN_OR_RETURN(Received received, ReceiveWithFds(socket, buffer, kMaxFds, flags));
  if (received.size == 0) return absl::AbortedError("the peer closed the socket");
  std::optional<Message> message = Decode(std::span(buffer).first(received.size));
  if (!message) return absl::InvalidArgumentError("what came is no message of the launcher's");
  message->fds = std::move(received.fds);
  return *std::move(message);
}

}  // namespace rendercar::launcher
