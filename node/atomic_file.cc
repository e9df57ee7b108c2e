// A small file that readers see whole or not at all.
// SPDX-License-Identifier: Apache-2.0
#include "node/atomic_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "common/unique_fd.h"

namespace rendercar::node {
namespace {

bool Says(const std::string& path, const std::string& content) {
  std::ifstream file(path, std::ios::binary);
  return file && std::string(std::istreambuf_iterator<char>(file), {}) == content;
}

absl::Status WriteWhole(const std::string& path, const std::string& content) {
  const UniqueFd fd(
      ::open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (!fd.valid()) return ErrnoStatus(errno, fmt::format("cannot create '{}'", path));
  for (size_t done = 0; done < content.size();) {
    const ssize_t wrote = ::write(fd.get(), content.data() + done, content.size() - done);
    if (wrote < 0) return ErrnoStatus(errno, fmt::format("cannot write '{}'", path));
    done += static_cast<size_t>(wrote);
  }
  if (::fsync(fd.get()) != 0) return ErrnoStatus(errno, fmt::format("cannot write '{}'", path));
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteAtomically(const std::string& path, const std::string& content) {
  if (Says(path, content)) return absl::OkStatus();
  const std::filesystem::path target(path);
  std::error_code error;
  std::filesystem::create_directories(target.parent_path(), error);
  // A dot file, so that nobody who lists the directory takes it for one of its kind.
  const std::string temporary =
      (target.parent_path() / fmt::format(".{}.tmp", target.filename().string())).string();
  absl::Status status = WriteWhole(temporary, content);
  if (status.ok() && ::rename(temporary.c_str(), path.c_str()) != 0) {
    status = ErrnoStatus(errno, fmt::format("cannot replace '{}'", path));
  }
  if (!status.ok()) ::unlink(temporary.c_str());
  return status;
}

void RemoveFile(const std::string& path) { ::unlink(path.c_str()); }

}  // namespace rendercar::node
