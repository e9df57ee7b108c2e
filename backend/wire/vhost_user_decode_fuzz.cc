// Fuzzes the vhost-user decoder: 12 bytes of header, one byte that says how many descriptors come,
// the rest is payload.
// SPDX-License-Identifier: Apache-2.0
#include <sys/eventfd.h>

#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "backend/wire/vhost_user_decode.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using rendercar::UniqueFd;
  using rendercar::wire::VhostUserHeader;
  VhostUserHeader header{};
  if (size < sizeof(header) + 1) return 0;
  std::memcpy(&header, data, sizeof(header));
  static const UniqueFd original(::eventfd(0, EFD_CLOEXEC));
  std::vector<UniqueFd> fds;
  for (int i = 0; i < data[sizeof(header)] % 10; ++i) fds.push_back(original.Duplicate());
  const std::vector<uint8_t> payload(data + sizeof(header) + 1, data + size);
  const auto message =
      rendercar::wire::DecodeVhostUser(header, std::as_bytes(std::span(payload)), std::move(fds));
  (void)rendercar::wire::VhostUserRequestName(header.request);
  (void)message.ok();
  return 0;
}
