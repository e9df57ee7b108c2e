// Shares: what Allocate gave this container, read from its environment and from flags.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/config/share.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>

#include <set>

#include "common/share_env.h"

namespace rendercar::sidecar {
namespace {

constexpr size_t kMaxShares = 256;
constexpr size_t kMaxShareIdBytes = 63;  // the kubelet's limit for a device id

std::string ValueOf(const Environment& environment, const char* name) {
  const char* value = environment(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> List(const std::string& text) {
  if (text.empty()) return {};
  return absl::StrSplit(text, ',');
}

// The list in variable `name`, which must have `count` entries; empty strings when it is not set.
absl::StatusOr<std::vector<std::string>> ListOf(const Environment& environment, const char* name,
                                                size_t count) {
  std::vector<std::string> list = List(ValueOf(environment, name));
  if (list.empty()) return std::vector<std::string>(count);
  if (list.size() == count) return list;
  return absl::InvalidArgumentError(absl::StrCat(
      name, " has ", list.size(), " entries but ", share_env::kShareIds, " has ", count,
      "; the node agent and this sidecar do not match, update both to one version"));
}

absl::StatusOr<uint64_t> ParseBytes(const std::string& text) {
  uint64_t bytes = 0;
  if (text.empty() || absl::SimpleAtoi(text, &bytes)) return bytes;
  return absl::InvalidArgumentError(
      absl::StrCat(share_env::kVideoMemoryBytes, " has '", text, "', which is no number of bytes"));
}

absl::Status CheckId(const std::string& id) {
  const bool printable =
      id.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_") ==
      std::string::npos;
  if (!id.empty() && id.size() <= kMaxShareIdBytes && printable) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("share id '", id,
                   "' is wrong; an id has 1 to 63 letters, digits, '.', '-' and '_', for example "
                   "'software-0'"));
}

absl::Status CheckIds(const std::vector<std::string>& ids) {
  if (ids.size() > kMaxShares) {
    return absl::InvalidArgumentError(absl::StrCat(share_env::kShareIds, " has ", ids.size(),
                                                   " shares, at most ", kMaxShares,
                                                   " can be used by one container"));
  }
  std::set<std::string> seen;
  for (const std::string& id : ids) {
    RC_RETURN_IF_ERROR(CheckId(id));
    if (!seen.insert(id).second)
      return absl::InvalidArgumentError(
          absl::StrCat(share_env::kShareIds, " names '", id, "' twice"));
  }
  return absl::OkStatus();
}

absl::Status CheckVersion(const Environment& environment) {
  const std::string version = ValueOf(environment, share_env::kVersion);
  if (version.empty() || version == share_env::kVersion1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      share_env::kVersion, " is '", version, "', this sidecar knows '", share_env::kVersion1,
      "'; update the sidecar's image to the version of the node agent"));
}

std::string Ids(const std::vector<Share>& shares) {
  return absl::StrJoin(shares, ", ",
                       [](std::string* out, const Share& share) { *out += share.id; });
}

// The share that --share names among those that Allocate gave.
absl::StatusOr<Share> Pick(const std::vector<Share>& shares, const std::string& id) {
  for (const Share& share : shares) {
    if (share.id == id) return share;
  }
  return absl::NotFoundError(absl::StrCat("share '", id, "' does not exist here; Allocate gave ",
                                          Ids(shares),
                                          "; name one of these with --share, or none"));
}

void Apply(const ShareFlags& flags, Share& share) {
  if (!flags.render_node.empty()) share.render_node = flags.render_node;
  if (!flags.session_dir.empty()) share.session_dir = flags.session_dir;
  if (flags.video_memory_bytes) share.video_memory_bytes = *flags.video_memory_bytes;
}

absl::StatusOr<std::vector<Share>> FromFlags(const ShareFlags& flags) {
  if (flags.share.empty()) {
    return absl::NotFoundError(absl::StrCat(
        "no share: ", share_env::kShareIds,
        " is not set, so Allocate gave this container none; request rendercar.dev/render in the "
        "container's limits, or by hand pass --share=ID --render-node=PATH (or 'software')"));
  }
  RC_RETURN_IF_ERROR(CheckId(flags.share));
  Share share{flags.share, share_env::kSoftwareNode, "", 0};
  Apply(flags, share);
  return std::vector<Share>{share};
}

}  // namespace

absl::StatusOr<std::vector<Share>> SharesFromEnvironment(const Environment& environment) {
  RC_RETURN_IF_ERROR(CheckVersion(environment));
  const std::vector<std::string> ids = List(ValueOf(environment, share_env::kShareIds));
  RC_RETURN_IF_ERROR(CheckIds(ids));
  RC_ASSIGN_OR_RETURN(const auto nodes, ListOf(environment, share_env::kRenderNodes, ids.size()));
  RC_ASSIGN_OR_RETURN(const auto dirs, ListOf(environment, share_env::kSessionDirs, ids.size()));
  RC_ASSIGN_OR_RETURN(const auto limits,
                      ListOf(environment, share_env::kVideoMemoryBytes, ids.size()));
  std::vector<Share> shares;
  for (size_t i = 0; i < ids.size(); ++i) {
    RC_ASSIGN_OR_RETURN(const uint64_t bytes, ParseBytes(limits[i]));
    if (nodes[i].empty()) {
      return absl::InvalidArgumentError(absl::StrCat(share_env::kRenderNodes,
                                                     " names no render node for share '", ids[i],
                                                     "'; update the node agent"));
    }
    shares.push_back({ids[i], nodes[i], dirs[i], bytes});
  }
  return shares;
}

absl::StatusOr<std::vector<Share>> ResolveShares(const Environment& environment,
                                                 const ShareFlags& flags) {
  RC_ASSIGN_OR_RETURN(std::vector<Share> shares, SharesFromEnvironment(environment));
  if (shares.empty()) return FromFlags(flags);
  if (!flags.share.empty()) {
    RC_ASSIGN_OR_RETURN(const Share share, Pick(shares, flags.share));
    shares = {share};
  }
  if (shares.size() > 1 && (!flags.session_dir.empty() || !flags.render_node.empty())) {
    return absl::InvalidArgumentError(
        absl::StrCat("--render-node and --session-dir mean one share, but Allocate gave ",
                     Ids(shares), "; name the share with --share"));
  }
  for (Share& share : shares) Apply(flags, share);
  return shares;
}

}  // namespace rendercar::sidecar
