// How long a domain's mutation takes: KubeVirt waits for it in every start of a VM. The aim is
// below 5 ms.
// SPDX-License-Identifier: Apache-2.0
#include <benchmark/benchmark.h>

#include <fstream>
#include <sstream>

#include "sidecar/definition/domain_xml.h"

namespace rendercar::sidecar {
namespace {

std::string Fixture(const std::string& name) {
  std::ostringstream text;
  text << std::ifstream(RENDERCAR_SOURCE_DIR "/sidecar/testdata/kubevirt/" + name + ".domain.xml")
              .rdbuf();
  return text.str();
}

DeviceDescription Gpu0() {
  DeviceDescription description;
  description.name = "gpu0";
  description.socket_path = "/var/run/kubevirt-plugin/rendercar/gpu0.sock";
  return description;
}

void Run(benchmark::State& state, const std::string& xml) {
  const DeviceDescription description = Gpu0();
  for (auto _ : state) {
    auto result = AddGpuToDomain(xml, description, DomainStyle::kQemuCommandline);
    if (!result.ok()) state.SkipWithError("the domain was refused");
    benchmark::DoNotOptimize(result);
  }
  state.SetBytesProcessed(static_cast<int64_t>(state.iterations() * xml.size()));
}

void BM_FirstPass(benchmark::State& state) { Run(state, Fixture("masquerade")); }
BENCHMARK(BM_FirstPass)->Unit(benchmark::kMicrosecond);

void BM_SecondPass(benchmark::State& state) {
  Run(state, *AddGpuToDomain(Fixture("masquerade"), Gpu0(), DomainStyle::kQemuCommandline));
}
BENCHMARK(BM_SecondPass)->Unit(benchmark::kMicrosecond);

// As many devices as libvirt would ever be given.
void BM_ThousandDisks(benchmark::State& state) {
  std::string xml = Fixture("masquerade");
  std::string disks;
  for (int i = 0; i < 1000; ++i)
    disks += "<disk device='disk' type='file'><source file='/disk" + std::to_string(i) +
             ".img'/><target bus='scsi' dev='sd" + std::to_string(i) + "'/></disk>\n";
  xml.insert(xml.find("</devices>"), disks);
  Run(state, xml);
}
BENCHMARK(BM_ThousandDisks)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace rendercar::sidecar
