// A tar archive (POSIX ustar) of plain files, in memory.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <ctime>
#include <string>

namespace rendercar::ctl {

struct TarFile {
  std::string name;  // below the archive's folder; together at most 100 bytes
  std::string content;
};

class TarWriter {
 public:
  // Files are `folder`/name, of mode 0600, as if changed at `time`.
  TarWriter(std::string folder, std::time_t time) : folder_(std::move(folder)), time_(time) {}

  void Add(const TarFile& file);
  std::string Finish() &&;

 private:
  const std::string folder_;
  const std::time_t time_;
  std::string bytes_;
};

}  // namespace rendercar::ctl
