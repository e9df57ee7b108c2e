// An EDID of our own.
// SPDX-License-Identifier: Apache-2.0
#include "backend/gpu/edid.h"

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string_view>

namespace rendercar::gpu {
namespace {

using Edid = std::array<uint8_t, kEdidBytes>;

uint8_t Low(uint32_t value) { return static_cast<uint8_t>(value & 0xff); }
uint8_t Nibbles(uint32_t high_of_first, uint32_t high_of_second) {
  return static_cast<uint8_t>((high_of_first >> 8 & 0xf) << 4 | (high_of_second >> 8 & 0xf));
}

// CVT reduced blanking: 160 pixels horizontally; vertically 3 lines front porch, 6 sync.
struct Timing {
  uint32_t width, height;
  uint32_t h_blank = 160, h_front = 48, h_sync = 32;
  uint32_t v_blank = 30, v_front = 3, v_sync = 6;
  uint32_t clock_10khz;
};

Timing TimingFor(uint32_t width, uint32_t height) {
  Timing timing{};
  // 12 bits each; readers take clocks from 10 MHz on; the pixel clock's 16 bits in units of 10 kHz
  // end at 655 MHz.
  timing.width = std::clamp(width, 400u, 4095u);
  timing.height = std::clamp(height, 300u, 4095u);
  timing.h_blank = 160, timing.h_front = 48, timing.h_sync = 32;
  timing.v_blank = 30, timing.v_front = 3, timing.v_sync = 6;
  const uint64_t pixels_a_second =
      uint64_t{timing.width + timing.h_blank} * (timing.height + timing.v_blank) * 60;
  timing.clock_10khz = static_cast<uint32_t>(std::min<uint64_t>(pixels_a_second / 10000, 0xffff));
  return timing;
}

// At 96 dots an inch.
uint32_t Millimetres(uint32_t pixels) { return pixels * 254 / 960; }

void WriteDetailedTiming(uint8_t* out, const Timing& t) {
  const uint32_t width_mm = std::min(Millimetres(t.width), 0xfffu);
  const uint32_t height_mm = std::min(Millimetres(t.height), 0xfffu);
  out[0] = Low(t.clock_10khz);
  out[1] = Low(t.clock_10khz >> 8);
  out[2] = Low(t.width);
  out[3] = Low(t.h_blank);
  out[4] = Nibbles(t.width, t.h_blank);
  out[5] = Low(t.height);
  out[6] = Low(t.v_blank);
  out[7] = Nibbles(t.height, t.v_blank);
  out[8] = Low(t.h_front);
  out[9] = Low(t.h_sync);
  out[10] = static_cast<uint8_t>((t.v_front & 0xf) << 4 | (t.v_sync & 0xf));
  out[11] = 0;  // high bits of the four before
  out[12] = Low(width_mm);
  out[13] = Low(height_mm);
  out[14] = Nibbles(width_mm, height_mm);
  out[17] = 0x1a;  // digital separate sync, horizontal positive
}

// A descriptor of text: 13 bytes, ended by a line feed, filled with spaces.
void WriteText(uint8_t* out, uint8_t tag, std::string_view text) {
  out[3] = tag;
  std::memset(out + 5, ' ', 13);
  std::memcpy(out + 5, text.data(), std::min<size_t>(text.size(), 13));
  if (text.size() < 13) out[5 + text.size()] = '\n';
}

// The range of frequencies that it takes: wide, since nothing is driven by it.
void WriteRangeLimits(uint8_t* out, const Timing& t) {
  const uint32_t khz = t.clock_10khz * 10 / (t.width + t.h_blank);
  out[3] = 0xfd;
  out[5] = 24;                                                     // Hz, vertical, least
  out[6] = 75;                                                     // and most
  out[7] = static_cast<uint8_t>(std::min(khz, 30u));               // kHz, horizontal, least
  out[8] = static_cast<uint8_t>(std::clamp(khz + 1, 160u, 254u));  // and most
  out[9] = static_cast<uint8_t>(std::clamp(t.clock_10khz / 1000 + 1, 60u, 255u));  // in 10 MHz
  out[10] = 1;  // no timing formula is promised
  out[11] = 0x0a;
  std::memset(out + 12, ' ', 6);
}

}  // namespace

Edid MakeEdid(uint32_t scanout_id, uint32_t width, uint32_t height) {
  const Timing timing = TimingFor(width, height);
  Edid edid{};
  const uint8_t header[] = {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0};
  std::memcpy(edid.data(), header, sizeof(header));
  edid[8] = ('R' - '@') << 2 | ('C' - '@') >> 3;  // manufacturer "RCR", five bits a letter
  edid[9] = static_cast<uint8_t>(('C' - '@') << 5 | ('R' - '@'));
  edid[10] = 1;  // product code
  edid[12] = static_cast<uint8_t>(scanout_id + 1);
  edid[16] = 1;            // week
  edid[17] = 2026 - 1990;  // and year of manufacture
  edid[18] = 1;            // EDID 1.4
  edid[19] = 4;
  edid[20] = 0xa5;  // digital, 8 bits a colour, DisplayPort
  edid[21] = static_cast<uint8_t>(std::min(Millimetres(timing.width) / 10, 255u));
  edid[22] = static_cast<uint8_t>(std::min(Millimetres(timing.height) / 10, 255u));
  edid[23] = 120;   // gamma 2.2
  edid[24] = 0x06;  // sRGB; the first detailed timing is the native one
  const uint8_t srgb_chromaticity[] = {0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54};
  std::memcpy(&edid[25], srgb_chromaticity, sizeof(srgb_chromaticity));
  edid[35] = 0x21;                // established: 640x480, 800x600 at 60 Hz
  edid[36] = 0x08;                // 1024x768 at 60 Hz
  std::memset(&edid[38], 1, 16);  // no standard timings
  WriteDetailedTiming(&edid[54], timing);
  WriteRangeLimits(&edid[72], timing);
  WriteText(&edid[90], 0xfc, "Rendercar");
  WriteText(&edid[108], 0xff, std::string_view("RC-0000"));
  edid[108 + 5 + 6] = static_cast<uint8_t>('A' + scanout_id % 16);
  const uint32_t sum = std::accumulate(edid.begin(), edid.end() - 1, 0u);
  edid[127] = Low(256 - (sum & 0xff));
  return edid;
}

}  // namespace rendercar::gpu
