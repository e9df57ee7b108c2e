// Fuzzes the walk over a virtqueue: every byte of guest memory, rings included, is the input's, and
// it changes between pops.
// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

#include "backend/guest/fake_guest.h"
#include "backend/guest/virtqueue.h"

namespace {

using rendercar::guest::DescriptorChain;
using rendercar::guest::FakeDriver;
using rendercar::guest::FakeGuestMemory;
using rendercar::guest::Virtqueue;

constexpr uint64_t kBase = FakeGuestMemory::kGuestBase;
constexpr size_t kRegionBytes = 8192;
constexpr uint32_t kSizes[] = {1, 2, 8, 64};

// Touches every byte that the chain names: the sanitizer sees what lies outside.
void Use(const DescriptorChain& chain) {
  std::vector<std::byte> copy(std::min<size_t>(chain.readable_bytes, 1u << 16));
  CopyFrom(chain, 0, copy);
  for (const auto part : chain.writable) {
    std::fill_n(part.begin(), std::min<size_t>(part.size(), 256), std::byte{0xaa});
    part.back() = std::byte{0x55};
  }
}

}  // namespace

// Input: one byte of options; then 12 KiB of guest memory at most (descriptors at 0, available ring
// at 4096, used ring and data in the second region); what is left is written over the rings, eight
// bytes a step: offset, value.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 1) return 0;
  static FakeGuestMemory guest({kRegionBytes, kRegionBytes});
  static const auto memory = guest.Map();
  const uint8_t options = data[0];
  std::span<const uint8_t> rest(data + 1, size - 1);
  std::memset(guest.At(kBase, kRegionBytes), 0, kRegionBytes);
  std::memset(guest.At(kBase + kRegionBytes, kRegionBytes), 0, kRegionBytes);
  const size_t first = std::min(rest.size(), kRegionBytes);
  std::memcpy(guest.At(kBase, kRegionBytes), rest.data(), first);
  rest = rest.subspan(first);

  FakeDriver driver(guest, kBase, kSizes[options & 3]);
  Virtqueue::Config config = driver.config();
  config.event_idx = (options & 4) != 0;
  config.indirect_desc = (options & 8) != 0;
  config.last_avail_index = (options & 16) != 0 ? 65535 : 0;
  auto queue = Virtqueue::Create(config, memory);
  if (!queue.ok()) return 0;
  std::vector<uint16_t> in_flight;
  for (int step = 0; step < 256; ++step) {
    auto chain = queue->Pop();
    if (chain.ok() && chain->has_value()) {
      Use(**chain);
      in_flight.push_back((*chain)->head);
    }
    const bool answer = !chain.ok() || !chain->has_value() || (step & 3) == 3;
    if (answer && !in_flight.empty()) {
      queue->Push(in_flight.back(), 8);
      in_flight.pop_back();
    }
    if ((options & 32) != 0) (void)queue->PublishUsed();
    if ((options & 64) != 0) (void)queue->EnableKicks();
    if (rest.size() < 4) {
      if (!chain.ok() || !chain->has_value()) break;
      continue;
    }
    uint16_t offset = 0;
    std::memcpy(&offset, rest.data(), 2);
    std::memcpy(guest.At(kBase + offset % (kRegionBytes - 2), 2), rest.data() + 2, 2);
    rest = rest.subspan(4);
  }
  return 0;
}
