// The terminal behind stdout, where there is one that can be drawn on.
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace rendercar::ctl {

struct ScreenSize {
  size_t columns = 80;
  size_t rows = 24;
};

// nullopt: stdout is a file or a pipe, or a terminal (TERM=dumb, or none) that cannot move its
// cursor.
std::optional<ScreenSize> Screen();

// Columns of the terminal behind stdout, also of one that is dumb; no limit where it is none.
size_t Columns();

// `text` as far as it fits, from the top left; the last row says how many more there are.
std::string Fit(const std::string& text, const ScreenSize& size);

// Writes `text` over what the screen shows.
void Redraw(const std::string& text, const ScreenSize& size);

}  // namespace rendercar::ctl
