// Guest memory: the regions that the frontend shares, and the only way from a guest address to host
// bytes.
// SPDX-License-Identifier: Apache-2.0
#include "backend/guest/guest_memory.h"

#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "backend/guest/memory_guard.h"

namespace rendercar::guest {

// A mapping that several tables may hold, with the descriptor it came from.
class RegionMapping {
 public:
  static absl::StatusOr<std::shared_ptr<const RegionMapping>> Create(RegionDescription description);

  bool Holds(const struct stat& info, uint64_t offset, uint64_t size) const {
    return info.st_dev == dev_ && info.st_ino == ino_ && offset == offset_ && size == bytes_.size();
  }
  int fd() const { return fd_.get(); }
  bool lost() const { return guard_.lost(); }
  std::span<std::byte> bytes() const { return bytes_; }

 private:
  dev_t dev_ = 0;
  ino_t ino_ = 0;
  uint64_t offset_ = 0;
  std::span<std::byte> bytes_;
  UniqueFd fd_;
  Mapping mapping_;
  GuardedRange guard_;  // goes first
};

namespace {

absl::StatusOr<struct stat> Stat(int fd) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return ErrnoStatus(errno, "fstat of guest memory");
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(
        "guest memory came as a descriptor that is neither a memfd nor a file");
  }
  return info;
}

// Mappings of huge pages start and end on huge pages.
size_t PageBytes(int fd) {
  struct statfs info {};
  if (::fstatfs(fd, &info) == 0 && info.f_type == HUGETLBFS_MAGIC)
    return static_cast<size_t>(info.f_bsize);
  return static_cast<size_t>(::sysconf(_SC_PAGESIZE));
}

bool Wraps(uint64_t addr, uint64_t size) { return addr + size < addr; }

absl::Status CheckDescription(const RegionDescription& description) {
  if (description.size_bytes == 0)
    return absl::InvalidArgumentError("a region of guest memory has no bytes");
  if (Wraps(description.guest_addr, description.size_bytes) ||
      Wraps(description.user_addr, description.size_bytes) ||
      Wraps(description.mmap_offset, description.size_bytes)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a region of guest memory wraps around: ", description.size_bytes, " bytes at guest 0x",
        absl::Hex(description.guest_addr), ", frontend 0x", absl::Hex(description.user_addr),
        ", file offset 0x", absl::Hex(description.mmap_offset)));
  }
  return absl::OkStatus();
}

absl::Status CheckFile(const RegionDescription& description, const struct stat& info) {
  const uint64_t end = description.mmap_offset + description.size_bytes;
  if (end > static_cast<uint64_t>(info.st_size)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a region of guest memory needs ", end, " bytes of its file, which holds ", info.st_size));
  }
  return absl::OkStatus();
}

template <typename Windows>
absl::Status CheckOverlap(const Windows& windows, const char* kind) {
  for (size_t i = 1; i < windows.size(); ++i) {
    if (windows[i - 1].addr + windows[i - 1].size_bytes > windows[i].addr) {
      return absl::InvalidArgumentError(absl::StrCat("two regions of guest memory overlap at ",
                                                     kind, " address 0x",
                                                     absl::Hex(windows[i].addr)));
    }
  }
  return absl::OkStatus();
}

absl::Status Nowhere(const char* kind, uint64_t addr, uint64_t size_bytes) {
  return absl::InvalidArgumentError(absl::StrCat(size_bytes, " bytes at ", kind, " address 0x",
                                                 absl::Hex(addr), " do not lie in guest memory"));
}

}  // namespace

absl::StatusOr<std::shared_ptr<const RegionMapping>> RegionMapping::Create(
    RegionDescription description) {
  RC_ASSIGN_OR_RETURN(const struct stat info, Stat(description.fd.get()));
  // Not all memory can be sealed; the guard below stands in where it cannot.
  SealAgainstShrinking(description.fd.get(), description.mmap_offset + description.size_bytes)
      .IgnoreError();
  const size_t page = PageBytes(description.fd.get());
  const uint64_t start = description.mmap_offset / page * page;
  const uint64_t ahead = description.mmap_offset - start;
  const uint64_t length = (ahead + description.size_bytes + page - 1) / page * page;
  auto result = std::make_shared<RegionMapping>();
  RC_ASSIGN_OR_RETURN(result->mapping_, Mapping::Map(description.fd.get(), start, length,
                                                     Mapping::Access::kReadWrite));
  ::madvise(result->mapping_.bytes().data(), length, MADV_DONTDUMP);
  result->dev_ = info.st_dev;
  result->ino_ = info.st_ino;
  result->offset_ = description.mmap_offset;
  result->bytes_ = result->mapping_.bytes().subspan(ahead, description.size_bytes);
  result->fd_ = std::move(description.fd);
  RC_ASSIGN_OR_RETURN(result->guard_, GuardedRange::Create(result->mapping_.bytes(),
                                                           result->fd_.get(), start, page));
  return std::shared_ptr<const RegionMapping>(std::move(result));
}

int Region::fd() const { return mapping_->fd(); }
bool Region::lost() const { return mapping_->lost(); }

absl::Status GuestMemory::Add(RegionDescription description, const GuestMemory* previous) {
  RC_RETURN_IF_ERROR(CheckDescription(description));
  RC_ASSIGN_OR_RETURN(const struct stat info, Stat(description.fd.get()));
  RC_RETURN_IF_ERROR(CheckFile(description, info));
  Region region;
  region.guest_addr_ = description.guest_addr;
  region.user_addr_ = description.user_addr;
  region.mmap_offset_ = description.mmap_offset;
  if (previous != nullptr) {
    for (const Region& old : previous->regions_) {
      if (old.mapping_->Holds(info, description.mmap_offset, description.size_bytes) && !old.lost())
        region.mapping_ = old.mapping_;
    }
  }
  if (region.mapping_ == nullptr) {
    RC_ASSIGN_OR_RETURN(region.mapping_, RegionMapping::Create(std::move(description)));
  }
  region.bytes_ = region.mapping_->bytes();
  by_guest_addr_.push_back({region.guest_addr_, region.bytes_.size(), region.bytes_.data()});
  by_user_addr_.push_back({region.user_addr_, region.bytes_.size(), region.bytes_.data()});
  regions_.push_back(std::move(region));
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<const GuestMemory>> GuestMemory::Map(
    std::vector<RegionDescription> regions, const GuestMemory* previous) {
  if (regions.size() > kMaxRegions) {
    return absl::InvalidArgumentError(absl::StrCat(
        "a memory table has ", regions.size(), " regions, at most ", kMaxRegions, " are taken"));
  }
  auto memory = std::make_shared<GuestMemory>();
  for (RegionDescription& description : regions)
    RC_RETURN_IF_ERROR(memory->Add(std::move(description), previous));
  const auto by_addr = [](const Window& a, const Window& b) { return a.addr < b.addr; };
  std::sort(memory->by_guest_addr_.begin(), memory->by_guest_addr_.end(), by_addr);
  std::sort(memory->by_user_addr_.begin(), memory->by_user_addr_.end(), by_addr);
  std::sort(memory->regions_.begin(), memory->regions_.end(),
            [](const Region& a, const Region& b) { return a.guest_addr() < b.guest_addr(); });
  RC_RETURN_IF_ERROR(CheckOverlap(memory->by_guest_addr_, "guest"));
  RC_RETURN_IF_ERROR(CheckOverlap(memory->by_user_addr_, "frontend"));
  return std::shared_ptr<const GuestMemory>(std::move(memory));
}

absl::StatusOr<std::span<std::byte>> GuestMemory::Translate(uint64_t guest_addr,
                                                            uint64_t size_bytes) const {
  const std::span<std::byte> found = Prefix(by_guest_addr_, guest_addr, size_bytes);
  if (found.data() == nullptr || found.size() != size_bytes)
    return Nowhere("guest", guest_addr, size_bytes);
  return found;
}

absl::StatusOr<std::span<std::byte>> GuestMemory::TranslateUser(uint64_t user_addr,
                                                                uint64_t size_bytes) const {
  const std::span<std::byte> found = Prefix(by_user_addr_, user_addr, size_bytes);
  if (found.data() == nullptr || found.size() != size_bytes)
    return Nowhere("frontend", user_addr, size_bytes);
  return found;
}

}  // namespace rendercar::guest
