// The control socket beside the rings (SOCK_SEQPACKET): carries what rings cannot, descriptors, and
// wakes a sleeping renderer. The device reads from it only for a picture that it has asked for
// (export_message.h), so a hostile renderer cannot answer with anything else.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <type_traits>
#include <vector>

#include "backend/guest/guest_memory.h"
#include "common/status.h"
#include "common/unique_fd.h"

namespace rendercar::ipc {

// The numbers under which rendercar-renderer finds its descriptors.
inline constexpr int kControlFd = 3;
inline constexpr int kCommandRingFd = 4;
inline constexpr int kCompletionRingFd = 5;
inline constexpr int kDoorbellFd = 6;  // eventfd: completions or room; the device only polls it

enum class ControlKind : uint32_t {
  kWake = 1,  // look at the ring
  kMemory,    // some regions of the memory table `id`; the record UseMemory puts it in force
  kPixels,    // shared pixels `id` of `size_bytes`; the record UsePixels puts them in force
};

inline constexpr size_t kRegionsPerMessage = 16;  // descriptors that one message carries

struct ControlRegion {
  uint64_t guest_addr, size_bytes, user_addr, mmap_offset;
};
struct ControlMessage {
  uint32_t kind = 0;
  uint32_t count = 0;  // kMemory: regions in this message, a descriptor each
  uint64_t id = 0;
  uint64_t size_bytes = 0;
  std::array<ControlRegion, kRegionsPerMessage> regions{};
};
static_assert(sizeof(ControlMessage) == 24 + 16 * 32);
static_assert(std::has_unique_object_representations_v<ControlMessage>);

// Device side. Unavailable when the socket is full, Aborted when the renderer is gone.
absl::Status SendWake(int socket);
absl::Status SendMemory(int socket, uint64_t generation, const guest::GuestMemory& memory);
absl::Status SendPixels(int socket, uint32_t id, uint64_t size_bytes, int fd);

// Renderer side: what has arrived and no record has asked for yet.
class ControlInbox {
 public:
  explicit ControlInbox(UniqueFd socket) : socket_(std::move(socket)) {}

  int fd() const { return socket_.get(); }
  // Receives all that waits. Aborted when the device process is gone, InvalidArgument for a
  // malformed message.
  absl::Status Receive();

  // The regions of table `generation`, in order of arrival; older tables are dropped.
  std::vector<guest::RegionDescription> TakeMemory(uint64_t generation);
  struct Pixels {
    uint64_t id = 0;
    uint64_t size_bytes = 0;
    UniqueFd fd;
  };
  // NotFound when they have not come.
  absl::StatusOr<Pixels> TakePixels(uint64_t id);

 private:
  absl::Status Accept(const ControlMessage& message, std::vector<UniqueFd> fds);

  UniqueFd socket_;
  struct Arrived {
    uint64_t generation = 0;
    guest::RegionDescription region;
  };
  std::vector<Arrived> regions_;
  std::vector<Pixels> pixels_;
};

}  // namespace rendercar::ipc
