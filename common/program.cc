// What every program of ours shares on its command line: --version, --log-level, --log-format, exit
// codes, signals.
// SPDX-License-Identifier: Apache-2.0
#include "common/program.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <sstream>
#include <utility>
#include <vector>

#include "common/version.h"

namespace rendercar {
namespace {

constexpr size_t kHelpColumn = 32;   // where descriptions begin
constexpr size_t kHelpColumns = 80;  // the narrowest terminal that people use

// `text` in lines that end before kHelpColumns when CLI11 indents them to kHelpColumn.
std::string Wrapped(const std::string& text) {
  std::istringstream words(text);
  std::string word;
  std::string result;
  size_t column = kHelpColumn;
  while (words >> word) {
    const bool first = column == kHelpColumn;
    if (!first && column + 1 + word.size() > kHelpColumns) {
      result += '\n';
      column = kHelpColumn;
    } else if (!first) {
      result += ' ';
      ++column;
    }
    result += word;
    column += word.size();
  }
  return result;
}

// CLI11's help, with descriptions that stay within the terminal.
class HelpFormatter final : public CLI::Formatter {
 public:
  std::string make_option_desc(const CLI::Option* option) const override {
    return Wrapped(option->get_description());
  }
};

constexpr char kLevelVariable[] = "RENDERCAR_LOG_LEVEL";
constexpr char kFormatVariable[] = "RENDERCAR_LOG_FORMAT";

const std::map<std::string, log::Level>& Levels() {
  static const auto* levels =
      new std::map<std::string, log::Level>{{"debug", log::Level::kDebug},
                                            {"info", log::Level::kInfo},
                                            {"warning", log::Level::kWarning},
                                            {"error", log::Level::kError}};
  return *levels;
}

const std::map<std::string, log::Format>& Formats() {
  static const auto* formats = new std::map<std::string, log::Format>{{"text", log::Format::kText},
                                                                      {"json", log::Format::kJson}};
  return *formats;
}

// Puts the chosen value's word into the environment, for the programs that this one starts.
template <typename T>
void Export(const char* variable, const std::map<std::string, T>& words, T chosen) {
  for (const auto& [word, value] : words) {
    if (value == chosen) ::setenv(variable, word.c_str(), 1);
  }
}

}  // namespace

ExitCode ExitCodeFor(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kUsage;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnavailable;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kNoPermission;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
      return ExitCode::kCannotCreate;
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnimplemented:
      return ExitCode::kProtocol;
    case absl::StatusCode::kDataLoss:
      return ExitCode::kConfig;
    case absl::StatusCode::kResourceExhausted:
      return ExitCode::kOs;
    default:
      return ExitCode::kInternal;
  }
}

ProgramFlags::ProgramFlags(CLI::App& app, std::string program) : app_(app) {
  log_options_.program = std::move(program);
  app_.set_version_flag("--version", log_options_.program + " " + kVersion);
  auto formatter = std::make_shared<HelpFormatter>();
  formatter->column_width(kHelpColumn);
  app_.formatter(formatter);
  app_.add_option("--log-level", log_options_.level,
                  "Least severe level to log: debug, info, warning, error")
      ->transform(CLI::CheckedTransformer(Levels(), CLI::ignore_case))
      ->envname(kLevelVariable)
      ->option_text("LEVEL");
  app_.add_option("--log-format", log_options_.format, "Log lines as text or json")
      ->transform(CLI::CheckedTransformer(Formats(), CLI::ignore_case))
      ->envname(kFormatVariable)
      ->option_text("FORMAT");
}

std::optional<ExitCode> ProgramFlags::Parse(int argc, char** argv) {
  try {
    app_.parse(argc, argv);
  } catch (const CLI::Success& help_or_version) {
    app_.exit(help_or_version);
    return ExitCode::kOk;
  } catch (const CLI::ParseError& error) {
    // CLI11 looks for what is missing first; an unknown flag is the likelier mistake.
    const std::vector<std::string> unknown = app_.remaining(/*recurse=*/true);
    const std::string what =
        unknown.empty() ? error.what() : "unknown flag or argument '" + unknown.front() + "'";
    std::fprintf(stderr, "%s: %s; see %s --help\n", log_options_.program.c_str(), what.c_str(),
                 log_options_.program.c_str());
    return ExitCode::kUsage;
  }
  Export(kLevelVariable, Levels(), log_options_.level);
  Export(kFormatVariable, Formats(), log_options_.format);
  log::Init(log_options_);
  return std::nullopt;
}

int Fail(std::string_view program, const absl::Status& status) {
  std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(program.size()), program.data(),
               std::string(status.message()).c_str());
  return static_cast<int>(ExitCodeFor(status));
}

ShutdownSignals::ShutdownSignals(EventLoop& loop, absl::AnyInvocable<void(int signal)> handler)
    : loop_(loop) {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  fd_.Reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  RC_CHECK(fd_.valid(), "signalfd; raise the open-files limit");
  loop_.Watch(fd_.get(), EPOLLIN, [fd = fd_.get(), handler = std::move(handler)](uint32_t) mutable {
    signalfd_siginfo info{};
    if (::read(fd, &info, sizeof(info)) == sizeof(info)) handler(static_cast<int>(info.ssi_signo));
  });
}

ShutdownSignals::~ShutdownSignals() { loop_.Unwatch(fd_.get()); }

}  // namespace rendercar
