// Domains that get a GPU: KubeVirt's own output, namespaces, comments, repeated and lossy passes.
// SPDX-License-Identifier: Apache-2.0
#include "sidecar/definition/domain_xml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <pugixml.hpp>
#include <sstream>

namespace rendercar::sidecar {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

DeviceDescription Gpu0() {
  DeviceDescription description;
  description.name = "gpu0";
  description.socket_path = "/var/run/kubevirt-plugin/rendercar/gpu0.sock";
  description.render_node = "/dev/dri/renderD128";
  return description;
}

std::string Mutate(const std::string& xml, const DeviceDescription& description = Gpu0(),
                   DomainStyle style = DomainStyle::kQemuCommandline) {
  const auto result = AddGpuToDomain(xml, description, style);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *result : "";
}

std::string Fixture(const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(RENDERCAR_SOURCE_DIR "/sidecar/testdata/kubevirt/" + name + ".domain.xml")
              .rdbuf();
  EXPECT_FALSE(text.str().empty()) << name;
  return text.str();
}

// What KubeVirt's model of a domain keeps of a <video>, and that it drops comments.
std::string ThroughLossyModel(const std::string& xml) {
  pugi::xml_document document;
  EXPECT_TRUE(document.load_buffer(xml.data(), xml.size(), pugi::parse_default));
  for (pugi::xml_node video : document.document_element().child("devices").children("video")) {
    video.remove_child("driver");
    video.child("model").remove_child("acceleration");
    video.child("model").remove_child("resolution");
  }
  for (pugi::xml_node cell :
       document.document_element().child("cpu").child("numa").children("cell"))
    cell.remove_attribute("memAccess");
  std::ostringstream out;
  document.save(out, "\t", pugi::format_indent | pugi::format_no_declaration);
  return out.str();
}

constexpr char kMarker[] = "&quot;id&quot;:&quot;rendercar-gpu0&quot;";

size_t Count(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

class KubevirtDomainTest : public ::testing::TestWithParam<const char*> {};

TEST_P(KubevirtDomainTest, gets_shared_memory_and_the_device_once) {
  pugi::xml_document document;
  const std::string xml = Mutate(Fixture(GetParam()));
  ASSERT_TRUE(document.load_string(xml.c_str()));
  const pugi::xml_node domain = document.document_element();
  EXPECT_STREQ(domain.select_node("memoryBacking/source/@type").attribute().value(), "memfd");
  EXPECT_STREQ(domain.select_node("memoryBacking/access/@mode").attribute().value(), "shared");
  EXPECT_EQ(domain.select_nodes("memoryBacking").size(), 1U);
  EXPECT_EQ(Count(xml, kMarker), 1U);
}

TEST_P(KubevirtDomainTest, a_second_pass_changes_no_byte) {
  const std::string once = Mutate(Fixture(GetParam()));
  EXPECT_EQ(Mutate(once), once);
}

TEST_P(KubevirtDomainTest, a_pass_over_the_lossy_model_gives_the_same_device) {
  const std::string once = Mutate(Fixture(GetParam()));
  const std::string again = Mutate(ThroughLossyModel(once));
  EXPECT_EQ(Count(again, kMarker), 1U);
  EXPECT_EQ(Mutate(ThroughLossyModel(again)), again);
}

TEST_P(KubevirtDomainTest, keeps_all_that_was_there) {
  const std::string xml = Fixture(GetParam());
  pugi::xml_document before;
  pugi::xml_document after;
  ASSERT_TRUE(before.load_string(xml.c_str()));
  ASSERT_TRUE(after.load_string(Mutate(xml).c_str()));
  for (const pugi::xml_node node : before.document_element().children()) {
    if (std::string(node.name()) == "memoryBacking") continue;
    std::ostringstream was;
    std::ostringstream is;
    node.print(was);
    after.document_element().child(node.name()).print(is);
    EXPECT_EQ(is.str(), was.str());
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, KubevirtDomainTest,
                         ::testing::Values("annotated", "arm64", "efi", "headless", "hugepages",
                                           "masquerade", "secureboot", "video-virtio", "virtiofs",
                                           "windows"));

TEST(DomainXmlTest, unknown_elements_namespaces_comments_and_white_space_stay) {
  const std::string xml =
      "<?xml version=\"1.0\"?>\n<!-- top --><domain type=\"kvm\" xmlns:x=\"urn:x\">\n"
      "  <x:thing y=\"a &amp; b\"><![CDATA[<raw>]]></x:thing>\n  <!-- in -->\n"
      "  <memory unit=\"b\">1</memory></domain>";
  const std::string result = Mutate(xml);
  EXPECT_THAT(result, HasSubstr("<?xml version=\"1.0\"?>"));
  EXPECT_THAT(result, HasSubstr("<!-- top -->"));
  EXPECT_THAT(result, HasSubstr("<x:thing y=\"a &amp; b\"><![CDATA[<raw>]]></x:thing>\n  <!-- in "
                                "-->\n  <memory unit=\"b\">1</memory>"));
}

TEST(DomainXmlTest, an_existing_command_line_with_another_prefix_is_used) {
  const std::string result = Mutate(
      "<domain xmlns:q=\"http://libvirt.org/schemas/domain/qemu/1.0\"><q:commandline>"
      "<q:arg value=\"-foo\"/><q:env name=\"A\" value=\"b\"/></q:commandline></domain>");
  EXPECT_THAT(result, HasSubstr("<q:arg value=\"-foo\"/><q:env name=\"A\" value=\"b\"/>"
                                "<q:arg value=\"-chardev\"/>"));
  EXPECT_THAT(result, Not(HasSubstr("qemu:commandline")));
}

TEST(DomainXmlTest, a_prefix_that_means_something_else_is_not_taken) {
  const std::string result = Mutate("<domain xmlns:qemu=\"urn:other\"/>");
  EXPECT_THAT(result, HasSubstr("xmlns:qemux=\"http://libvirt.org/schemas/domain/qemu/1.0\""));
  EXPECT_THAT(result, HasSubstr("<qemux:commandline><qemux:arg "));
}

TEST(DomainXmlTest, an_old_socket_path_is_replaced_in_place) {
  DeviceDescription old = Gpu0();
  old.socket_path = "/old.sock";
  const std::string result = Mutate(Mutate("<domain/>", old));
  EXPECT_THAT(result, Not(HasSubstr("/old.sock")));
  EXPECT_EQ(Count(result, "-chardev"), 1U);
}

TEST(DomainXmlTest, doubled_arguments_of_ours_are_made_one) {
  const std::string arguments =
      "<q:arg value=\"-device\"/><q:arg value=\"vhost-user-gpu-pci,id=rendercar-gpu0,x=1\"/>";
  const std::string result =
      Mutate("<domain xmlns:q=\"http://libvirt.org/schemas/domain/qemu/1.0\"><q:commandline>" +
             arguments + "<q:arg value=\"-keep\"/>" + arguments + "</q:commandline></domain>");
  EXPECT_EQ(Count(result, kMarker), 1U);
  EXPECT_THAT(result, HasSubstr("-keep"));
}

TEST(DomainXmlTest, another_session_beside_it_stays) {
  DeviceDescription other = Gpu0();
  other.name = "gpu1";
  const std::string result = Mutate(Mutate("<domain/>", other));
  EXPECT_EQ(Count(result, "&quot;id&quot;:&quot;rendercar-gpu1&quot;"), 1U);
  EXPECT_EQ(Count(result, kMarker), 1U);
}

TEST(DomainXmlTest, numa_cells_with_private_memory_become_shared) {
  const std::string result = Mutate(
      "<domain><cpu><numa><cell id=\"0\" memAccess=\"private\"/><cell id=\"1\"/></numa></cpu>"
      "</domain>");
  EXPECT_THAT(result, HasSubstr("<cell id=\"0\" memAccess=\"shared\"/><cell id=\"1\"/>"));
}

TEST(DomainXmlTest, memory_in_files_stays_in_files_but_is_shared) {
  const std::string result =
      Mutate("<domain><memoryBacking><source type=\"file\"/></memoryBacking></domain>");
  EXPECT_THAT(result, HasSubstr("<source type=\"file\"/><access mode=\"shared\"/>"));
}

TEST(DomainXmlTest, primary_beside_vnc_is_refused_in_words) {
  DeviceDescription description = Gpu0();
  description.display_mode = DisplayMode::kPrimary;
  const auto result =
      AddGpuToDomain(Fixture("annotated"), description, DomainStyle::kQemuCommandline);
  EXPECT_EQ(result.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(result.status().message(), HasSubstr("autoattachGraphicsDevice: false"));
}

TEST(DomainXmlTest, primary_without_vnc_is_the_only_adapter) {
  DeviceDescription description = Gpu0();
  description.display_mode = DisplayMode::kPrimary;
  const std::string once = Mutate(Fixture("headless"), description);
  EXPECT_THAT(once, HasSubstr("<video><model type=\"none\"/></video>"));
  EXPECT_EQ(Mutate(once, description), once);
}

TEST(DomainXmlTest, managed_video_names_the_render_node_and_the_shim_does_not) {
  const std::string managed = Mutate("<domain/>", Gpu0(), DomainStyle::kManagedVideo);
  EXPECT_THAT(managed, HasSubstr("rendernode=\"/dev/dri/renderD128\""));
  EXPECT_EQ(Mutate(managed, Gpu0(), DomainStyle::kManagedVideo), managed);
  EXPECT_THAT(Mutate("<domain/>", Gpu0(), DomainStyle::kShimVideo), Not(HasSubstr("rendernode")));
}

TEST(DomainXmlTest, managed_video_in_software_names_no_render_node) {
  DeviceDescription description = Gpu0();
  description.render_node = "software";
  const std::string video = Mutate("<domain/>", description, DomainStyle::kManagedVideo);
  EXPECT_THAT(video, HasSubstr("<acceleration accel3d=\"yes\"/>"));
}

// libvirt validates shared memory for disks, networks and file systems, for a video it does not.
TEST(DomainXmlTest, videos_get_shared_memory_too) {
  for (const auto style : {DomainStyle::kManagedVideo, DomainStyle::kShimVideo}) {
    EXPECT_THAT(Mutate("<domain/>", Gpu0(), style),
                HasSubstr("<source type=\"memfd\"/><access mode=\"shared\"/>"));
  }
}

TEST(DomainXmlTest, two_dimensions_leave_acceleration_out) {
  DeviceDescription description = Gpu0();
  description.virgl = false;
  EXPECT_THAT(Mutate("<domain/>", description, DomainStyle::kManagedVideo),
              Not(HasSubstr("acceleration")));
}

TEST(DomainXmlTest, what_is_no_domain_is_refused) {
  for (const char* wrong : {"", "not xml", "<domain>", "<domainsnapshot/>", "<a/><b/>"}) {
    EXPECT_EQ(AddGpuToDomain(wrong, Gpu0(), DomainStyle::kQemuCommandline).status().code(),
              absl::StatusCode::kInvalidArgument)
        << wrong;
  }
}

TEST(DomainXmlTest, a_machine_without_pci_is_refused) {
  EXPECT_EQ(AddGpuToDomain("<domain><os><type arch='s390x'/></os></domain>", Gpu0(),
                           DomainStyle::kQemuCommandline)
                .status()
                .code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace rendercar::sidecar
