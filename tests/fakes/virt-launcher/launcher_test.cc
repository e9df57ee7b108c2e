// The sidecar under the stand-in for virt-launcher: collected as it collects, defined twice through
// its lossy model.
// SPDX-License-Identifier: Apache-2.0
#include "tests/fakes/virt-launcher/launcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <pugixml.hpp>
#include <sstream>
#include <thread>

#include "common/subprocess.h"
#include "common/temp_dir.h"
#include "common/unix_socket.h"
#include "sidecar/definition/domain_xml.h"
#include "tests/fakes/virt-launcher/domain_spec.h"

namespace rendercar::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

constexpr const char* kFixtures[] = {"annotated", "arm64",      "efi",        "headless",
                                     "hugepages", "masquerade", "secureboot", "video-virtio",
                                     "virtiofs",  "windows"};

std::string Fixture(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(RENDERCAR_SOURCE_DIR "/sidecar/testdata/kubevirt/" + file).rdbuf();
  return text.str();
}

size_t Count(const std::string& text, const std::string& word) {
  size_t found = 0;
  for (size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) ++found;
  return found;
}

class VirtLauncherTest : public ::testing::Test {
 protected:
  void SetUp() override { ::setenv("RENDERCAR_FAKE_BACKEND", "good", 1); }
  // Sidecar number `index`, in its own subdirectory of the hooks directory.
  void StartHook(int index) {
    const std::string name = "hook-sidecar-" + std::to_string(index);
    std::filesystem::create_directories(dir_ / ("hooks/" + name));
    Start({"--kubevirt=hooks", "--kubevirt-hooks-dir=" + (dir_ / ("hooks/" + name))}, name);
  }
  void StartPlugin() {
    std::filesystem::create_directories(dir_ / "plugin");
    Start({"--kubevirt=plugin", "--kubevirt-plugin-dir=" + (dir_ / "plugin")}, "plugin");
  }
  absl::StatusOr<std::vector<Hook>> Collect(size_t count, std::chrono::milliseconds timeout = 60s) {
    return CollectHooks({dir_ / "hooks", count, timeout});
  }
  // A libvirt that keeps all that it is given.
  static LaunchInput Input(const std::string& fixture) {
    return {Fixture(fixture + ".domain.xml"),
            Fixture(fixture + ".vmi.json"),
            {},
            "",
            [](const std::string& xml) { return absl::StatusOr<std::string>(xml); }};
  }

  const TempDir dir_;

 private:
  void Start(std::vector<std::string> flags, const std::string& container) {
    std::vector<std::string> argv{RENDERCAR_BIN_DIR "/rendercar-sidecar",
                                  "--share=hand-0",
                                  "--log-level=error",
                                  "--control-socket=off",
                                  "--metrics-address=off",
                                  "--backend=" RENDERCAR_TEST_DIR "/fake_backend"};
    argv.insert(argv.end(), flags.begin(), flags.end());
    auto child = Subprocess::Start({.argv = argv, .extra_env = {"CONTAINER_NAME=" + container}});
    ASSERT_TRUE(child.ok()) << child.status();
    sidecars_.push_back(std::move(*child));
  }
  std::vector<Subprocess> sidecars_;
};

TEST(DomainSpecTest, what_kubevirt_does_not_model_is_lost) {
  const auto lossy = ThroughDomainSpec(
      "<domain type='qemu' xmlns:x='urn:x'><name>a</name><!-- c --><on_reboot>restart</on_reboot>"
      "<devices><video><driver name='vhostuser'/><model type='virtio' primary='yes'/></video>"
      "</devices><x:y/></domain>");
  ASSERT_TRUE(lossy.ok());
  for (const char* lost : {"driver", "primary", "on_reboot", "x:y", "<!--"})
    EXPECT_THAT(*lossy, Not(HasSubstr(lost)));
  EXPECT_THAT(*lossy, HasSubstr("<model type=\"virtio\" />"));
}

TEST(DomainSpecTest, kubevirts_own_output_goes_through_unchanged) {
  for (const std::string name : kFixtures) {
    const auto once = ThroughDomainSpec(Fixture(name + ".domain.xml"));
    ASSERT_TRUE(once.ok());
    pugi::xml_document before;
    pugi::xml_document after;
    before.load_string(Fixture(name + ".domain.xml").c_str());
    after.load_string(once->c_str());
    EXPECT_EQ(before.select_nodes("//*").size(), after.select_nodes("//*").size()) << name;
    EXPECT_EQ(before.select_nodes("//@*").size(), after.select_nodes("//@*").size()) << name;
  }
}

TEST_F(VirtLauncherTest, a_sidecar_is_collected_with_the_newest_version) {
  StartHook(0);
  const auto hooks = Collect(1);
  ASSERT_TRUE(hooks.ok()) << hooks.status();
  EXPECT_EQ(hooks->front().version, "v1alpha3");
  EXPECT_THAT(hooks->front().points, ElementsAre("OnDefineDomain", "Shutdown"));
}

TEST_F(VirtLauncherTest, two_of_our_sidecars_in_one_pod_are_both_collected) {
  StartHook(0);
  StartHook(1);
  const auto hooks = Collect(2);
  ASSERT_TRUE(hooks.ok()) << hooks.status();
  EXPECT_THAT(*hooks, SizeIs(2));
}

TEST_F(VirtLauncherTest, sockets_of_one_name_are_counted_once) {
  StartHook(0);
  const auto first = Collect(1);
  ASSERT_TRUE(first.ok());
  const std::filesystem::path socket = first->front().socket;
  std::filesystem::create_directory(dir_ / "hooks/hook-sidecar-1");
  std::filesystem::create_symlink(socket, dir_ / "hooks/hook-sidecar-1" / socket.filename());
  EXPECT_EQ(Collect(2, 1ms).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(VirtLauncherTest, a_server_without_info_ends_virt_launcher) {
  std::filesystem::create_directories(dir_ / "hooks/other");
  auto child = Subprocess::Start(
      {.argv = {RENDERCAR_BIN_DIR "/rendercar-sidecar", "--share=hand-0", "--log-level=error",
                "--kubevirt=off", "--metrics-address=off", "--socket-dir=" + dir_.path(),
                "--control-socket=" + (dir_ / "hooks/other/control.sock"),
                "--backend=" RENDERCAR_TEST_DIR "/fake_backend"}});
  ASSERT_TRUE(child.ok());
  EXPECT_EQ(Collect(1).status().code(), absl::StatusCode::kUnimplemented);
}

TEST_F(VirtLauncherTest, every_domain_survives_two_passes_through_the_lossy_model) {
  StartHook(0);
  const auto hooks = Collect(1);
  ASSERT_TRUE(hooks.ok()) << hooks.status();
  for (const std::string name : kFixtures) {
    LaunchInput input = Input(name);
    input.hooks = *hooks;
    const auto result = Launch(input);
    ASSERT_TRUE(result.ok()) << name << result.status();
    EXPECT_EQ(*ThroughDomainSpec(result->first), *ThroughDomainSpec(result->second)) << name;
    EXPECT_EQ(Count(result->second, "vhost-user-gpu-pci"), 1U) << name;
    EXPECT_THAT(result->second, HasSubstr("<source type=\"memfd\""));
    EXPECT_THAT(result->second, HasSubstr("<access mode=\"shared\""));
  }
}

TEST_F(VirtLauncherTest, the_same_through_the_plugin_pipeline) {
  StartPlugin();
  for (const std::string name : kFixtures) {
    LaunchInput input = Input(name);
    input.plugin_socket = dir_ / "plugin/hook.sock";
    const auto result = Launch(input);
    ASSERT_TRUE(result.ok()) << name << result.status();
    EXPECT_EQ(*ThroughDomainSpec(result->first), *ThroughDomainSpec(result->second)) << name;
    EXPECT_EQ(Count(result->second, "vhost-user-gpu-pci"), 1U) << name;
  }
}

// KubeVirt then rebuilds the hook's answer from its lossy model before the plugin sees it.
TEST_F(VirtLauncherTest, a_hook_before_a_plugin_still_gives_one_device) {
  StartHook(0);
  StartPlugin();
  const auto hooks = Collect(1);
  ASSERT_TRUE(hooks.ok()) << hooks.status();
  LaunchInput input = Input("masquerade");
  input.hooks = *hooks;
  input.plugin_socket = dir_ / "plugin/hook.sock";
  const auto result = Launch(input);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(Count(result->second, "vhost-user-gpu-pci"), 1U);
  EXPECT_THAT(result->second, HasSubstr("path=" + (dir_ / "plugin/gpu0.sock")));
}

TEST_F(VirtLauncherTest, a_hook_sidecar_ends_when_virt_launcher_says_so) {
  StartHook(0);
  const auto hooks = Collect(1);
  ASSERT_TRUE(hooks.ok()) << hooks.status();
  EXPECT_TRUE(CallShutdown(hooks->front()).ok());
  while (std::filesystem::exists(hooks->front().socket)) std::this_thread::sleep_for(5ms);
}

// Any number of passes, in any order of ours and the lossy model, ends in one and the same device.
TEST(DomainPropertyTest, passes_and_losses_in_any_order_give_one_device) {
  sidecar::DeviceDescription description;
  description.name = "gpu0";
  description.socket_path = "/var/run/kubevirt-plugin/rendercar/gpu0.sock";
  for (const std::string name : kFixtures) {
    for (const auto mode : {sidecar::DisplayMode::kHeadless, sidecar::DisplayMode::kSecondary}) {
      description.display_mode = mode;
      const auto add = [&](const std::string& xml) {
        return sidecar::AddGpuToDomain(xml, description, sidecar::DomainStyle::kQemuCommandline);
      };
      const std::string expected = *ThroughDomainSpec(*add(Fixture(name + ".domain.xml")));
      for (unsigned order = 0; order < 32; ++order) {
        std::string xml = *add(Fixture(name + ".domain.xml"));
        for (unsigned bit = 0; bit < 5; ++bit)
          xml = (order >> bit & 1U) != 0 ? *ThroughDomainSpec(xml) : *add(xml);
        EXPECT_EQ(*ThroughDomainSpec(xml), expected) << name << " order " << order;
      }
    }
  }
}

}  // namespace
}  // namespace rendercar::testing
