#pragma once

#include <cstddef>

struct Bytes {
  const unsigned char* data;
  size_t length;
};

// The part of libjpeg-turbo's TurboJPEG 3 interface that is used here, found in the library when it is
// opened: there are no headers at set-up. https://libjpeg-turbo.org/Documentation/Documentation
struct TurboJpegApi {
  using Handle = void*;

  // Values of the interface's enumerations.
  static constexpr int kDecompress = 1;          // TJINIT_DECOMPRESS
  static constexpr int kRgb = 0;                 // TJPF_RGB
  static constexpr int kCmyk = 11;               // TJPF_CMYK
  static constexpr int kWidth = 5;               // TJPARAM_JPEGWIDTH
  static constexpr int kHeight = 6;              // TJPARAM_JPEGHEIGHT
  static constexpr int kScanLimit = 13;          // TJPARAM_SCANLIMIT
  static constexpr int kMaxPixels = 24;          // TJPARAM_MAXPIXELS

  Handle (*init)(int kind);
  void (*destroy)(Handle);
  int (*set)(Handle, int parameter, int value);
  int (*get)(Handle, int parameter);
  int (*decompress8)(Handle, const unsigned char* jpeg, size_t bytes, unsigned char* pixels,
                     int pitch, int pixel_format);

  // Returns what is wrong with the file at `path`, else nullptr. The library stays open.
  const char* Open(const char* path);

  // Whether `pixels`, with room for so many, was filled from a file of just that size.
  bool Decompress(const Bytes& jpeg, unsigned char* pixels, int width, int height, int pixel_format) const;
};
