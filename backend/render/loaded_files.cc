// Which files this process has loaded code from.
// SPDX-License-Identifier: Apache-2.0
#include "backend/render/loaded_files.h"

#include <link.h>

#include <algorithm>
#include <filesystem>

namespace rendercar::render {

std::vector<std::string> LoadedFiles() {
  std::vector<std::string> files;
  ::dl_iterate_phdr(
      [](dl_phdr_info* info, size_t, void* out) {
        // The program itself has no name here, the vdso no path.
        if (info->dlpi_name != nullptr && info->dlpi_name[0] == '/')
          static_cast<std::vector<std::string>*>(out)->emplace_back(info->dlpi_name);
        return 0;
      },
      &files);
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (!error) files.push_back(self.string());
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  return files;
}

}  // namespace rendercar::render
