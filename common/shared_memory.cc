// Memory that two processes map: a sealed memfd, and mappings that unmap themselves.
// SPDX-License-Identifier: Apache-2.0
#include "common/shared_memory.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace rendercar {
namespace {

int Protection(Mapping::Access access) {
  return access == Mapping::Access::kReadOnly ? PROT_READ : PROT_READ | PROT_WRITE;
}

}  // namespace

Mapping::Mapping(Mapping&& other) noexcept
    : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    Unmap();
    address_ = std::exchange(other.address_, nullptr);
    size_ = std::exchange(other.size_, 0);
  }
  return *this;
}

Mapping::~Mapping() { Unmap(); }

void Mapping::Unmap() {
  if (address_ != nullptr) ::munmap(address_, size_);
}

absl::StatusOr<Mapping> Mapping::Map(int fd, uint64_t offset, size_t size, Access access) {
  void* address =
      ::mmap(nullptr, size, Protection(access), MAP_SHARED, fd, static_cast<off_t>(offset));
  if (address == MAP_FAILED)
    return ErrnoStatus(errno, absl::StrCat("mapping ", size, " shared bytes"));
  return Mapping(address, size);
}

absl::StatusOr<Mapping> Mapping::MapTwice(int fd, uint64_t offset, size_t size, Access access) {
  void* address =
      ::mmap(nullptr, 2 * size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (address == MAP_FAILED)
    return ErrnoStatus(errno, absl::StrCat("reserving ", 2 * size, " bytes of addresses"));
  Mapping mapping(address, 2 * size);
  for (int half = 0; half < 2; ++half) {
    std::byte* at = static_cast<std::byte*>(address) + static_cast<size_t>(half) * size;
    if (::mmap(at, size, Protection(access), MAP_SHARED | MAP_FIXED, fd,
               static_cast<off_t>(offset)) == MAP_FAILED) {
      return ErrnoStatus(errno, absl::StrCat("mapping ", size, " shared bytes"));
    }
  }
  return mapping;
}

absl::StatusOr<UniqueFd> CreateSealedMemory(const std::string& name, size_t size) {
  UniqueFd fd(::memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd.valid()) return ErrnoStatus(errno, "memfd_create");
  if (::ftruncate(fd.get(), static_cast<off_t>(size)) != 0)
    return ErrnoStatus(errno, absl::StrCat("sizing a memfd to ", size, " bytes"));
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
    return ErrnoStatus(errno, "sealing a memfd");
  return fd;
}

absl::Status SealAgainstShrinking(int fd, uint64_t size) {
  struct stat info {};
  if (::fstat(fd, &info) != 0) return ErrnoStatus(errno, "fstat of shared memory");
  if (static_cast<uint64_t>(info.st_size) < size) {
    return absl::InvalidArgumentError(
        absl::StrCat("shared memory holds ", info.st_size, " bytes, ", size, " are needed"));
  }
  const int seals = ::fcntl(fd, F_GET_SEALS);
  if (seals < 0)
    return absl::FailedPreconditionError("shared memory is no memfd and cannot be sealed");
  if ((seals & F_SEAL_SHRINK) != 0) return absl::OkStatus();
  if (::fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0)
    return ErrnoStatus(errno, "sealing shared memory against shrinking");
  // The size is looked at again: it may have changed before the seal took.
  if (::fstat(fd, &info) != 0 || static_cast<uint64_t>(info.st_size) < size) {
    return absl::InvalidArgumentError("shared memory shrank while it was being sealed");
  }
  return absl::OkStatus();
}

}  // namespace rendercar
