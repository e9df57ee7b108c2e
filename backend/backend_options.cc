// What rendercar-backend is told on its command line.
// SPDX-License-Identifier: Apache-2.0
#include "backend/backend_options.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string_view>

namespace rendercar::backend {
namespace {

constexpr char kDescription[] =
    "A virtio-GPU for one virtual machine: the vhost-user-gpu backend of Rendercar.";
constexpr char kExamples[] = R"(
Examples:
  Serve QEMU a 2D GPU, and end with it:
    rendercar-backend --socket-path=/run/vm1/gpu.sock
  Replace a backend that was started with --handover-socket=/run/vm1/handover.sock:
    rendercar-backend --socket-path=/run/vm1/gpu.sock --take-over=/run/vm1/handover.sock
  with 3D on a GPU, or in software where --render-node is left out:
    rendercar-backend --socket-path=/run/vm1/gpu.sock --virgl --render-node=/dev/dri/renderD128
  QEMU's side of it (the VM's memory must be shared):
    qemu-system-x86_64 -machine q35,memory-backend=mem
      -object memory-backend-memfd,id=mem,size=2G,share=on
      -chardev socket,id=gpu,path=/run/vm1/gpu.sock -device vhost-user-gpu-pci,chardev=gpu ...

Exit codes: 0 the frontend is gone or SIGTERM came; 64 wrong flag; 69 render node or renderer
missing; 73 socket or file cannot be made; 76 the frontend broke the protocol; 77 no permission.
)";

void AddSocketFlags(CLI::App& app, Options& options) {
  auto* group = app.add_option_group("Socket", "exactly one of");
  group
      ->add_option("--socket-path", options.socket_path,
                   "Listen here for the frontend (107 bytes at most)")
      ->option_text("PATH");
  group->add_option("--fd", options.fd, "Serve the frontend at the other end of this descriptor")
      ->option_text("N")
      ->check(CLI::NonNegativeNumber);
  group->require_option(1);
  app.add_flag("--persistent", options.persistent,
               "Listen again after a frontend has gone (default: end with exit code 0)");
}

void AddDisplayFlags(CLI::App& app, Options& options) {
  app.add_flag("--headless", options.headless,
               "Render only: report every head disabled and send no picture");
  app.add_flag(
      "--dmabuf-scanouts", options.dmabuf_scanouts,
      "Show 3D screens from GPU memory, without a copy; only for frontends whose display has "
      "OpenGL (others lose the picture), and with --render-node");
}

void AddRendererFlags(CLI::App& app, Options& options) {
  app.add_flag("--virgl", options.virgl, "Offer 3D by virgl");
  app.add_option("--render-node", options.render_node,
                 "DRM render node for 3D; without it 3D runs in software")
      ->option_text("PATH");
  const std::map<std::string, RendererKind> kinds{{"process", RendererKind::kProcess},
                                                  {"null", RendererKind::kNull}};
  app.add_option("--failover-node", options.failover_nodes,
                 "Where 3D may move when its render node is gone for good: a path, or software; "
                 "repeatable. The guest is offered what all of them can do")
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->option_text("PATH");
  app.add_option("--renderer", options.renderer,
                 "Where 3D runs: process (a sandboxed child, default) or null (nowhere)")
      ->transform(CLI::CheckedTransformer(kinds))
      ->option_text("KIND");
  app.add_option("--renderer-program", options.renderer_program,
                 "The renderer's executable (default: rendercar-renderer beside this one, or in "
                 "../libexec/rendercar)")
      ->option_text("PATH");
}

void AddRendererLimitFlags(CLI::App& app, Options& options) {
  app.add_option("--probe-cache", options.probe_cache,
                 "Directory that remembers what the renderer can do, or 'none' (default: "
                 "$XDG_CACHE_HOME/rendercar, ~/.cache/rendercar or /var/cache/rendercar)")
      ->option_text("DIR");
  app.add_option("--watchdog-ms", options.watchdog_ms,
                 "A renderer that gets nothing done for so long is killed and replaced")
      ->check(CLI::Range(100, 3'600'000))
      ->option_text("MS");
  app.add_option("--renderer-memory", options.renderer_memory,
                 "Private memory of the renderer, in bytes or with a suffix (default: no limit)")
      ->transform(CLI::AsSizeValue(false))
      ->option_text("SIZE");
  app.add_option("--renderer-spin-us", options.renderer_spin_us,
                 "How long an idle renderer looks for a command before it sleeps")
      ->check(CLI::Range(0, 10'000))
      ->option_text("US");
  app.add_option("--max-restart-wait-ms", options.max_restart_wait_ms,
                 "The longest pause before a renderer that died again and again is started")
      ->check(CLI::Range(1, 600'000))
      ->option_text("MS");
  app.add_option("--max-renderer-deaths", options.max_renderer_deaths,
                 "So many deaths by the guest's commands within a minute turn 3D off")
      ->check(CLI::PositiveNumber)
      ->option_text("N");
}

void AddSessionFlags(CLI::App& app, Options& options) {
  app.add_option("--session", options.session, "Name of the session, for logs")
      ->option_text("NAME");
  app.add_option("--stats-path", options.stats_path,
                 "Write the statistics page here, for the sidecar to read")
      ->option_text("PATH");
  app.add_option("--screenshot-socket", options.screenshot_socket,
                 "Answer here who asks for what a screen shows (own uid and root only)")
      ->option_text("PATH");
  app.add_option("--handover-socket", options.handover_socket,
                 "Hand the VM over to a newer backend that asks here (own uid and root only)")
      ->option_text("PATH");
  auto* take_over =
      app.add_option("--take-over", options.take_over,
                     "Go on with the VM of the backend whose --handover-socket this is; all other "
                     "flags as it was started with")
          ->option_text("PATH");
  app.add_option("--status-fd", options.status_fd,
                 "Tell there how --take-over went: 'taken over MICROSECONDS' or 'refused: WHY'")
      ->option_text("N")
      ->check(CLI::NonNegativeNumber)
      ->needs(take_over);
}

void AddLimitFlags(CLI::App& app, gpu::Limits& limits) {
  auto* group = app.add_option_group("Limits", "what one guest may use");
  group
      ->add_option("--max-video-memory", limits.resource_bytes,
                   "Host memory of all resources together, in bytes or with a suffix (512M)")
      ->transform(CLI::AsSizeValue(false))
      ->option_text("SIZE");
  group->add_option("--max-resources", limits.resources, "Resources")->option_text("N");
  group->add_option("--max-contexts", limits.contexts, "3D contexts")->option_text("N");
  group->add_option("--max-backing-entries", limits.backing_entries, "Backing entries a resource")
      ->option_text("N");
  group
      ->add_option("--max-all-backing-entries", limits.all_backing_entries,
                   "Backing entries of all resources together")
      ->option_text("N");
  group
      ->add_option("--max-attachments", limits.attachments,
                   "Resources attached to contexts, each counted once a context")
      ->option_text("N");
  group
      ->add_option("--max-renderer-time", limits.renderer_time_percent,
                   "Percent of the time that the renderer may be busy; over it requests wait")
      ->check(CLI::Range(1, 100))
      ->option_text("PERCENT");
  group
      ->add_option("--max-display-bandwidth", limits.display_bytes_per_second,
                   "Bytes of pixels a second that are sent to the VMM; over it frames are merged "
                   "(0: no limit)")
      ->transform(CLI::AsSizeValue(false))
      ->option_text("SIZE");
  group->add_option("--max-submit-size", limits.submit_bytes, "Bytes of one 3D submit")
      ->transform(CLI::AsSizeValue(false))
      ->option_text("SIZE");
  group->add_option("--max-in-flight", limits.requests_in_flight, "Requests in flight")
      ->option_text("N");
}

absl::Status WrongFd(int fd, std::string_view what) {
  return absl::InvalidArgumentError(
      fmt::format("descriptor {} (--fd) {}; pass a connected unix stream socket, or use "
                  "--socket-path=PATH",
                  fd, what));
}

bool HasOption(int fd, int name, int value) {
  int found = -1;
  socklen_t size = sizeof(found);
  return ::getsockopt(fd, SOL_SOCKET, name, &found, &size) == 0 && found == value;
}

}  // namespace

Parsed ParseOptions(int argc, char** argv) {
  Parsed parsed;
  CLI::App app(kDescription);
  app.footer(kExamples);
  ProgramFlags common(app, "rendercar-backend");
  AddSocketFlags(app, parsed.options);
  AddDisplayFlags(app, parsed.options);
  AddRendererFlags(app, parsed.options);
  AddRendererLimitFlags(app, parsed.options);
  AddSessionFlags(app, parsed.options);
  AddLimitFlags(app, parsed.options.limits);
  bool ignored = false;  // main looked for it before
  app.add_flag("--print-capabilities", ignored,
               "Print what this backend can do as JSON, and end; all else is ignored");
  parsed.exit = common.Parse(argc, argv);
  return parsed;
}

bool WantsCapabilities(int argc, char** argv) {
  return std::any_of(argv + 1, argv + std::max(argc, 1), [](const char* argument) {
    return std::string_view(argument) == "--print-capabilities";
  });
}

absl::StatusOr<UniqueFd> AdoptSocket(int fd) {
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) return WrongFd(fd, "is not open");
  UniqueFd socket(fd);
  int unused = 0;
  socklen_t size = sizeof(unused);
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &unused, &size) != 0)
    return WrongFd(fd, "is no socket");
  if (!HasOption(fd, SO_DOMAIN, AF_UNIX) || !HasOption(fd, SO_TYPE, SOCK_STREAM))
    return WrongFd(fd, "is a socket of another kind");
  if (HasOption(fd, SO_ACCEPTCONN, 1)) return WrongFd(fd, "is a listening socket");
  return socket;
}

}  // namespace rendercar::backend
