// Tells at once when the kernel adds, removes or changes a DRM device.
// SPDX-License-Identifier: Apache-2.0
#include "node/udev_monitor.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <utility>

namespace rendercar::node {
namespace {

std::string OrEmpty(const char* text) { return text == nullptr ? "" : text; }

DrmEvent ToEvent(udev_device* device) {
  DrmEvent event;
  event.action = OrEmpty(::udev_device_get_action(device));
  event.name = OrEmpty(::udev_device_get_sysname(device));
  event.wedged = OrEmpty(::udev_device_get_property_value(device, "WEDGED"));
  event.reset = OrEmpty(::udev_device_get_property_value(device, "RESET")) == "1";
  // The parent belongs to `device` and is not released.
  udev_device* parent = ::udev_device_get_parent(device);
  if (parent != nullptr) event.device_path = OrEmpty(::udev_device_get_syspath(parent));
  return event;
}

// udevd passes events on when it is done with them (device files exist then); where none runs the
// kernel's own are the ones.
const char* Source() { return ::access("/run/udev/control", F_OK) == 0 ? "udev" : "kernel"; }

}  // namespace

absl::StatusOr<std::unique_ptr<UdevMonitor>> UdevMonitor::Start(EventLoop& loop, Handler handler) {
  std::unique_ptr<UdevMonitor> monitor(new UdevMonitor(loop, std::move(handler)));
  RC_RETURN_IF_ERROR(monitor->Open());
  return monitor;
}

absl::Status UdevMonitor::Open() {
  udev_.reset(::udev_new());
  if (udev_ != nullptr) monitor_.reset(::udev_monitor_new_from_netlink(udev_.get(), Source()));
  if (monitor_ == nullptr ||
      ::udev_monitor_filter_add_match_subsystem_devtype(monitor_.get(), "drm", nullptr) < 0 ||
      ::udev_monitor_enable_receiving(monitor_.get()) < 0) {
    monitor_.reset();
    return absl::UnavailableError("the system gives no device events");
  }
  loop_.Watch(::udev_monitor_get_fd(monitor_.get()), EPOLLIN, [this](uint32_t) { Receive(); });
  return absl::OkStatus();
}

UdevMonitor::~UdevMonitor() {
  if (monitor_ != nullptr) loop_.Unwatch(::udev_monitor_get_fd(monitor_.get()));
}

void UdevMonitor::Receive() {
  const std::unique_ptr<udev_device, Release> device(::udev_monitor_receive_device(monitor_.get()));
  if (device != nullptr) handler_(ToEvent(device.get()));
}

}  // namespace rendercar::node
