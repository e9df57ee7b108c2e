// Text in columns.
// SPDX-License-Identifier: Apache-2.0
#include "operator-api/cli/table.h"

#include <absl/strings/ascii.h>
#include <fmt/format.h>

#include <algorithm>
#include <numeric>

namespace rendercar::ctl {
namespace {

constexpr size_t kGap = 2;
constexpr size_t kNarrowest = 8;  // no column is cut to less

using Rows = std::vector<std::vector<std::string>>;

std::vector<size_t> WidthsOf(const Rows& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  return widths;
}

// Takes from the widest, one by one, until a line fits or none can give more.
void Narrow(std::vector<size_t>& widths, size_t columns) {
  size_t line = std::accumulate(widths.begin(), widths.end(), kGap * (widths.size() - 1));
  for (; line > columns; --line) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (*widest <= kNarrowest) return;
    --*widest;
  }
}

std::string Shortened(const std::string& cell, size_t width) {
  if (cell.size() <= width) return cell;
  const size_t tail = (width - 1) / 2;
  return cell.substr(0, width - 1 - tail) + "~" + cell.substr(cell.size() - tail);
}

}  // namespace

std::string Table(const Rows& rows, size_t columns) {
  std::vector<size_t> widths = WidthsOf(rows);
  if (!widths.empty()) Narrow(widths, columns);
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i)
      line += fmt::format("{:<{}}", Shortened(row[i], widths[i]), widths[i] + kGap);
    text += std::string(absl::StripTrailingAsciiWhitespace(line)) + "\n";
  }
  return text;
}

}  // namespace rendercar::ctl
