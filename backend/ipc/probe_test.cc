// The probe with the real renderer program, and its cache.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/probe.h"

#include <absl/strings/ascii.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>

#include "backend/ipc/capabilities_json.h"
#include "backend/ipc/capset_intersection.h"
#include "backend/ipc/probe_cache.h"
#include "common/temp_dir.h"

namespace rendercar::ipc {
namespace {

ProbeOptions Real(const std::string& cache_dir) {
  ProbeOptions options;
  options.renderer.program = RENDERCAR_RENDERER_PATH;
  options.cache_dir = cache_dir;
  return options;
}

// An executable script in `dir`.
std::string Script(const TempDir& dir, const std::string& body) {
  std::string path = dir / "program";
  std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
  ::chmod(path.c_str(), 0755);
  return path;
}

TEST(ProbeTest, software_gives_virgl_and_virgl2) {
  const auto found = ProbeRenderer(Real(""));
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_EQ(found->capsets.size(), 2u);
  EXPECT_EQ(found->capsets[0].id, 1u);
  EXPECT_EQ(found->capsets[1].id, 2u);
  EXPECT_FALSE(found->gl_renderer.empty());
}

// Offsets that capset_intersection.cc relies on, against the library that runs.
TEST(ProbeTest, the_fields_of_virgl2_lie_where_failover_looks_for_them) {
  const auto found = ProbeRenderer(Real(""));
  ASSERT_TRUE(found.ok()) << found.status();
  const std::vector<std::byte>& bytes = found->capsets.at(1).data;
  ASSERT_GE(bytes.size(), size_t{344} * 4);
  const auto word = [&bytes](size_t index) {
    int32_t value = 0;
    std::memcpy(&value, bytes.data() + index * 4, sizeof(value));
    return value;
  };
  const auto is_power_of_two = [](int32_t value) {
    return value > 0 && (value & (value - 1)) == 0;
  };
  EXPECT_GE(word(66), 130);  // glsl_level
  EXPECT_LE(word(66), 460);
  EXPECT_LT(word(91), 0);  // min_texel_offset
  EXPECT_GT(word(92), 0);
  EXPECT_TRUE(is_power_of_two(word(96))) << word(96);    // uniform_buffer_offset_alignment
  EXPECT_TRUE(is_power_of_two(word(121))) << word(121);  // max_texture_2d_size
  const std::string renderer(reinterpret_cast<const char*>(bytes.data()) + size_t{174} * 4, 64);
  EXPECT_NE(absl::AsciiStrToLower(renderer).find("llvmpipe"), std::string::npos) << renderer;
  EXPECT_TRUE(is_power_of_two(word(343))) << word(343);  // max_uniform_block_size
  EXPECT_EQ(Intersect(*found, *found).capsets[1].data, bytes);
}

TEST(ProbeTest, two_probes_give_the_same_bytes) {
  const auto first = ProbeRenderer(Real(""));
  const auto second = ProbeRenderer(Real(""));
  EXPECT_EQ(CapsetDigest(*first), CapsetDigest(*second));
}

TEST(ProbeTest, the_second_time_the_answer_comes_from_the_cache) {
  const TempDir dir;
  const auto first = ProbeRenderer(Real(dir / "deep/cache"));
  const ProbeCache cache(dir / "deep/cache", Real("").renderer);
  ASSERT_TRUE(cache.Read().has_value());
  const auto second = ProbeRenderer(Real(dir / "deep/cache"));
  EXPECT_EQ(CapsetDigest(*first), CapsetDigest(*second));
}

TEST(ProbeTest, a_cache_of_a_changed_file_is_not_taken) {
  const TempDir dir;
  const std::string library = dir / "libGL.so";
  std::ofstream(library) << "old";
  const ProbeCache cache(dir.path(), Real("").renderer);
  cache.Write(R"({"files":[")" + library + R"("]})");
  ASSERT_TRUE(cache.Read().has_value());
  std::ofstream(library) << "newer";
  EXPECT_FALSE(cache.Read().has_value());
}

TEST(ProbeTest, a_cache_that_others_may_write_or_that_is_a_link_is_not_taken) {
  const TempDir dir;
  const ProbeCache cache(dir.path(), Real("").renderer);
  cache.Write(R"({"files":["/proc/self/exe"]})");
  ASSERT_TRUE(cache.Read().has_value());
  ::chmod(cache.path().c_str(), 0666);
  EXPECT_FALSE(cache.Read().has_value());
  ::chmod(cache.path().c_str(), 0600);
  std::filesystem::rename(cache.path(), dir / "elsewhere");
  std::filesystem::create_symlink(dir / "elsewhere", cache.path());
  EXPECT_FALSE(cache.Read().has_value());
}

TEST(ProbeTest, a_damaged_cache_leads_to_a_new_probe) {
  const TempDir dir;
  const ProbeCache cache(dir.path(), Real("").renderer);
  cache.Write(R"({"files":["/proc/self/exe"]})");
  EXPECT_TRUE(ProbeRenderer(Real(dir.path())).ok());
}

TEST(ProbeTest, an_unwritable_cache_is_no_error) {
  EXPECT_TRUE(ProbeRenderer(Real("/proc/rendercar")).ok());
}

TEST(ProbeTest, a_render_node_whose_path_is_no_text_has_a_cache_too) {
  const TempDir dir;
  RendererCommand renderer = Real("").renderer;
  renderer.render_node = "/dev/dri/\xff";
  EXPECT_FALSE(ProbeCache(dir / "cache", renderer).Read().has_value());
}

TEST(ProbeTest, a_missing_render_node_is_said_in_words) {
  ProbeOptions options = Real("");
  options.renderer.render_node = "/dev/dri/renderD999";
  EXPECT_TRUE(absl::IsUnavailable(ProbeRenderer(options).status()));
}

TEST(ProbeTest, a_renderer_that_hangs_is_given_up) {
  const TempDir dir;
  ProbeOptions options = Real("");
  options.renderer.program = Script(dir, "exec sleep 60");
  options.timeout = std::chrono::milliseconds(50);
  EXPECT_TRUE(absl::IsDeadlineExceeded(ProbeRenderer(options).status()));
}

TEST(ProbeTest, a_renderer_that_prints_nonsense_is_refused) {
  const TempDir dir;
  ProbeOptions options = Real("");
  options.renderer.program = Script(dir, "echo hello");
  EXPECT_FALSE(ProbeRenderer(options).ok());
}

}  // namespace
}  // namespace rendercar::ipc
