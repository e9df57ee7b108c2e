// rendercar-node as a program, with everything below a temporary directory, for tests.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>

#include "common/subprocess.h"
#include "common/temp_dir.h"

namespace rendercar::node {

class ProgramTest : public ::testing::Test {
 protected:
  ProgramTest() { std::filesystem::create_directory(dir_ / "kubelet"); }

  // Starts `command` in a shell that becomes it; its output goes to files.
  Subprocess Start(const std::string& command) {
    auto child = Subprocess::Start(
        {.argv = {"/bin/sh", "-c",
                  "exec " + command + " >" + (dir_ / "stdout") + " 2>" + (dir_ / "stderr")}});
    EXPECT_TRUE(child.ok()) << child.status();
    return child.ok() ? *std::move(child) : Subprocess();
  }
  int Run(const std::string& command) {
    const auto end = Start(command).Wait(std::chrono::seconds(60));
    return end.has_value() && end->kind == ChildEnd::Kind::kExited ? end->code : -1;
  }
  // rendercar-node with everything below the test's directory.
  std::string Node(const std::string& flags) { return Node(flags, dir_ / "kubelet"); }
  std::string Node(const std::string& flags, const std::string& kubelet_dir) {
    return std::string(RENDERCAR_NODE_PROGRAM) + " --kubelet-dir=" + kubelet_dir +
           " --session-root=" + (dir_ / "sessions") + " --sysfs-root=" + (dir_ / "sys") +
           " --pod-resources-socket=" + (dir_ / "none") + " --metrics-address=127.0.0.1:0 " + flags;
  }
  std::string Read(const std::string& file) {
    std::ifstream stream(dir_ / file);
    return {std::istreambuf_iterator<char>(stream), {}};
  }
  void WaitForText(const std::string& file, const std::string& text) {
    while (Read(file).find(text) == std::string::npos) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  }

  TempDir dir_;
};

}  // namespace rendercar::node
