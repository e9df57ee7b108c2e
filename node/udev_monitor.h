// Tells at once when the kernel adds, removes or changes a DRM device.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <libudev.h>

#include <memory>
#include <string>

#include "common/event_loop.h"
#include "common/status.h"

namespace rendercar::node {

struct DrmEvent {
  std::string action;       // "add", "remove", "change", ...
  std::string name;         // "renderD128", "card0"
  std::string device_path;  // sysfs directory of the device below; empty when it is gone
  // WEDGED property of drm_dev_wedged_event: how to recover ("none", "rebind", "bus-reset"); empty:
  // not about that.
  std::string wedged;
  bool reset = false;  // the driver has reset the GPU (RESET=1), which may end sessions' contexts
};

// Events are a hint only: they may be lost, and containers without the host's network get none from
// udevd; the periodic scan finds out anyway. Loop only.
class UdevMonitor {
 public:
  using Handler = absl::AnyInvocable<void(const DrmEvent& event)>;

  // Unavailable when the system gives no event socket.
  static absl::StatusOr<std::unique_ptr<UdevMonitor>> Start(EventLoop& loop, Handler handler);
  ~UdevMonitor();

 private:
  struct Release {
    void operator()(udev* context) const { ::udev_unref(context); }
    void operator()(udev_monitor* monitor) const { ::udev_monitor_unref(monitor); }
    void operator()(udev_device* device) const { ::udev_device_unref(device); }
  };

  UdevMonitor(EventLoop& loop, Handler handler) : loop_(loop), handler_(std::move(handler)) {}
  absl::Status Open();
  void Receive();

  EventLoop& loop_;
  Handler handler_;
  std::unique_ptr<udev, Release> udev_;
  std::unique_ptr<udev_monitor, Release> monitor_;
};

}  // namespace rendercar::node
