// The directories of vhost-user JSON as libvirt reads them.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/vhostuser/json_dirs.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

namespace rendercar::sidecar {
namespace {

using Json = nlohmann::json;

constexpr size_t kMaxFileBytes = 1 << 20;  // libvirt's limit

// The types of QEMU's schema; any other word breaks libvirt's whole search.
const std::set<std::string>& KnownTypes() {
  static const auto* types = new std::set<std::string>{
      "9p",  "balloon", "block", "caif", "console", "crypto",       "gpu",  "input",
      "net", "rng",     "rpmsg", "fs",   "scsi",    "rproc-serial", "vsock"};
  return *types;
}

std::string Text(const Json& json, const char* key) {
  const auto found = json.find(key);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

bool HasOurTag(const Json& json) {
  const auto tags = json.find("tags");
  return tags != json.end() && tags->is_array() &&
         std::find(tags->begin(), tags->end(), Json("rendercar")) != tags->end();
}

std::string ObjectProblem(const Json& json) {
  if (!json.is_object()) return "is no JSON object";
  const std::string type = Text(json, "type");
  if (type.empty()) return "has no \"type\"";
  if (KnownTypes().count(type) == 0) return "has type \"" + type + "\", which libvirt refuses";
  return Text(json, "binary").empty() ? "has no \"binary\"" : "";
}

// Content, or what keeps libvirt from reading it.
struct Content {
  std::string text;
  std::string problem;
};

Content Read(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  if (!file) return {"", "cannot be read"};
  std::ostringstream text;
  text << file.rdbuf();
  if (text.str().size() > kMaxFileBytes) return {"", "has more than 1 MiB"};
  return {text.str(), ""};
}

JsonFile Describe(const std::filesystem::path& path) {
  JsonFile file;
  file.name = path.filename();
  file.path = path;
  const Content content = Read(path);
  if (content.problem.empty() && content.text.empty()) {
    file.state = JsonState::kHidden;
    return file;
  }
  file.problem = content.problem.empty() ? JsonProblem(content.text) : content.problem;
  if (!file.problem.empty()) {
    file.state = JsonState::kBroken;
    return file;
  }
  const Json json = Json::parse(content.text, nullptr, /*allow_exceptions=*/false);
  file.type = Text(json, "type");
  file.binary = Text(json, "binary");
  file.ours = HasOurTag(json);
  return file;
}

// Regular files and, for links to /dev/null, character devices; no names with a dot in front.
bool Counts(const std::filesystem::path& path) {
  struct stat info {};
  return path.filename().string().front() != '.' && ::stat(path.c_str(), &info) == 0 &&
         (S_ISREG(info.st_mode) || S_ISCHR(info.st_mode));
}

// Files that a later directory replaces do not count, not even broken ones.
void MarkMasked(std::vector<JsonFile>& files) {
  std::map<std::string, std::string> winner;
  for (const JsonFile& file : files) winner[file.name] = file.path;
  for (JsonFile& file : files) {
    if (winner[file.name] == file.path) continue;
    file.state = JsonState::kMasked;
    file.problem = winner[file.name];
  }
}

}  // namespace

std::string JsonProblem(const std::string& content) {
  const Json json = Json::parse(content, nullptr, /*allow_exceptions=*/false);
  return json.is_discarded() ? "is no JSON" : ObjectProblem(json);
}

std::vector<std::string> JsonDirs(const Environment& environment, bool session) {
  std::vector<std::string> dirs{"/usr/share/qemu/vhost-user", "/etc/qemu/vhost-user"};
  if (!session) return dirs;
  const char* config = environment("XDG_CONFIG_HOME");
  const char* home = environment("HOME");
  if (config != nullptr && *config != '\0') {
    dirs.push_back(absl::StrCat(config, "/qemu/vhost-user"));
  } else if (home != nullptr) {
    dirs.push_back(absl::StrCat(home, "/.config/qemu/vhost-user"));
  }
  return dirs;
}

std::vector<JsonFile> ListJson(const std::vector<std::string>& dirs) {
  std::vector<JsonFile> files;
  for (const std::string& dir : dirs) {
    std::error_code missing;
    for (const auto& entry : std::filesystem::directory_iterator(dir, missing)) {
      if (Counts(entry.path())) files.push_back(Describe(entry.path()));
    }
  }
  MarkMasked(files);
  std::stable_sort(files.begin(), files.end(),
                   [](const JsonFile& a, const JsonFile& b) { return a.name < b.name; });
  return files;
}

}  // namespace rendercar::sidecar
