// The sidecar's program under stand-ins for virt-launcher: it collects sockets and calls hooks as
// the real one does, with KubeVirt's own domains.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "common/subprocess.h"
#include "common/temp_dir.h"
#include "common/unix_socket.h"
#include "kubevirt/info.grpc.pb.h"
#include "kubevirt/plugins.grpc.pb.h"
#include "kubevirt/v1alpha1.grpc.pb.h"
#include "kubevirt/v1alpha2.grpc.pb.h"
#include "kubevirt/v1alpha3.grpc.pb.h"
#include "sidecar/session/socket_probe.h"

namespace rendercar::sidecar {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;
namespace hooks = ::kubevirt::hooks;
namespace plugins = ::kubevirt::hooks::plugins::v1alpha1;

std::string Fixture(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(RENDERCAR_SOURCE_DIR "/sidecar/testdata/kubevirt/" + file).rdbuf();
  return text.str();
}

class KubevirtProgramTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ::setenv("RENDERCAR_FAKE_BACKEND", "good", 1);
    ::setenv("CONTAINER_NAME", "hook-sidecar-0", 1);
    std::filesystem::create_directory(dir_ / "hooks");
    std::filesystem::create_directory(dir_ / "plugin");
  }
  void Start(const std::string& mode) {
    auto child = Subprocess::Start(
        {.argv = {"/bin/sh", "-c",
                  "exec " RENDERCAR_BIN_DIR "/rendercar-sidecar --share=hand-0 --kubevirt=" + mode +
                      " --kubevirt-hooks-dir=" + (dir_ / "hooks") +
                      " --kubevirt-plugin-dir=" + (dir_ / "plugin") +
                      " --control-socket=off --metrics-address=off "
                      "--backend=" RENDERCAR_TEST_DIR "/fake_backend 2> " +
                      (dir_ / "log")}});
    ASSERT_TRUE(child.ok());
    sidecar_ = std::move(*child);
  }
  // As virt-launcher does: every entry of the directory that is no directory.
  std::vector<std::string> Collect() {
    std::vector<std::string> sockets;
    for (const auto& entry : std::filesystem::directory_iterator(dir_ / "hooks")) {
      if (!entry.is_directory()) sockets.push_back(entry.path());
    }
    return sockets;
  }
  std::string HookSocket() {
    while (Collect().empty()) std::this_thread::sleep_for(5ms);
    return Collect().front();
  }
  std::string PluginSocket() {
    while (!std::filesystem::exists(dir_ / "plugin/hook.sock")) std::this_thread::sleep_for(5ms);
    return dir_ / "plugin/hook.sock";
  }
  // A new connection for each call, with virt-launcher's authority.
  static std::shared_ptr<grpc::Channel> Dial(const std::string& socket) {
    grpc::ChannelArguments arguments;
    arguments.SetString(GRPC_ARG_DEFAULT_AUTHORITY, "localhost");
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return grpc::CreateCustomChannel("unix:" + socket, grpc::InsecureChannelCredentials(),
                                     arguments);
  }
  static std::string Define(const std::string& socket, const std::string& xml,
                            const std::string& vmi) {
    grpc::ClientContext context;
    hooks::v1alpha3::OnDefineDomainParams request;
    hooks::v1alpha3::OnDefineDomainResult response;
    request.set_domainxml(xml);
    request.set_vmi(vmi);
    const auto status = hooks::v1alpha3::Callbacks::NewStub(Dial(socket))
                            ->OnDefineDomain(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.domainxml();
  }
  static grpc::Status Mutate(const std::string& socket, const std::string& vmi,
                             const std::string& invocation, std::string& domain,
                             const std::string& type = "libvirt") {
    grpc::ClientContext context;
    plugins::MutateDomainRequest request;
    plugins::MutateDomainResponse response;
    request.set_domain_type(type);
    request.set_domain(domain);
    request.set_vmi(vmi);
    request.mutable_sidecar_context()->set_invocation_context(invocation);
    const auto status = plugins::DomainHookService::NewStub(Dial(socket))
                            ->MutateDomain(&context, request, &response);
    domain = response.domain();
    return status;
  }
  void ExpectNothingLeft() {
    const auto end = sidecar_.Wait(30s);
    ASSERT_TRUE(end.has_value());
    EXPECT_TRUE(end->clean()) << end->ToString();
    EXPECT_TRUE(std::filesystem::is_empty(dir_ / "hooks"));
    EXPECT_TRUE(std::filesystem::is_empty(dir_ / "plugin"));
  }

  const TempDir dir_;
  Subprocess sidecar_;
};

TEST_F(KubevirtProgramTest, info_is_answered_on_the_only_entry_that_virt_launcher_dials) {
  Start("hooks");
  const std::string socket = HookSocket();
  EXPECT_THAT(Collect(), SizeIs(1));
  EXPECT_TRUE(IsListening(dir_ / "hooks/data/gpu0.sock")) << "the backend listens before that";
  grpc::ClientContext context;
  hooks::info::InfoResult info;
  const auto status = hooks::info::Info::NewStub(Dial(socket))->Info(&context, {}, &info);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(info.versions(), ElementsAre("v1alpha1", "v1alpha2", "v1alpha3"));
  EXPECT_THAT(info.hookpoints(), SizeIs(2));
}

TEST_F(KubevirtProgramTest, every_domain_is_defined_twice_with_the_same_answer) {
  Start("hooks");
  const std::string socket = HookSocket();
  for (const char* name : {"annotated", "arm64", "efi", "headless", "hugepages", "masquerade",
                           "secureboot", "video-virtio", "virtiofs", "windows"}) {
    const std::string vmi = Fixture(std::string(name) + ".vmi.json");
    const std::string once = Define(socket, Fixture(std::string(name) + ".domain.xml"), vmi);
    EXPECT_THAT(once, HasSubstr("path=" + (dir_ / "hooks/hook-sidecar-0/data/gpu0.sock\"")));
    EXPECT_EQ(Define(socket, once, vmi), once) << name;
  }
}

TEST_F(KubevirtProgramTest, older_versions_answer_too) {
  Start("hooks");
  const std::string socket = HookSocket();
  grpc::ClientContext first;
  hooks::v1alpha1::OnDefineDomainParams params1;
  hooks::v1alpha1::OnDefineDomainResult result1;
  params1.set_domainxml("<domain/>");
  EXPECT_TRUE(hooks::v1alpha1::Callbacks::NewStub(Dial(socket))
                  ->OnDefineDomain(&first, params1, &result1)
                  .ok());
  grpc::ClientContext second;
  hooks::v1alpha2::PreCloudInitIsoParams params2;
  hooks::v1alpha2::PreCloudInitIsoResult result2;
  params2.set_cloudinitdata("{\"a\":1}");
  params2.set_cloudinitnocloudsource("{\"b\":2}");
  EXPECT_TRUE(hooks::v1alpha2::Callbacks::NewStub(Dial(socket))
                  ->PreCloudInitIso(&second, params2, &result2)
                  .ok());
  EXPECT_EQ(result2.cloudinitdata(), "{\"a\":1}");
  EXPECT_EQ(result2.cloudinitnocloudsource(), "{\"b\":2}");
}

TEST_F(KubevirtProgramTest, shutdown_ends_the_sidecar_and_leaves_nothing) {
  Start("hooks");
  const std::string socket = HookSocket();
  grpc::ClientContext context;
  hooks::v1alpha3::ShutdownResult result;
  EXPECT_TRUE(
      hooks::v1alpha3::Callbacks::NewStub(Dial(socket))->Shutdown(&context, {}, &result).ok());
  ExpectNothingLeft();
}

TEST_F(KubevirtProgramTest, a_second_vm_start_in_the_same_pod_finds_a_backend) {
  Start("hooks");
  const std::string socket = HookSocket();
  const std::string once = Define(socket, Fixture("headless.domain.xml"), "{}");
  { const auto qemu = ConnectUnix(dir_ / "hooks/data/gpu0.sock"); }
  EXPECT_EQ(Define(socket, Fixture("headless.domain.xml"), "{}"), once);
}

TEST_F(KubevirtProgramTest, a_container_that_was_killed_starts_again_in_the_same_place) {
  Start("hooks");
  const std::string first = HookSocket();
  const std::string vmi = Fixture("headless.vmi.json");
  const std::string once = Define(first, Fixture("headless.domain.xml"), vmi);
  sidecar_.Signal(SIGKILL);
  ASSERT_TRUE(sidecar_.Wait(30s).has_value());
  ASSERT_THAT(Collect(), ElementsAre(first)) << "what was killed cleans nothing up";
  Start("hooks");
  while (Collect().empty() || Collect().front() == first) std::this_thread::sleep_for(5ms);
  EXPECT_THAT(Collect(), SizeIs(1)) << "virt-launcher would dial a dead socket in every scan";
  EXPECT_EQ(Define(HookSocket(), Fixture("headless.domain.xml"), vmi), once);
}

TEST_F(KubevirtProgramTest, the_plugin_gives_both_sides_of_a_migration_the_same_bytes) {
  Start("plugin");
  const std::string socket = PluginSocket();
  const std::string vmi = Fixture("annotated.vmi.json");
  std::string boot = Fixture("annotated.domain.xml");
  std::string source = boot;
  std::string target = boot;
  ASSERT_TRUE(Mutate(socket, vmi, "Boot", boot).ok());
  ASSERT_TRUE(Mutate(socket, vmi, "MigrationSource", source).ok());
  ASSERT_TRUE(Mutate(socket, vmi, "MigrationTarget", target).ok());
  EXPECT_EQ(boot, source);
  EXPECT_EQ(boot, target);
  EXPECT_THAT(boot, HasSubstr("path=" + (dir_ / "plugin/gpu0.sock\"")));
  sidecar_.Signal(SIGTERM);
  ExpectNothingLeft();
}

TEST_F(KubevirtProgramTest, what_cannot_be_is_refused_in_words) {
  Start("plugin");
  const std::string socket = PluginSocket();
  std::string domain = Fixture("annotated.domain.xml");
  const auto status =
      Mutate(socket, R"({"metadata":{"annotations":{"rendercar.dev/display":"primary"}}})", "Boot",
             domain);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("impossible beside VNC"));
}

TEST_F(KubevirtProgramTest, the_plugins_socket_is_no_link_and_comes_after_the_backends) {
  Start("plugin");
  EXPECT_TRUE(std::filesystem::is_socket(std::filesystem::symlink_status(PluginSocket())));
  EXPECT_TRUE(IsListening(dir_ / "plugin/gpu0.sock")) << "the backend listens before that";
}

TEST_F(KubevirtProgramTest, a_domain_that_is_not_libvirts_is_refused) {
  Start("plugin");
  const std::string socket = PluginSocket();
  std::string domain = Fixture("annotated.domain.xml");
  const auto status = Mutate(socket, "{}", "Boot", domain, "cloud-hypervisor");
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("'cloud-hypervisor'"));
}

TEST_F(KubevirtProgramTest, migration_is_refused_before_it_begins) {
  Start("plugin");
  const auto stub = plugins::NodeHookService::NewStub(Dial(PluginSocket()));
  const auto call = [&stub](const char* point) {
    grpc::ClientContext context;
    plugins::ExecuteNodeHookRequest request;
    plugins::ExecuteNodeHookResponse response;
    request.set_hookpoint(point);
    return stub->ExecuteNodeHook(&context, request, &response);
  };
  EXPECT_TRUE(call("PreVMStart").ok());
  EXPECT_THAT(call("PreMigrationSource").error_message(), HasSubstr("cannot be live-migrated"));
}

}  // namespace
}  // namespace rendercar::sidecar
