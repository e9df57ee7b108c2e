// KubeVirt's wire contract: names, numbers and types, written down a second time. Sidecar and
// stand-ins share one set of definitions, so that no other test sees a number that went wrong.
// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "kubevirt/info.pb.h"
#include "kubevirt/plugins.pb.h"
#include "kubevirt/v1alpha1.pb.h"
#include "kubevirt/v1alpha2.pb.h"
#include "kubevirt/v1alpha3.pb.h"

namespace rendercar::sidecar {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using ::testing::UnorderedElementsAre;
using ::testing::UnorderedElementsAreArray;
namespace hooks = ::kubevirt::hooks;

std::string Describe(const FieldDescriptor& field) {
  const bool message = field.type() == FieldDescriptor::TYPE_MESSAGE;
  return field.containing_type()->name() + "." + std::to_string(field.number()) +
         (field.is_repeated() ? " repeated " : " ") +
         (message ? field.message_type()->name() : std::string(field.type_name()));
}

std::set<std::string> Fields(const FileDescriptor& file) {
  std::set<std::string> fields;
  for (int i = 0; i < file.message_type_count(); ++i) {
    const auto& message = *file.message_type(i);
    for (int j = 0; j < message.field_count(); ++j) fields.insert(Describe(*message.field(j)));
  }
  return fields;
}

std::set<std::string> Methods(const FileDescriptor& file) {
  std::set<std::string> methods;
  for (int i = 0; i < file.service_count(); ++i) {
    const auto& service = *file.service(i);
    for (int j = 0; j < service.method_count(); ++j)
      methods.insert(service.full_name() + "/" + service.method(j)->name());
  }
  return methods;
}

const std::set<std::string> kDefine = {
    "OnDefineDomainParams.1 bytes", "OnDefineDomainParams.2 bytes", "OnDefineDomainResult.1 bytes"};
const std::set<std::string> kDefineAndCloudInit = {
    "OnDefineDomainParams.1 bytes",  "OnDefineDomainParams.2 bytes",
    "OnDefineDomainResult.1 bytes",  "PreCloudInitIsoParams.1 bytes",
    "PreCloudInitIsoParams.2 bytes", "PreCloudInitIsoParams.3 bytes",
    "PreCloudInitIsoResult.1 bytes", "PreCloudInitIsoResult.3 bytes"};

TEST(WireContractTest, info) {
  const FileDescriptor& file = *hooks::info::InfoResult::descriptor()->file();
  EXPECT_THAT(Methods(file), UnorderedElementsAre("kubevirt.hooks.info.Info/Info"));
  EXPECT_THAT(Fields(file),
              UnorderedElementsAre("InfoResult.1 string", "InfoResult.3 repeated HookPoint",
                                   "InfoResult.4 repeated string", "HookPoint.1 string",
                                   "HookPoint.2 int32"));
}

TEST(WireContractTest, callbacks) {
  const FileDescriptor& first = *hooks::v1alpha1::OnDefineDomainParams::descriptor()->file();
  const FileDescriptor& second = *hooks::v1alpha2::OnDefineDomainParams::descriptor()->file();
  const FileDescriptor& third = *hooks::v1alpha3::OnDefineDomainParams::descriptor()->file();
  EXPECT_THAT(Methods(first),
              UnorderedElementsAre("kubevirt.hooks.v1alpha1.Callbacks/OnDefineDomain"));
  EXPECT_THAT(Methods(second),
              UnorderedElementsAre("kubevirt.hooks.v1alpha2.Callbacks/OnDefineDomain",
                                   "kubevirt.hooks.v1alpha2.Callbacks/PreCloudInitIso"));
  EXPECT_THAT(Methods(third),
              UnorderedElementsAre("kubevirt.hooks.v1alpha3.Callbacks/OnDefineDomain",
                                   "kubevirt.hooks.v1alpha3.Callbacks/PreCloudInitIso",
                                   "kubevirt.hooks.v1alpha3.Callbacks/Shutdown"));
  EXPECT_THAT(Fields(first), UnorderedElementsAreArray(kDefine));
  EXPECT_THAT(Fields(second), UnorderedElementsAreArray(kDefineAndCloudInit));
  EXPECT_THAT(Fields(third), UnorderedElementsAreArray(kDefineAndCloudInit));
}

TEST(WireContractTest, plugins) {
  const FileDescriptor& file = *hooks::plugins::v1alpha1::SidecarContext::descriptor()->file();
  EXPECT_THAT(
      Methods(file),
      UnorderedElementsAre("kubevirt.hooks.plugins.v1alpha1.DomainHookService/MutateDomain",
                           "kubevirt.hooks.plugins.v1alpha1.NodeHookService/ExecuteNodeHook"));
  EXPECT_THAT(
      Fields(file),
      UnorderedElementsAre(
          "SidecarContext.1 string", "MutateDomainRequest.1 string", "MutateDomainRequest.2 bytes",
          "MutateDomainRequest.3 bytes", "MutateDomainRequest.4 SidecarContext",
          "MutateDomainResponse.1 bytes", "NodeContext.1 string", "ExecuteNodeHookRequest.1 string",
          "ExecuteNodeHookRequest.2 bytes", "ExecuteNodeHookRequest.3 NodeContext"));
}

}  // namespace
}  // namespace rendercar::sidecar
