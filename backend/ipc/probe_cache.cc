// The file that remembers a probe's answer.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/probe_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "common/unique_fd.h"

namespace rendercar::ipc {
namespace {

using nlohmann::json;

constexpr int kFormat = 1;
constexpr size_t kMaxBytes = size_t{1} << 20;
constexpr size_t kMaxFiles = 1024;

// What must stay the same for the answer to stay true.
json Identity(const std::string& path) {
  struct stat info {};
  if (::stat(path.c_str(), &info) != 0) return nullptr;
  return {info.st_dev,  info.st_ino,         info.st_size,
          info.st_rdev, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

uint64_t Hash(const std::string& text) {
  uint64_t hash = 0xcbf29ce484222325;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return hash;
}

std::string ReadAll(int fd) {
  std::string text;
  char buffer[16384];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof(buffer));
    if (got <= 0 || text.size() > kMaxBytes) return text;
    text.append(buffer, static_cast<size_t>(got));
  }
}

// Only a plain file of ours (or root's) that nobody else may write.
bool IsOurs(int fd) {
  struct stat info {};
  return ::fstat(fd, &info) == 0 && S_ISREG(info.st_mode) &&
         (info.st_uid == ::geteuid() || info.st_uid == 0) && (info.st_mode & 022) == 0;
}

bool StillTrue(const json& stored) {
  if (!stored.is_object() || stored.value("format", json()) != json(kFormat) ||
      !stored.contains("files") || !stored["files"].is_object() || stored["files"].empty() ||
      stored["files"].size() > kMaxFiles)
    return false;
  for (const auto& [path, identity] : stored["files"].items()) {
    if (identity.is_null() || Identity(path) != identity) return false;
  }
  return stored.contains("output") && stored["output"].is_string();
}

}  // namespace

ProbeCache::ProbeCache(const std::string& dir, const RendererCommand& renderer) : dir_(dir) {
  const json key{renderer.program, renderer.render_node, ::geteuid(),
                 renderer.render_node.empty() ? json() : Identity(renderer.render_node)};
  // A path need not be UTF-8.
  const std::string text = key.dump(-1, ' ', false, json::error_handler_t::replace);
  if (!dir.empty()) path_ = fmt::format("{}/probe-{:016x}.json", dir, Hash(text));
}

std::optional<std::string> ProbeCache::Read() const {
  if (path_.empty()) return std::nullopt;
  const UniqueFd fd(::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.valid() || !IsOurs(fd.get())) return std::nullopt;
  const json stored = json::parse(ReadAll(fd.get()), nullptr, /*allow_exceptions=*/false);
  if (!StillTrue(stored)) return std::nullopt;
  return stored["output"].get<std::string>();
}

void ProbeCache::Write(const std::string& probe_output) const {
  const json output = json::parse(probe_output, nullptr, /*allow_exceptions=*/false);
  if (path_.empty() || !output.is_object() || !output.value("files", json()).is_array()) return;
  json stored{{"format", kFormat}, {"output", probe_output}, {"files", json::object()}};
  for (const json& file : output["files"]) {
    if (file.is_string()) stored["files"][file.get<std::string>()] = Identity(file);
  }
  std::error_code ignored;
  std::filesystem::create_directories(dir_, ignored);
  std::string temporary = path_ + ".XXXXXX";
  const UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));
  if (!fd.valid()) return;
  const std::string text = stored.dump();
  if (::write(fd.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
      ::rename(temporary.c_str(), path_.c_str()) != 0) {
    ::unlink(temporary.c_str());
  }
}

}  // namespace rendercar::ipc
