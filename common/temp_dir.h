// A directory for one test, removed with all its content afterwards.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

#include "common/status.h"

namespace rendercar {

class TempDir {
 public:
  TempDir() {
    char name[] = "/tmp/rendercar-test-XXXXXX";
    RC_CHECK(::mkdtemp(name) != nullptr, "tests need a writable /tmp");
    path_ = name;
  }
  ~TempDir() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace rendercar
