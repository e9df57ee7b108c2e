// The configuration file of the node agent: YAML, checked key by key.
// SPDX-License-Identifier: Apache-2.0
#include "node/config_file.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>

#include "node/yaml_reader.h"

namespace rendercar::node {
namespace {

constexpr char kApiVersion[] = "rendercar.dev/v1alpha1";
constexpr char kKind[] = "NodeConfig";

const std::map<std::string, SoftwareMode>& SoftwareWords() {
  static const std::map<std::string, SoftwareMode> words{{"auto", SoftwareMode::kAuto},
                                                         {"always", SoftwareMode::kAlways},
                                                         {"never", SoftwareMode::kNever}};
  return words;
}

const std::map<std::string, Placement>& PlacementWords() {
  static const std::map<std::string, Placement> words{{"packed", Placement::kPacked},
                                                      {"spread", Placement::kSpread}};
  return words;
}

const std::map<std::string, Fairness>& FairnessWords() {
  static const std::map<std::string, Fairness> words{{"none", Fairness::kNone},
                                                     {"shares", Fairness::kShares}};
  return words;
}

template <typename T>
std::string WordFor(const std::map<std::string, T>& words, T value) {
  for (const auto& [word, v] : words) {
    if (v == value) return word;
  }
  return "";
}

bool IsResourceName(const std::string& name) {
  const size_t slash = name.find('/');
  return slash != std::string::npos && slash > 0 && slash + 1 < name.size() && name.size() <= 253 &&
         name.find('/', slash + 1) == std::string::npos &&
         name.find("kubernetes.io/") == std::string::npos &&
         name.find_first_not_of(
             "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/") ==
             std::string::npos;
}

// "1002:73bf", or "1002:*".
bool IsPciId(const std::string& id) {
  constexpr char kHex[] = "0123456789abcdefABCDEF";
  if (id.size() < 6 || id[4] != ':' || id.find_first_not_of(kHex) != 4) return false;
  const std::string device = id.substr(5);
  return device == "*" ||
         (device.size() == 4 && device.find_first_not_of(kHex) == std::string::npos);
}

void ReadSelector(YamlMap& parent, const char* key, NodeSelector& selector, bool all_must_hold) {
  const auto node = parent.Map(key);
  if (!node) return;
  YamlMap map(*node, parent.PathOf(key) + ".", parent.errors());
  map.Read("drivers", selector.drivers);
  map.Read("pciIds", "VENDOR:DEVICE or VENDOR:*, four hexadecimal digits each", IsPciId,
           selector.pci_ids);
  map.Read("addresses", selector.addresses);
  map.ReadBytes("minVideoMemory", selector.min_video_memory_bytes);
  map.ReadBytes("maxVideoMemory", selector.max_video_memory_bytes);
  if (all_must_hold && selector.max_video_memory_bytes != 0 &&
      selector.min_video_memory_bytes > selector.max_video_memory_bytes)
    map.Wrong("minVideoMemory", "no more than maxVideoMemory, so that a render node can be taken");
  if (map.Has("software")) map.Read("software", selector.software.emplace());
  for (std::string& id : selector.pci_ids) {
    std::transform(id.begin(), id.end(), id.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  }
}

// What the backend takes for a limit, which ends with a usage error otherwise.
std::pair<uint64_t, uint64_t> RangeOf(const std::string& limit) {
  if (limit == "renderer-time") return {1, 100};
  if (limit == "watchdog-ms") return {100, 3'600'000};
  if (limit == "display-bandwidth" || limit == "renderer-memory") return {0, UINT64_MAX};
  return {limit == "renderer-deaths" || limit == "in-flight" ? 1 : 0, UINT32_MAX};
}

void ReadLimits(YamlMap& parent, std::map<std::string, uint64_t>& limits) {
  const auto node = parent.Map("limits");
  if (!node) return;
  YamlMap map(*node, parent.PathOf("limits."), parent.errors());
  for (const char* name : share_env::kLimitNames) {
    const auto [min, max] = RangeOf(name);
    if (map.Has(name)) map.ReadBytes(name, min, max, limits[name]);
  }
}

void ReadFailover(YamlMap& parent, Failover& failover) {
  const auto node = parent.Map("failover");
  if (!node) return;
  YamlMap map(*node, parent.PathOf("failover."), parent.errors());
  map.Read("nodes", failover.nodes);
  map.Read("software", failover.software);
}

ResourceConfig ReadResource(YamlMap& map) {
  ResourceConfig resource;
  map.Read("name", resource.name);
  if (!IsResourceName(resource.name)) {
    map.Wrong("name", "DOMAIN/NAME outside kubernetes.io");
  }
  ReadSelector(map, "select", resource.select, true);
  ReadSelector(map, "deny", resource.deny, false);
  resource.sizes.even =
      map.ReadBytesOr("videoMemoryPerShare", "even", resource.sizes.video_memory_bytes);
  if (resource.sizes.video_memory_bytes != 0) resource.sizes.replicas = 0;
  map.ReadNumber("replicas", 1, kMaxReplicas, resource.sizes.replicas);
  map.Read("overcommit", resource.sizes.overcommit);
  map.ReadNumber("maxSharesPerContainer", 1, 64, resource.max_shares_per_container);
  map.Read("allowSameNode", resource.allow_same_node);
  map.ReadWord("placement", PlacementWords(), resource.placement);
  ReadLimits(map, resource.limits);
  map.ReadWord("fairness", FairnessWords(), resource.fairness);
  ReadFailover(map, resource.failover);
  map.Read("upgradeDirectory", resource.upgrade_dir);
  if (!resource.upgrade_dir.empty() && resource.upgrade_dir[0] != '/')
    map.Wrong("upgradeDirectory", "an absolute path of the host");
  return resource;
}

void ReadResources(YamlMap& map, Config& config) {
  if (!map.Has("resources")) return;
  config.resources.clear();
  std::set<std::string> names;
  for (const YAML::Node& node : map.Maps("resources")) {
    const std::string path = map.PathOf(fmt::format("resources[{}].", config.resources.size()));
    YamlMap resource(node, path, map.errors());
    config.resources.push_back(ReadResource(resource));
    if (!names.insert(config.resources.back().name).second) {
      resource.Wrong("name", "a name that no other resource has");
    }
  }
}

void ReadHealth(YamlMap& parent, CrashLimit& limit) {
  const auto node = parent.Map("health");
  if (!node) return;
  YamlMap map(*node, parent.PathOf("health."), parent.errors());
  map.ReadNumber("crashes", 0, 1'000'000, limit.crashes);
  map.ReadNumber("crashPods", 1, 1000, limit.pods);
  uint32_t seconds = static_cast<uint32_t>(limit.window.count());
  map.ReadNumber("crashWindowSeconds", 1, 86'400, seconds);
  limit.window = std::chrono::seconds(seconds);
}

void ReadDocument(YamlMap& map, Config& config) {
  std::string version;
  std::string kind;
  map.Read("apiVersion", version);
  map.Read("kind", kind);
  if (version != kApiVersion) map.Wrong("apiVersion", kApiVersion);
  if (kind != kKind) map.Wrong("kind", kKind);
  map.ReadWord("software", SoftwareWords(), config.software);
  ReadResources(map, config);
  map.Read("drain", config.drain);
  ReadHealth(map, config.crash_limit);
  if (map.Has("sessionOwner")) {
    map.ReadNumber("sessionOwner", 0, 4'000'000'000U, config.session_owner.emplace());
  }
  map.Read("cdiDirectory", config.cdi_dir);
  map.Read("nfdDirectory", config.nfd_dir);
}

// Quoted: readers of YAML 1.1 take a PCI address for a number in base 60.
void EmitList(YAML::Emitter& out, const char* key, const std::vector<std::string>& values) {
  if (values.empty()) return;
  out << YAML::Key << key << YAML::Value << YAML::Flow << YAML::BeginSeq;
  for (const std::string& value : values) out << YAML::DoubleQuoted << value;
  out << YAML::EndSeq;
}

void EmitHealth(YAML::Emitter& out, const CrashLimit& limit) {
  if (limit == CrashLimit{}) return;
  out << YAML::Key << "health" << YAML::Value << YAML::BeginMap;
  out << YAML::Key << "crashes" << YAML::Value << limit.crashes;
  out << YAML::Key << "crashPods" << YAML::Value << limit.pods;
  out << YAML::Key << "crashWindowSeconds" << YAML::Value << limit.window.count();
  out << YAML::EndMap;
}

void EmitSelector(YAML::Emitter& out, const char* key, const NodeSelector& selector) {
  if (selector == NodeSelector{}) return;
  out << YAML::Key << key << YAML::Value << YAML::BeginMap;
  EmitList(out, "drivers", selector.drivers);
  EmitList(out, "pciIds", selector.pci_ids);
  EmitList(out, "addresses", selector.addresses);
  if (selector.min_video_memory_bytes != 0) {
    out << YAML::Key << "minVideoMemory" << YAML::Value << selector.min_video_memory_bytes;
  }
  if (selector.max_video_memory_bytes != 0) {
    out << YAML::Key << "maxVideoMemory" << YAML::Value << selector.max_video_memory_bytes;
  }
  if (selector.software) out << YAML::Key << "software" << YAML::Value << *selector.software;
  out << YAML::EndMap;
}

void EmitPolicy(YAML::Emitter& out, const ResourceConfig& resource) {
  out << YAML::Key << "fairness" << YAML::Value << WordFor(FairnessWords(), resource.fairness);
  if (!resource.limits.empty()) {
    out << YAML::Key << "limits" << YAML::Value << YAML::BeginMap;
    for (const auto& [name, value] : resource.limits)
      out << YAML::Key << name << YAML::Value << value;
    out << YAML::EndMap;
  }
  if (!resource.upgrade_dir.empty())
    out << YAML::Key << "upgradeDirectory" << YAML::Value << resource.upgrade_dir;
  if (resource.failover == Failover{}) return;
  out << YAML::Key << "failover" << YAML::Value << YAML::BeginMap;
  out << YAML::Key << "nodes" << YAML::Value << resource.failover.nodes;
  out << YAML::Key << "software" << YAML::Value << resource.failover.software << YAML::EndMap;
}

void EmitResource(YAML::Emitter& out, const ResourceConfig& resource) {
  out << YAML::BeginMap << YAML::Key << "name" << YAML::Value << resource.name;
  EmitSelector(out, "select", resource.select);
  EmitSelector(out, "deny", resource.deny);
  if (resource.sizes.replicas != 0) {
    out << YAML::Key << "replicas" << YAML::Value << resource.sizes.replicas;
  }
  if (resource.sizes.video_memory_bytes != 0) {
    out << YAML::Key << "videoMemoryPerShare" << YAML::Value << resource.sizes.video_memory_bytes;
  }
  if (resource.sizes.even) {
    out << YAML::Key << "videoMemoryPerShare" << YAML::Value << "even";
  }
  out << YAML::Key << "overcommit" << YAML::Value << resource.sizes.overcommit;
  out << YAML::Key << "maxSharesPerContainer" << YAML::Value << resource.max_shares_per_container;
  out << YAML::Key << "allowSameNode" << YAML::Value << resource.allow_same_node;
  out << YAML::Key << "placement" << YAML::Value << WordFor(PlacementWords(), resource.placement);
  EmitPolicy(out, resource);
  out << YAML::EndMap;
}

}  // namespace

absl::Status CheckNames(const Config& config) {
  std::set<std::string> names;
  for (const ResourceConfig& resource : config.resources) {
    if (!IsResourceName(resource.name)) {
      return absl::InvalidArgumentError(
          fmt::format("resource '{}' has no name that the kubelet takes; write DOMAIN/NAME outside "
                      "kubernetes.io (--resource, RENDERCAR_NODE_RESOURCE)",
                      resource.name));
    }
    if (!names.insert(resource.name).second) {
      return absl::InvalidArgumentError(
          fmt::format("two resources are called '{}'; --resource (RENDERCAR_NODE_RESOURCE) renames "
                      "the first of the configuration file",
                      resource.name));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Config> ParseConfig(const std::string& text, const std::string& file) {
  YAML::Node root;
  try {
    root = YAML::Load(text);
  } catch (const YAML::Exception& error) {
    return absl::DataLossError(
        fmt::format("{}:{}: this is no YAML: {}", file, error.mark.line + 1, error.msg));
  }
  YamlMap::Errors errors{.file = file};
  Config config;
  if (!root.IsMap()) {
    return absl::DataLossError(fmt::format(
        "{}:1: expected a map with apiVersion, kind and resources, found something else", file));
  }
  try {
    YamlMap map(root, "", errors);
    ReadDocument(map, config);
  } catch (const YAML::Exception& error) {
    return absl::DataLossError(fmt::format("{}:{}: {}", file, error.mark.line + 1, error.msg));
  }
  if (!errors.first.ok()) return errors.first;
  return config;
}

absl::StatusOr<std::string> ReadConfigFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    return ErrnoStatus(errno, fmt::format("cannot read the configuration file '{}'", path));
  }
  std::string text(kMaxConfigBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(file.gcount()));
  if (text.size() > kMaxConfigBytes) {
    return absl::DataLossError(
        fmt::format("{}:1: the file is larger than {} bytes", path, kMaxConfigBytes));
  }
  return text;
}

std::string PrintConfig(const Config& config) {
  YAML::Emitter out;
  out << YAML::BeginMap << YAML::Key << "apiVersion" << YAML::Value << kApiVersion;
  out << YAML::Key << "kind" << YAML::Value << kKind;
  out << YAML::Key << "software" << YAML::Value << WordFor(SoftwareWords(), config.software);
  if (config.session_owner) {
    out << YAML::Key << "sessionOwner" << YAML::Value << *config.session_owner;
  }
  if (!config.cdi_dir.empty()) out << YAML::Key << "cdiDirectory" << YAML::Value << config.cdi_dir;
  if (!config.nfd_dir.empty()) out << YAML::Key << "nfdDirectory" << YAML::Value << config.nfd_dir;
  EmitList(out, "drain", config.drain);
  EmitHealth(out, config.crash_limit);
  out << YAML::Key << "resources" << YAML::Value << YAML::BeginSeq;
  for (const ResourceConfig& resource : config.resources) EmitResource(out, resource);
  out << YAML::EndSeq << YAML::EndMap;
  return std::string(out.c_str()) + "\n";
}

}  // namespace rendercar::node
