// The probe with the real renderer program, and its cache.
// SPDX-License-Identifier: Apache-2.0
#include "backend/ipc/probe.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "backend/ipc/capabilities_json.h"
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
  const std::string path = dir / "program";
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
