#pragma once

#include <cstddef>
#include <cstdint>

struct JpegSize {
  int width;
  int height;
};

// Whether src/image/jpeg finds the file whole and decodes it with libjpeg-turbo itself: what readJpegHeader and
// suitsDirectPath accept there. Any other file is left to them, which also say what is wrong with it.
bool IsPlainJpeg(const uint8_t* bytes, size_t length, JpegSize* size);
