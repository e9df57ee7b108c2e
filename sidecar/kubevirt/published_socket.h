// A socket that others find under its name only once it is served.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "common/status.h"

namespace rendercar::sidecar {

class PublishedSocket {
 public:
  PublishedSocket() = default;
  PublishedSocket(PublishedSocket&& other) noexcept;
  PublishedSocket& operator=(PublishedSocket&& other) noexcept;
  ~PublishedSocket();

  // Renames the socket at `bound`, which somebody listens on, to `path` on the same file system; a
  // socket that a former process left there is replaced. `path` goes with this object.
  static absl::StatusOr<PublishedSocket> Publish(const std::string& bound, const std::string& path);

  const std::string& path() const { return path_; }

 private:
  explicit PublishedSocket(std::string path) : path_(std::move(path)) {}
  void Remove();

  std::string path_;
};

// Removes the sockets of UniqueSocketName that earlier containers left in `dir`, which is this
// container's own: virt-launcher would dial each of them for 2 s in every scan.
void RemoveLeftSockets(const std::string& dir);

// "rendercar-0123abcd.sock": virt-launcher tells the sockets of all sidecars apart by file name.
std::string UniqueSocketName();

}  // namespace rendercar::sidecar
