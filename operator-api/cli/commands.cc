// The commands of rendercarctl: flags, calls and what they print.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/commands.h"

#include <absl/strings/numbers.h>
#include <absl/strings/str_cat.h>
#include <absl/strings/str_split.h>
#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <map>

#include "operator-api/cli/terminal.h"

namespace rendercar::ctl {
namespace {

constexpr char kNodeSocket[] = "/run/rendercar/node.sock";
constexpr char kDefaultSocket[] = "/var/run/rendercar/control/sidecar.sock";

const std::map<std::string, api::DeviceDefinitionFormat>& Formats() {
  static const auto* formats = new std::map<std::string, api::DeviceDefinitionFormat>{
      {"qemu-args", api::DEVICE_DEFINITION_FORMAT_QEMU_ARGS},
      {"libvirt-managed", api::DEVICE_DEFINITION_FORMAT_LIBVIRT_MANAGED},
      {"libvirt-shim", api::DEVICE_DEFINITION_FORMAT_LIBVIRT_SHIM},
      {"kubevirt", api::DEVICE_DEFINITION_FORMAT_KUBEVIRT},
      {"vhost-user-json", api::DEVICE_DEFINITION_FORMAT_VHOST_USER_JSON}};
  return *formats;
}

const std::map<std::string, api::DisplayMode>& DisplayModes() {
  static const auto* modes =
      new std::map<std::string, api::DisplayMode>{{"headless", api::DISPLAY_MODE_HEADLESS},
                                                  {"secondary", api::DISPLAY_MODE_SECONDARY},
                                                  {"primary", api::DISPLAY_MODE_PRIMARY}};
  return *modes;
}

template <typename T>
std::vector<std::string> Keys(const std::map<std::string, T>& map) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : map) keys.push_back(key);
  return keys;
}

}  // namespace

std::string ResourceName(const std::string& session) {
  if (session.rfind("sessions/", 0) == 0 || session.rfind("shares/", 0) == 0) return session;
  const size_t slash = session.find('/');
  if (slash == std::string::npos) return "sessions/" + session;
  return absl::StrCat("shares/", session.substr(0, slash), "/sessions/", session.substr(slash + 1));
}

void Print(const Arguments& arguments, const google::protobuf::Message& message,
           const std::function<std::string()>& table) {
  std::string text;
  switch (arguments.output) {
    case OutputFormat::kTable:
      text = table();
      break;
    case OutputFormat::kJson:
      text = ToJson(message);
      break;
    case OutputFormat::kYaml:
      text = ToYaml(message);
      break;
  }
  std::fwrite(text.data(), 1, text.size(), stdout);
}

namespace {

void PrintSession(const Arguments& arguments, const api::Session& session) {
  Print(arguments, session, [&] { return SessionDetails(session, std::time(nullptr)); });
}

absl::Status ListSessions(Client& client, const Arguments& arguments) {
  RC_ASSIGN_OR_RETURN(const auto list, client.ListSessions(arguments.filter));
  Print(arguments, list, [&] { return SessionTable(list, std::time(nullptr), Columns()); });
  return absl::OkStatus();
}

absl::Status GetSession(Client& client, const Arguments& arguments) {
  api::GetSessionRequest request;
  request.set_name(ResourceName(arguments.session));
  RC_ASSIGN_OR_RETURN(const auto session, client.GetSession(request));
  PrintSession(arguments, session);
  return absl::OkStatus();
}

absl::Status FillDisplay(const Arguments& arguments, api::Display& display) {
  display.set_mode(DisplayModes().at(arguments.display));
  display.set_heads(arguments.heads);
  if (arguments.resolution.empty()) return absl::OkStatus();
  const std::vector<std::string> sides = absl::StrSplit(arguments.resolution, 'x');
  uint32_t width = 0;
  uint32_t height = 0;
  if (sides.size() != 2 || !absl::SimpleAtoi(sides[0], &width) ||
      !absl::SimpleAtoi(sides[1], &height)) {
    return absl::InvalidArgumentError(absl::StrCat("--resolution is '", arguments.resolution,
                                                   "'; write WIDTHxHEIGHT, for example 1280x800"));
  }
  display.set_width_px(width);
  display.set_height_px(height);
  return absl::OkStatus();
}

absl::Status CreateSession(Client& client, const Arguments& arguments) {
  api::CreateSessionRequest request;
  request.set_session_id(arguments.session);
  api::Session& session = *request.mutable_session();
  session.set_share(arguments.share);
  session.set_acceleration(arguments.no_3d ? api::ACCELERATION_NONE : api::ACCELERATION_VIRGL);
  session.set_video_memory_limit_bytes(arguments.video_memory_bytes);
  RC_RETURN_IF_ERROR(FillDisplay(arguments, *session.mutable_display()));
  RC_ASSIGN_OR_RETURN(const auto created, client.CreateSession(request));
  PrintSession(arguments, created);
  return absl::OkStatus();
}

absl::Status DeleteSession(Client& client, const Arguments& arguments) {
  api::DeleteSessionRequest request;
  request.set_name(ResourceName(arguments.session));
  request.set_force(arguments.force);
  return client.DeleteSession(request);
}

absl::Status Define(Client& client, const Arguments& arguments) {
  api::GetDeviceDefinitionRequest request;
  request.set_name(ResourceName(arguments.session));
  request.set_format(Formats().at(arguments.format));
  request.set_guest_memory_bytes(arguments.guest_memory_bytes);
  RC_ASSIGN_OR_RETURN(const auto definition, client.GetDeviceDefinition(request));
  Print(arguments, definition, [&] {
    const bool complete = !definition.text().empty() && definition.text().back() == '\n';
    return definition.text() + (complete ? "" : "\n");
  });
  return absl::OkStatus();
}

absl::Status Info(Client& client, const Arguments& arguments) {
  RC_ASSIGN_OR_RETURN(const auto info, client.GetServerInfo());
  Print(arguments, info, [&] { return InfoDetails(info); });
  return absl::OkStatus();
}

absl::Status UpdateSession(Client& client, const Arguments& arguments) {
  api::UpdateSessionRequest request;
  api::Session& session = *request.mutable_session();
  session.set_name(ResourceName(arguments.session));
  const auto change = [&](const char* path) { request.mutable_update_mask()->add_paths(path); };
  if (arguments.video_memory_bytes != 0) {
    session.set_video_memory_limit_bytes(arguments.video_memory_bytes);
    change("video_memory_limit_bytes");
  }
  RC_RETURN_IF_ERROR(FillDisplay(arguments, *session.mutable_display()));
  if (arguments.heads != 0) change("display.heads");
  if (!arguments.resolution.empty()) {
    change("display.width_px");
    change("display.height_px");
  }
  RC_ASSIGN_OR_RETURN(const auto updated, client.UpdateSession(request));
  PrintSession(arguments, updated);
  return absl::OkStatus();
}

absl::Status UpgradeSession(Client& client, const Arguments& arguments) {
  api::UpgradeSessionRequest request;
  request.set_name(ResourceName(arguments.session));
  request.set_binary(arguments.binary);
  RC_ASSIGN_OR_RETURN(const auto upgraded, client.UpgradeSession(request));
  PrintSession(arguments, upgraded);
  return absl::OkStatus();
}

}  // namespace

CLI::App* AddCommand(CLI::App& parent, const std::string& name, const std::string& help,
                     Command& chosen, Command command) {
  CLI::App* app = parent.add_subcommand(name, help);
  app->fallthrough();  // -o and --socket may stand behind the command
  app->parse_complete_callback([&chosen, command = std::move(command)] { chosen = command; });
  return app;
}

namespace {

void AddSessionName(CLI::App* app, Arguments& arguments) {
  app->add_option("session", arguments.session, "Name of the session")
      ->required()
      ->option_text("NAME");
}

void AddCreate(CLI::App& sessions, Arguments& arguments, Command& chosen) {
  CLI::App* create =
      AddCommand(sessions, "create", "Create a session and wait until a VMM can connect", chosen,
                 CreateSession);
  AddSessionName(create, arguments);
  create->add_option("--share", arguments.share, "Use this share [any free one]")
      ->option_text("ID");
  create->add_option("--display", arguments.display, "headless, secondary or primary [secondary]")
      ->check(CLI::IsMember(Keys(DisplayModes())))
      ->option_text("MODE");
  create->add_option("--resolution", arguments.resolution, "Size of the first screen [1280x800]")
      ->option_text("WxH");
  create->add_option("--heads", arguments.heads, "Number of screens [1]")->option_text("N");
  create
      ->add_option("--video-memory", arguments.video_memory_bytes,
                   "Most bytes of video memory, for example 512MiB [the share's limit]")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->option_text("BYTES");
  create->add_flag("--no-3d", arguments.no_3d, "2D only");
}

void AddSessions(CLI::App& app, Arguments& arguments, Command& chosen) {
  CLI::App* sessions =
      app.add_subcommand("sessions", "Create, list, change, upgrade, delete sessions");
  sessions->require_subcommand(1)->fallthrough()->alias("session");
  CLI::App* list = AddCommand(*sessions, "list", "List all sessions", chosen, ListSessions);
  list->add_option("--filter", arguments.filter,
                   "Only those: for example \"state=ready AND connected=false\"")
      ->option_text("TEXT");
  AddSessionName(AddCommand(*sessions, "get", "Show one session", chosen, GetSession), arguments);
  AddCreate(*sessions, arguments, chosen);
  CLI::App* update = AddCommand(*sessions, "update", "Change limits of a session that no VM uses",
                                chosen, UpdateSession);
  AddSessionName(update, arguments);
  update->add_option("--video-memory", arguments.video_memory_bytes, "Most bytes of video memory")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->option_text("BYTES");
  update->add_option("--resolution", arguments.resolution, "Size of the first screen")
      ->option_text("WxH");
  update->add_option("--heads", arguments.heads, "Number of screens")->option_text("N");
  CLI::App* upgrade =
      AddCommand(*sessions, "upgrade", "Replace a session's backend by a newer one, under its VM",
                 chosen, UpgradeSession);
  AddSessionName(upgrade, arguments);
  upgrade
      ->add_option("--binary", arguments.binary,
                   "The new backend as the sidecar sees it [the node's for upgrades, or the "
                   "sidecar's own]")
      ->option_text("PATH");
  CLI::App* remove =
      AddCommand(*sessions, "delete", "End a session and its backend", chosen, DeleteSession);
  AddSessionName(remove, arguments);
  remove->add_flag("--force", arguments.force, "Also while a VM is connected, which loses its GPU");
}

void AddDefine(CLI::App& app, Arguments& arguments, Command& chosen) {
  CLI::App* define =
      AddCommand(app, "define", "Print how a VMM is told of a session's GPU", chosen, Define);
  AddSessionName(define, arguments);
  define
      ->add_option("--format", arguments.format,
                   "qemu-args, libvirt-managed, libvirt-shim, kubevirt or vhost-user-json "
                   "[qemu-args]")
      ->check(CLI::IsMember(Keys(Formats())))
      ->option_text("FORMAT");
  define
      ->add_option("--guest-memory", arguments.guest_memory_bytes,
                   "Memory of the guest, for example 2GiB [2GiB]")
      ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false))
      ->option_text("BYTES");
}

void AddGlobalFlags(CLI::App& app, Arguments& arguments) {
  static const std::map<std::string, OutputFormat> outputs{{"table", OutputFormat::kTable},
                                                           {"json", OutputFormat::kJson},
                                                           {"yaml", OutputFormat::kYaml}};
  app.add_option("--socket", arguments.socket,
                 std::string("Socket of a sidecar or node agent [") + kDefaultSocket + ", or " +
                     kNodeSocket + " where only that exists]")
      ->envname("RENDERCAR_SOCKET")
      ->option_text("PATH");
  app.add_option("--address", arguments.tls.address,
                 "HOST:PORT of a node agent instead of its socket, by mutual TLS")
      ->envname("RENDERCAR_ADDRESS")
      ->option_text("ADDRESS");
  app.add_option("--ca", arguments.tls.ca, "Who signs the server's certificate (PEM)")
      ->envname("RENDERCAR_CA")
      ->option_text("FILE");
  app.add_option("--cert", arguments.tls.certificate, "Your certificate (PEM)")
      ->envname("RENDERCAR_CERT")
      ->option_text("FILE");
  app.add_option("--key", arguments.tls.key, "Its key (PEM)")
      ->envname("RENDERCAR_KEY")
      ->option_text("FILE");
  app.add_option("-o,--output", arguments.output, "table, json or yaml [table]")
      ->transform(CLI::CheckedTransformer(outputs))
      ->option_text("FORMAT");
  app.add_option("--timeout", arguments.timeout_s, "Longest wait for an answer [30]")
      ->option_text("SECONDS");
}

}  // namespace

std::string DefaultSocket() {
  const bool node_only = ::access(kDefaultSocket, F_OK) != 0 && ::access(kNodeSocket, F_OK) == 0;
  return node_only ? kNodeSocket : kDefaultSocket;
}

void AddCommands(CLI::App& app, Arguments& arguments, Command& command) {
  AddGlobalFlags(app, arguments);
  app.require_subcommand(1);
  AddSessions(app, arguments, command);
  AddDefine(app, arguments, command);
  AddInventory(app, arguments, command);
  AddWatching(app, arguments, command);
  AddScreenshot(app, arguments, command);
  AddSupportBundle(app, arguments, command);
  AddCommand(app, "info", "Show what runs here and which shares it has", command, Info);
}

}  // namespace rendercar::ctl
