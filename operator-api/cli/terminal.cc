// The terminal behind stdout.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/terminal.h"

#include <absl/strings/str_cat.h>
#include <absl/strings/str_join.h>
#include <absl/strings/str_split.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "operator-api/cli/table.h"

namespace rendercar::ctl {
namespace {

constexpr char kHomeAndClear[] = "\033[H\033[2J";

// At most `columns` characters, never a part of one.
std::string Cut(std::string line, size_t columns) {
  size_t characters = 0;
  for (size_t i = 0; i < line.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(line[i]) & 0xC0U) != 0x80U;
    if (begins && ++characters > columns) {
      line.resize(i);
      break;
    }
  }
  return line;
}

}  // namespace

std::optional<ScreenSize> Screen() {
  const char* term = std::getenv("TERM");
  if (::isatty(STDOUT_FILENO) == 0 || term == nullptr || *term == '\0' ||
      std::string_view(term) == "dumb")
    return std::nullopt;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0 || size.ws_row == 0)
    return ScreenSize();
  return ScreenSize{size.ws_col, size.ws_row};
}

size_t Columns() {
  winsize size{};
  const bool known = ::isatty(STDOUT_FILENO) != 0 &&
                     ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col != 0;
  return known ? size.ws_col : kNoLimit;
}

std::string Fit(const std::string& text, const ScreenSize& size) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (!lines.empty() && lines.back().empty()) lines.pop_back();
  if (lines.size() >= size.rows && size.rows >= 2) {
    const size_t more = lines.size() - (size.rows - 2);
    lines.resize(size.rows - 2);
    lines.push_back(absl::StrCat("... ", more, " more lines"));
  }
  for (std::string& line : lines) line = Cut(std::move(line), size.columns);
  return absl::StrJoin(lines, "\n") + "\n";
}

void Redraw(const std::string& text, const ScreenSize& size) {
  const std::string screen = kHomeAndClear + Fit(text, size);
  std::fwrite(screen.data(), 1, screen.size(), stdout);
  std::fflush(stdout);
}

}  // namespace rendercar::ctl
