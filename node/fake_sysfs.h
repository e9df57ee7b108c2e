// A sysfs tree and device files under a temporary root, as the kernel lays them out, for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "common/temp_dir.h"
#include "node/inventory.h"

namespace rendercar::node {

class FakeSysfs {
 public:
  FakeSysfs() {
    std::filesystem::create_directories(dir_ / "sys/class/drm");
    std::filesystem::create_directories(dir_ / "dev/dri");
  }

  InventoryRoots roots() const { return {dir_ / "sys", dir_ / "dev"}; }

  struct Pci {
    std::string address = "0000:03:00.0";
    std::string driver = "amdgpu";
    std::string vendor = "0x1002";
    std::string device = "0x73bf";
    std::string numa_node = "0";
  };
  // A GPU on the PCI bus with the render node `number`.
  void AddPci(int number, const Pci& pci) {
    const std::string device = "devices/pci0000:00/" + pci.address;
    MakePci(device, pci);
    AddNode(number, device);
  }
  // A virtio GPU: its DRM device hangs below a virtio device below a PCI function.
  void AddVirtio(int number, const std::string& address) {
    const std::string function = "devices/pci0000:00/" + address;
    MakePci(function, {address, "virtio-pci", "0x1af4", "0x1050", "-1"});
    MakeDevice(function + "/virtio0", "virtio", "virtio_gpu");
    AddNode(number, function + "/virtio0");
  }
  // A device without a bus address, like vgem.
  void AddPlatform(int number, const std::string& name) {
    MakeDevice("devices/platform/" + name, "platform", "");
    AddNode(number, "devices/platform/" + name);
  }
  void Remove(int number) {
    const std::string name = "renderD" + std::to_string(number);
    std::filesystem::remove(dir_ / ("sys/class/drm/" + name));
    RemoveDeviceFile(number);
  }
  // Puts back what Remove took from the device at `device` ("devices/...").
  void Restore(int number, const std::string& device) {
    const std::string name = "renderD" + std::to_string(number);
    Link(device + "/drm/" + name, "class/drm/" + name);
    AddDeviceFile(number);
  }
  void RemoveDeviceFile(int number) { std::filesystem::remove(DeviceFile(number)); }
  void AddDeviceFile(int number) { std::ofstream(DeviceFile(number)) << ""; }
  // Something that cannot be opened for writing, by root neither.
  void AddDeviceDirectory(int number) { std::filesystem::create_directory(DeviceFile(number)); }
  // Makes its directory too.
  void Write(const std::string& file, const std::string& line) {
    const std::filesystem::path path = dir_ / ("sys/" + file);
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << line << "\n";
  }

 private:
  std::string DeviceFile(int number) const {
    return dir_ / ("dev/dri/renderD" + std::to_string(number));
  }
  void MakeDevice(const std::string& device, const std::string& bus, const std::string& driver) {
    std::filesystem::create_directories(dir_ / ("sys/" + device));
    Link("bus/" + bus, device + "/subsystem");
    if (!driver.empty()) Link("bus/" + bus + "/drivers/" + driver, device + "/driver");
  }
  void MakePci(const std::string& device, const Pci& pci) {
    MakeDevice(device, "pci", pci.driver);
    Write(device + "/vendor", pci.vendor);
    Write(device + "/device", pci.device);
    Write(device + "/numa_node", pci.numa_node);
  }
  void AddNode(int number, const std::string& device) {
    const std::string name = "renderD" + std::to_string(number);
    const std::string node = device + "/drm/" + name;
    std::filesystem::create_directories(dir_ / ("sys/" + node));
    Link(device, node + "/device");
    Write(node + "/dev", "226:" + std::to_string(number));
    Link(node, "class/drm/" + name);
    AddDeviceFile(number);
  }
  // A relative link below sys/, as in the real sysfs.
  void Link(const std::string& target, const std::string& link) {
    const std::filesystem::path at = dir_ / ("sys/" + link);
    std::filesystem::create_directories(dir_ / ("sys/" + target));
    const auto relative =
        std::filesystem::path(dir_ / ("sys/" + target)).lexically_relative(at.parent_path());
    std::filesystem::create_directory_symlink(relative, at);
  }

  TempDir dir_;
};

}  // namespace rendercar::node
