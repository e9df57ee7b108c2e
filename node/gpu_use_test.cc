// GPU use of sessions: the kernel's texts as several drivers write them, and whose processes count.
// SPDX-License-Identifier: Apache-2.0
#include "node/gpu_use.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "common/temp_dir.h"

namespace rendercar::node {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

// As amdgpu (6.1), xe and panfrost (6.8) write it.
constexpr char kAmdgpu[] =
    "pos:\t0\nflags:\t02100002\nmnt_id:\t23\nino:\t1150\ndrm-driver:\tamdgpu\n"
    "drm-pdev:\t0000:03:00.0\ndrm-client-id:\t17\npasid:\t32770\n"
    "drm-memory-vram:\t43148 KiB\ndrm-memory-gtt: \t2048 KiB\ndrm-memory-cpu: \t0 KiB\n"
    "drm-engine-gfx:\t8412345678 ns\ndrm-engine-compute:\t0 ns\n";
constexpr char kXe[] =
    "pos:\t0\ndrm-driver:\txe\ndrm-client-id:\t9\ndrm-pdev:\t0000:00:02.0\n"
    "drm-total-system:\t0\ndrm-shared-system:\t0\ndrm-total-vram0:\t23 MiB\n"
    "drm-resident-vram0:\t22 MiB\ndrm-resident-system:\t0\n"
    "drm-cycles-rcs:\t28257900\ndrm-total-cycles-rcs:\t7655183225\n";
constexpr char kPanfrost[] =
    "drm-driver:\tpanfrost\ndrm-client-id:\t4\ndrm-engine-fragment:\t1846584880 ns\n"
    "drm-cycles-fragment:\t1424359409\ndrm-engine-capacity-fragment:\t2\n"
    "drm-resident-memory:\t88 MiB\n";

TEST(FdinfoTest, an_older_driver_tells_memory_and_engines) {
  const auto client = ParseFdinfo(kAmdgpu);
  ASSERT_TRUE(client.has_value());
  EXPECT_EQ(client->driver, "amdgpu");
  EXPECT_EQ(client->device, "0000:03:00.0");
  EXPECT_EQ(client->id, 17u);
  EXPECT_THAT(client->use.engine_ns, ElementsAre(Pair("compute", 0), Pair("gfx", 8412345678)));
  EXPECT_THAT(client->use.memory_bytes,
              ElementsAre(Pair("cpu", 0), Pair("gtt", 2048 << 10), Pair("vram", 43148 << 10)));
}

TEST(FdinfoTest, of_total_and_resident_memory_the_resident_counts) {
  const auto client = ParseFdinfo(kXe);
  ASSERT_TRUE(client.has_value());
  EXPECT_THAT(client->use.memory_bytes, ElementsAre(Pair("system", 0), Pair("vram0", 22 << 20)));
  EXPECT_THAT(client->use.engine_ns, IsEmpty()) << "cycles are no time";
}

TEST(FdinfoTest, the_capacity_of_an_engine_is_no_engine) {
  const auto client = ParseFdinfo(kPanfrost);
  ASSERT_TRUE(client.has_value());
  EXPECT_EQ(client->device, "");
  EXPECT_THAT(client->use.engine_ns, ElementsAre(Pair("fragment", 1846584880)));
}

TEST(FdinfoTest, other_files_and_garbled_numbers_are_passed_over) {
  EXPECT_FALSE(ParseFdinfo("pos:\t0\nflags:\t02\n").has_value());
  EXPECT_FALSE(ParseFdinfo("").has_value());
  const auto client = ParseFdinfo(
      "drm-driver:\tx\ndrm-engine-a:\t-5 ns\ndrm-engine-b:\tmany ns\ndrm-memory-c:\t7 pages\n");
  ASSERT_TRUE(client.has_value());
  EXPECT_EQ(client->use, GpuUse{});
}

class GpuUseTest : public ::testing::Test {
 protected:
  GpuUseTest() { std::filesystem::create_directory(proc()); }
  std::string proc() { return dir_ / "proc"; }
  void Write(const std::string& file, const std::string& text) {
    std::filesystem::create_directories(std::filesystem::path(proc() + "/" + file).parent_path());
    std::ofstream(proc() + "/" + file) << text;
  }
  void AddProcess(int pid, int parent, const std::string& name) {
    Write(std::to_string(pid) + "/comm", name + "\n");
    Write(std::to_string(pid) + "/stat",
          std::to_string(pid) + " (" + name + ") S " + std::to_string(parent) + " 1 1");
    Write(std::to_string(pid) + "/maps", "7f00-7f01 r-xp 00000000 fe:01 5   /usr/bin/x\n");
  }
  // A device process that has the session's page mapped, with a renderer below it.
  void AddSession(int pid, uint64_t inode) {
    AddProcess(pid, 1, "rendercar-backe");
    Write(std::to_string(pid) + "/maps",
          "7f00-7f01 r-xp 00000000 fe:01 5   /usr/bin/x\n7f02-7f04 rw-s 00000000 fe:01 " +
              std::to_string(inode) + "   /var/run/rendercar/shares/gpu-0/vm.stats\n");
    AddProcess(pid + 1, pid, "rendercar-rende");
  }
  static SessionStats Session(const std::string& share, uint64_t inode) {
    return {"vm", share, {}, {}, inode};
  }

  TempDir dir_;
};

TEST_F(GpuUseTest, a_renderer_counts_to_the_session_whose_page_its_parent_has_mapped) {
  AddSession(100, 77);
  Write("101/fdinfo/5", kAmdgpu);
  Write("101/fdinfo/1", "pos:\t0\n");
  const GpuUses uses = GatherGpuUse(proc(), {Session("gpu-0", 77), Session("gpu-1", 78)});
  ASSERT_EQ(uses.size(), 1u);
  EXPECT_EQ(uses.at({"gpu-0", "vm"}).engine_ns.at("gfx"), 8412345678u);
}

TEST_F(GpuUseTest, two_descriptors_of_one_client_count_once) {
  AddSession(100, 77);
  Write("101/fdinfo/5", kAmdgpu);
  Write("101/fdinfo/6", kAmdgpu);
  Write("101/fdinfo/7", kXe);
  const GpuUses uses = GatherGpuUse(proc(), {Session("gpu-0", 77)});
  EXPECT_EQ(uses.at({"gpu-0", "vm"}).engine_ns.at("gfx"), 8412345678u);
  EXPECT_EQ(uses.at({"gpu-0", "vm"}).memory_bytes.at("vram0"), 22u << 20);
}

TEST_F(GpuUseTest, processes_without_a_page_or_of_others_are_passed_over) {
  AddProcess(100, 1, "rendercar-rende");
  Write("100/fdinfo/5", kAmdgpu);
  AddProcess(200, 1, "firefox");
  Write("200/fdinfo/5", kAmdgpu);
  Write("self/comm", "rendercar-rende");
  EXPECT_THAT(GatherGpuUse(proc(), {Session("gpu-0", 77)}), IsEmpty());
}

TEST_F(GpuUseTest, a_machine_whose_processes_cannot_be_seen_gives_nothing) {
  EXPECT_THAT(GatherGpuUse(dir_ / "none", {Session("gpu-0", 77)}), IsEmpty());
}

}  // namespace
}  // namespace rendercar::node
