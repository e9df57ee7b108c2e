// Makes a PNG of a picture, by libpng.
// SPDX-License-Identifier: Apache-2.0
#include <png.h>

#include "sidecar/control/screen_capture.h"

namespace rendercar::sidecar {

absl::StatusOr<std::string> EncodePng(const Picture& picture) {
  png_image image{};
  image.version = PNG_IMAGE_VERSION;
  image.width = picture.width;
  image.height = picture.height;
  image.format = PNG_FORMAT_BGR;
  image.flags = PNG_IMAGE_FLAG_FAST;
  // libpng's simple interface takes no unused byte: without it, row by row.
  const auto* pixels = picture.pixels.bytes().data();
  const size_t count = size_t{picture.width} * picture.height;
  std::string bgr(count * 3, '\0');
  for (size_t i = 0; i < count; ++i) {
    for (size_t channel = 0; channel < 3; ++channel)
      bgr[i * 3 + channel] = static_cast<char>(pixels[i * 4 + channel]);
  }
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  std::string png(size, '\0');
  if (png_image_write_to_memory(&image, png.data(), &size, 0, bgr.data(), 0, nullptr) == 0)
    return absl::InternalError(absl::StrCat("cannot make a PNG: ", image.message));
  png.resize(size);
  return png;
}

}  // namespace rendercar::sidecar
