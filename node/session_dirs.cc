// The private host directory of each allocation, where the session's statistics come back.
// SPDX-License-Identifier: Apache-2.0
#include "node/session_dirs.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "node/bounded_removal.h"

namespace rendercar::node {
namespace {

namespace fs = std::filesystem;
using std::chrono::milliseconds;

// Digits of the time in a directory's name: milliseconds since 1970, in hexadecimal, so that names
// sort by age until the year 10889.
constexpr size_t kTimeDigits = 12;
constexpr size_t kNameBytes = kTimeDigits + 1 + 32;

std::optional<milliseconds> TimeOf(const std::string& name) {
  if (name.size() != kNameBytes || name[kTimeDigits] != '-') return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + kTimeDigits, value, 16);
  if (error != std::errc() || end != name.data() + kTimeDigits) return std::nullopt;
  return milliseconds(value);
}

// The directories of one share, oldest first; what has no name of ours is left alone.
std::vector<std::string> NamesIn(const fs::path& share) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator it(share, error), end; !error && it != end; it.increment(error)) {
    std::string name = it->path().filename().string();
    if (TimeOf(name).has_value()) names.push_back(std::move(name));
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> SharesIn(const std::string& root) {
  std::vector<std::string> shares;
  std::error_code error;
  for (fs::directory_iterator it(root, error), end; !error && it != end; it.increment(error)) {
    if (it->is_directory(error) && !it->is_symlink(error)) {
      shares.push_back(it->path().filename().string());
    }
  }
  std::sort(shares.begin(), shares.end());
  return shares;
}

absl::Status MakeError(int error, const std::string& path) {
  return ErrnoStatus(error, fmt::format("cannot create session directory '{}' (is --session-root a "
                                        "writable host directory?)",
                                        path));
}

}  // namespace

SessionDirs::SessionDirs(Options options, Clock clock)
    : options_(std::move(options)), clock_(std::move(clock)) {}

absl::Status SessionDirs::PrepareRoot() const {
  std::error_code error;
  fs::create_directories(options_.root, error);
  if (error) return MakeError(error.value(), options_.root);
  return absl::OkStatus();
}

std::string SessionDirs::NewName() {
  std::array<uint64_t, 2> random{};
  RC_CHECK(::getrandom(random.data(), sizeof(random), 0) == sizeof(random),
           "getrandom gives 16 bytes");
  const auto now = std::chrono::duration_cast<milliseconds>(clock_().time_since_epoch());
  last_ = std::max(now, last_ + milliseconds(1));
  return fmt::format("{:012x}-{:016x}{:016x}", last_.count(), random[0], random[1]);
}

absl::StatusOr<std::string> SessionDirs::Make(std::string_view share_id) {
  RC_RETURN_IF_ERROR(PrepareRoot());
  const std::string parent = fmt::format("{}/{}", options_.root, share_id);
  // Execute only for others: nobody lists what other allocations are called.
  if (::mkdir(parent.c_str(), 0711) != 0 && errno != EEXIST) return MakeError(errno, parent);
  std::string path = fmt::format("{}/{}", parent, NewName());
  if (::mkdir(path.c_str(), 0700) != 0) return MakeError(errno, path);
  const mode_t mode = options_.owner ? 02770 : 02733;
  const bool owned =
      !options_.owner || ::chown(path.c_str(), *options_.owner, static_cast<gid_t>(-1)) == 0;
  if (!owned || ::chmod(path.c_str(), mode) != 0) {
    const absl::Status status = MakeError(errno, path);
    Discard(path);
    return status;
  }
  return path;
}

void SessionDirs::Discard(const std::string& directory) { ::rmdir(directory.c_str()); }

bool SessionDirs::Collect() {
  size_t budget = kRemovalsAtOnce;
  for (const std::string& share : SharesIn(options_.root)) {
    const fs::path parent = fs::path(options_.root) / share;
    const std::vector<std::string> names = NamesIn(parent);
    if (names.empty()) continue;
    const milliseconds newest = *TimeOf(names.back());
    for (size_t i = 0; i + 1 < names.size(); ++i) {
      const bool outlived = newest - *TimeOf(names[i]) >= kGrace || names.size() - i > kMaxPerShare;
      if (outlived && !RemoveSome((parent / names[i]).string(), budget) && budget == 0) return true;
    }
  }
  return false;
}

std::vector<SessionDirs::Current> SessionDirs::List() const {
  std::vector<Current> all;
  for (std::string& share : SharesIn(options_.root)) {
    const fs::path parent = fs::path(options_.root) / share;
    const std::vector<std::string> names = NamesIn(parent);
    if (!names.empty()) all.push_back({std::move(share), (parent / names.back()).string()});
  }
  return all;
}

}  // namespace rendercar::node
