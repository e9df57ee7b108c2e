// rendercar-draw: starts a backend, draws a small 3D picture through it as a guest would, and
// checks the pixels; for places where no VM fits.
// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "common/program.h"
#include "tests/frontend/depth_scene.h"

namespace rendercar::frontend {
namespace {

constexpr char kProgram[] = "rendercar-draw";

struct Flags {
  std::string backend;
  std::string render_node;
  std::string picture;
  std::string stats_path;
};

void AddFlags(CLI::App& app, Flags& flags) {
  app.add_option("--backend", flags.backend, "The backend (default: the one of this build)")
      ->option_text("PROGRAM");
  app.add_option("--render-node", flags.render_node,
                 "Given to the backend; without it, it draws in software")
      ->option_text("PATH");
  app.add_option("--stats-path", flags.stats_path, "Given to the backend")->option_text("FILE");
  app.add_option("--picture", flags.picture, "Write what was drawn as a PPM file")
      ->option_text("FILE");
}

absl::Status WritePpm(const Picture& picture, const std::string& path) {
  if (path.empty()) return absl::OkStatus();
  std::ofstream file(path, std::ios::binary);
  file << fmt::format("P6\n{} {}\n255\n", picture.width, picture.height);
  for (const uint32_t pixel : picture.pixels) {
    for (const int shift : {16, 8, 0}) file.put(static_cast<char>(pixel >> shift & 0xff));
  }
  file.close();
  if (file.good()) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format("cannot write '{}'", path));
}

// The device files that the backend's processes have open.
std::set<std::string> GpuFiles(pid_t backend) {
  std::set<std::string> found;
  for (const pid_t pid : ProcessTree(backend)) {
    std::error_code error;
    for (std::filesystem::directory_iterator it(fmt::format("/proc/{}/fd", pid), error), end;
         !error && it != end; it.increment(error)) {
      const std::string target = std::filesystem::read_symlink(it->path(), error).string();
      if (target.rfind("/dev/dri/", 0) == 0) found.insert(target);
    }
  }
  return found;
}

absl::Status Run(const Flags& flags) {
  VmOptions options;
  options.program = OwnBackend();
  if (!flags.backend.empty()) options.program.path = flags.backend;
  options.program.args = {"--virgl"};
  if (!flags.render_node.empty()) {
    options.program.args.push_back("--render-node=" + flags.render_node);
  }
  if (!flags.stats_path.empty()) options.program.args.push_back("--stats-path=" + flags.stats_path);
  options.frontend.virgl = true;
  RC_ASSIGN_OR_RETURN(const std::unique_ptr<TestVm> vm, TestVm::Boot(options));
  if ((vm->frontend().offered_features() & Bit(VIRTIO_GPU_F_VIRGL)) == 0) {
    return absl::UnavailableError("the backend offers no 3D");
  }
  DepthScene scene(*vm);
  RC_RETURN_IF_ERROR(scene.Draw());
  RC_ASSIGN_OR_RETURN(const Picture picture, scene.Read());
  RC_RETURN_IF_ERROR(WritePpm(picture, flags.picture));
  const size_t wrong = CountWrong(picture);
  for (const std::string& file : GpuFiles(vm->backend().pid())) {
    fmt::print("OPEN {}\n", file);
  }
  fmt::print("PICTURE {}x{} WRONG {}\n", picture.width, picture.height, wrong);
  return wrong == 0 ? absl::OkStatus()
                    : absl::InternalError(fmt::format("{} pixels are not as they must be", wrong));
}

int Main(int argc, char** argv) {
  CLI::App app{"Draws a small 3D picture through a backend, without a VM, and checks it."};
  ProgramFlags program(app, kProgram);
  Flags flags;
  AddFlags(app, flags);
  if (const auto exit = program.Parse(argc, argv)) return static_cast<int>(*exit);
  const absl::Status drawn = Run(flags);
  return drawn.ok() ? 0 : Fail(kProgram, drawn);
}

}  // namespace
}  // namespace rendercar::frontend

int main(int argc, char** argv) { return rendercar::frontend::Main(argc, argv); }
