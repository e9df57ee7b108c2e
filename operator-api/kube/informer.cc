// Keeps a copy of a collection.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/kube/informer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "common/log.h"

namespace rendercar::kube {
namespace {

// The server ends a watch after this; a new one goes on where it stopped.
constexpr int kWatchSeconds = 290;
// Watches that a server ends at once are not asked for in a loop.
constexpr std::chrono::milliseconds kLeastPeriod(500);
constexpr std::chrono::seconds kWatchPatience(kWatchSeconds + 30);

std::string KeyOf(const Json& object) {
  const std::string ns = Text(object, {"metadata", "namespace"});
  const std::string name = Text(object, {"metadata", "name"});
  return ns.empty() ? name : ns + "/" + name;
}

}  // namespace

Informer::Informer(ApiClient& client, std::string path, std::string selector,
                   std::function<void()> changed)
    : client_(client),
      path_(std::move(path)),
      selector_(std::move(selector)),
      changed_(std::move(changed)) {}

void Informer::Run() {
  bool goes_on = true;
  while (goes_on) {
    const auto started = std::chrono::steady_clock::now();
    const auto pause = Step() ? kLeastPeriod : Backoff(failures_);
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::chrono::steady_clock::now() - started);
    goes_on = client_.Pause(std::max(pause - took, std::chrono::milliseconds(0)));
  }
}

bool Informer::Step() {
  absl::Status status = version_.empty() ? Relist() : absl::OkStatus();
  if (status.ok()) status = Watch();
  if (absl::IsOutOfRange(status)) {
    log::Info("the watch is too old; listing anew", {{"path", path_}});
    version_.clear();
    status = absl::OkStatus();
  }
  Fail(status);
  return status.ok();
}

void Informer::Fail(const absl::Status& status) {
  failures_ = status.ok() ? 0 : failures_ + 1;
  if (failures_ == 1)
    log::Warning("cannot watch the API server; trying on",
                 {{"path", path_}, {"error", std::string(status.message())}});
  const std::lock_guard lock(mutex_);
  last_error_ = status;
}

absl::Status Informer::Relist() {
  RC_ASSIGN_OR_RETURN(const List list, client_.ListAll(path_, selector_));
  {
    const std::lock_guard lock(mutex_);
    objects_.clear();
    for (const Json& item : list.items) objects_[KeyOf(item)] = item;
    synced_ = true;
    ++lists_;
    last_error_ = absl::OkStatus();
  }
  version_ = list.resource_version;
  changed_();
  return absl::OkStatus();
}

absl::Status Informer::Watch() {
  watch_error_ = absl::OkStatus();
  const Request request{
      .path = fmt::format("{}?watch=true&allowWatchBookmarks=true&timeoutSeconds={}"
                          "&resourceVersion={}{}",
                          path_, kWatchSeconds, version_, selector_.empty() ? "" : "&" + selector_),
      .timeout = kWatchPatience};
  const auto response =
      client_.transport().Stream(request, [this](const std::string& line) { return OnLine(line); });
  RC_RETURN_IF_ERROR(response.status());
  if (response->status == 429 && response->retry_after_s > 0)
    client_.Pause(std::chrono::seconds(response->retry_after_s));
  RC_RETURN_IF_ERROR(StatusOf(*response));
  return watch_error_;
}

bool Informer::OnLine(const std::string& line) {
  const Json event = Parse(line);
  const std::string type = Text(event, {"type"});
  const Json& object = At(event, {"object"});
  if (!object.is_object() || type.empty()) {
    watch_error_ = absl::UnavailableError("a line of the watch is no event");
    return false;
  }
  if (type == "ERROR") return OnError(object);
  const std::string version = Text(object, {"metadata", "resourceVersion"});
  if (!version.empty()) version_ = version;
  if (type == "BOOKMARK") return true;
  Store(type, object);
  changed_();
  return true;
}

bool Informer::OnError(const Json& status) {
  const Response response{.status = static_cast<long>(Number(status, {"code"}, 500)),
                          .body = Dump(status)};
  watch_error_ = StatusOf(response);
  return false;
}

void Informer::Store(const std::string& type, const Json& object) {
  const std::lock_guard lock(mutex_);
  if (type == "DELETED") {
    objects_.erase(KeyOf(object));
  } else {
    objects_[KeyOf(object)] = object;
  }
}

std::optional<Informer::Objects> Informer::Snapshot() const {
  const std::lock_guard lock(mutex_);
  if (!synced_) return std::nullopt;
  return objects_;
}

uint64_t Informer::lists() const {
  const std::lock_guard lock(mutex_);
  return lists_;
}

absl::Status Informer::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

}  // namespace rendercar::kube
