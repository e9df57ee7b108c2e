// A tar archive (POSIX ustar) of plain files, in memory.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/tar.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "common/status.h"

namespace rendercar::ctl {
namespace {

constexpr size_t kBlock = 512;

struct Header {
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char linkname[100];
  char magic[6];
  char version[2];
  char uname[32];
  char gname[32];
  char device[16];
  char prefix[155];
  char padding[12];
};
static_assert(sizeof(Header) == kBlock);

template <size_t N>
void Put(char (&field)[N], const std::string& text) {
  std::memcpy(field, text.data(), std::min(N, text.size()));
}

}  // namespace

void TarWriter::Add(const TarFile& file) {
  const std::string name = folder_ + "/" + file.name;
  RC_CHECK(name.size() < sizeof(Header::name), "a name in the archive that is too long");
  Header header{};
  Put(header.name, name);
  Put(header.mode, "0000600");
  Put(header.uid, "0000000");
  Put(header.gid, "0000000");
  Put(header.size, fmt::format("{:011o}", file.content.size()));
  Put(header.mtime, fmt::format("{:011o}", static_cast<uint64_t>(time_)));
  header.type = '0';
  Put(header.magic, "ustar");
  Put(header.version, "00");
  // The sum is of a header in which its own field is spaces.
  std::memset(header.checksum, ' ', sizeof(header.checksum));
  uint32_t sum = 0;
  unsigned char raw[sizeof(header)];
  std::memcpy(raw, &header, sizeof(header));
  for (const unsigned char byte : raw) sum += byte;
  Put(header.checksum, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  bytes_.append(kBlock, '\0');
  std::memcpy(bytes_.data() + bytes_.size() - kBlock, &header, kBlock);
  bytes_ += file.content;
  bytes_.append((kBlock - file.content.size() % kBlock) % kBlock, '\0');
}

std::string TarWriter::Finish() && {
  bytes_.append(2 * kBlock, '\0');
  return std::move(bytes_);
}

}  // namespace rendercar::ctl
