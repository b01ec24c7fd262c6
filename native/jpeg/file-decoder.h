#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "resize.h"
#include "turbojpeg-api.h"

// What a file must still be; see `listed` of src/image/decoded-chunk.ts.
struct FileState {
  double bytes;
  double modified_ms;
  double from;   // of a part of the file; -1: it is the whole
  double crc32;  // of a zip's member, whose header is at `from`; -1: it is none
};

// Int32 of a decode thread that others look at: SLOT of src/image/pool/decode-thread.ts.
struct ThreadState {
  int32_t job, position, turns, stop;
};

// Reads, decodes and resizes JPEG files with no JavaScript between; of files whose bytes are given, nothing is read. It takes
// only files with nothing unusual about them; any other is left, untouched, to src/image, which decodes it or says why not.
class FileDecoder {
 public:
  enum Outcome { kDone, kLeft, kNeedsTables };

  struct Times {
    double read_ms, decode_ms, resize_ms;
  };

  FileDecoder(const TurboJpegApi& api, int out_width, int out_height, double max_pixels)
      : resize(out_width, out_height), api_(api), max_pixels_(max_pixels) {}

  // `out` gets resize.out_bytes(). After kNeedsTables the picture is kept: add them for its size, and call again.
  // `given.data` is null where the file at `path` is to be read.
  Outcome Run(const Bytes& given, const std::string& path, const FileState& listed, uint8_t* out, ThreadState* state,
              Times* times);

  Resize resize;
  // Of the picture that needs tables.
  int width = 0, height = 0;

 private:
  bool Read(const std::string& path, const FileState& listed);
  bool Decode();

  const TurboJpegApi& api_;
  const double max_pixels_;
  std::vector<uint8_t> file_, picture_;
  // In file_, or given.
  Bytes jpeg_ = {nullptr, 0};
  bool is_kept_ = false;
};
