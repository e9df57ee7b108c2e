// Removes a directory tree whose content is hostile, a bounded number of files at a time.
// SPDX-License-Identifier: Apache-2.0
#include "node/bounded_removal.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <memory>

#include "common/unique_fd.h"

namespace rendercar::node {
namespace {

// Each level holds a descriptor open, so nesting is bounded; deeper directories are moved up to the
// tree's top, where the next call finds them.
constexpr int kMaxDepth = 16;

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};
using UniqueDir = std::unique_ptr<DIR, CloseDir>;

UniqueDir OpenDirAt(int parent, const char* name) {
  UniqueFd fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd.valid()) return nullptr;
  return UniqueDir(::fdopendir(fd.Release()));
}

bool IsDots(const char* name) {
  return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0;
}

class Remover {
 public:
  Remover(int top, size_t& budget) : top_(top), budget_(budget) {}

  // Empties the directory; true when nothing is left in it.
  bool Empty(DIR* dir, int depth) {
    bool all = true;
    while (const dirent* entry = ::readdir(dir)) {
      if (IsDots(entry->d_name)) continue;
      if (budget_ == 0) return false;
      --budget_;
      all = RemoveEntry(::dirfd(dir), entry->d_name, depth) && all;
    }
    return all;
  }

 private:
  bool RemoveEntry(int parent, const char* name, int depth) {
    if (::unlinkat(parent, name, 0) == 0) return true;
    if (::unlinkat(parent, name, AT_REMOVEDIR) == 0) return true;
    if (depth >= kMaxDepth) {
      MoveUp(parent, name);
      return false;
    }
    const UniqueDir child = OpenDirAt(parent, name);
    return child != nullptr && Empty(child.get(), depth + 1) &&
           ::unlinkat(parent, name, AT_REMOVEDIR) == 0;
  }

  // Named by its inode: nothing else on this file system has that name already but by malice, and
  // then the malicious one goes first.
  void MoveUp(int parent, const char* name) const {
    struct stat info {};
    if (::fstatat(parent, name, &info, AT_SYMLINK_NOFOLLOW) != 0) return;
    ::renameat(parent, name, top_, ("deep-" + std::to_string(info.st_ino)).c_str());
  }

  const int top_;
  size_t& budget_;
};

}  // namespace

bool RemoveSome(const std::string& path, size_t& budget) {
  if (budget == 0) return false;
  const UniqueDir dir = OpenDirAt(AT_FDCWD, path.c_str());
  if (dir == nullptr) return ::unlink(path.c_str()) == 0 || ::access(path.c_str(), F_OK) != 0;
  Remover remover(::dirfd(dir.get()), budget);
  return remover.Empty(dir.get(), 0) && ::rmdir(path.c_str()) == 0;
}

}  // namespace rendercar::node
