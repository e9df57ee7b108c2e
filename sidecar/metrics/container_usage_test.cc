// Readers of both cgroup versions, against described trees of files.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/metrics/container_usage.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"

namespace rendercar::sidecar {
namespace {

class ContainerUsageTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& content) {
    const std::filesystem::path path = dir_ / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << content;
  }
  ContainerUsage Read() { return ReadContainerUsage(dir_ / "cgroup", dir_ / "self"); }

  const TempDir dir_;
};

TEST_F(ContainerUsageTest, version_2_in_a_cgroup_namespace) {
  Write("self", "0::/\n");
  Write("cgroup/memory.current", "1000\n");
  Write("cgroup/memory.max", "2000\n");
  Write("cgroup/cpu.stat", "usage_usec 1500000\nuser_usec 1\n");
  const ContainerUsage usage = Read();
  EXPECT_EQ(usage.memory_bytes, 1000U);
  EXPECT_EQ(usage.memory_limit_bytes, 2000U);
  EXPECT_EQ(usage.cpu_seconds, 1.5);
}

TEST_F(ContainerUsageTest, version_2_pressure) {
  Write("self", "0::/\n");
  Write("cgroup/memory.current", "1000\n");
  Write("cgroup/cpu.pressure",
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n"
        "full avg10=0.00 avg60=0.00 avg300=0.00 total=1\nnew words\n");
  Write("cgroup/io.pressure", "some avg10=0.00 avg60=0.00 avg300=0.00 total=x\n");
  const ContainerUsage usage = Read();
  ASSERT_EQ(usage.pressure.size(), 2U);
  EXPECT_EQ(usage.pressure[0].resource, "cpu");
  EXPECT_EQ(usage.pressure[0].tasks, "some");
  EXPECT_EQ(usage.pressure[0].seconds, 2.5);
  EXPECT_EQ(usage.pressure[1].tasks, "full");
}

TEST_F(ContainerUsageTest, version_2_with_a_path_and_no_limit) {
  Write("self", "0::/pod/c1\n");
  Write("cgroup/pod/c1/memory.current", "7\n");
  Write("cgroup/pod/c1/memory.max", "max\n");
  const ContainerUsage usage = Read();
  EXPECT_EQ(usage.memory_bytes, 7U);
  EXPECT_FALSE(usage.memory_limit_bytes.has_value());
}

TEST_F(ContainerUsageTest, version_1_where_the_mount_shows_only_the_own_part) {
  Write("self", "5:memory:/kubepods/pod1/c1\n3:cpu,cpuacct:/kubepods/pod1/c1\n");
  Write("cgroup/memory/memory.usage_in_bytes", "5\n");
  Write("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  Write("cgroup/cpuacct/cpuacct.usage", "2500000000\n");
  const ContainerUsage usage = Read();
  EXPECT_EQ(usage.memory_bytes, 5U);
  EXPECT_FALSE(usage.memory_limit_bytes.has_value());
  EXPECT_EQ(usage.cpu_seconds, 2.5);
}

TEST_F(ContainerUsageTest, nothing_readable_means_nothing_told) {
  const ContainerUsage usage = Read();
  EXPECT_FALSE(usage.memory_bytes || usage.memory_limit_bytes || usage.cpu_seconds);
}

}  // namespace
}  // namespace rendercar::sidecar
