#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

// Bytes that the passes may read beyond their input, or write beyond their output.
constexpr size_t kSlack = 64;

// Pillow's resize to one size, by the tables of src/image/resize/resize-simd.ts and to the bits of native/wasm/resize.ts,
// which says what the passes do. For AVX2.
class Resize {
 public:
  Resize(int out_width, int out_height) : out_width_(out_width), out_height_(out_height) {}

  static bool IsPossible();

  size_t out_bytes() const { return size_t(3) * out_width_ * out_height_; }

  void AddTables(int width, int height, std::vector<uint8_t> rows, std::vector<uint8_t> columns);

  // Pictures whose width or height alone changes, and very tall ones, take another way there.
  bool Takes(int width, int height) const;

  bool HasTables(int width, int height) const;

  // `source` [height, width, 3], followed by a row and kSlack bytes that may be read; `out` gets out_bytes().
  void Run(const uint8_t* source, int width, int height, uint8_t* out);

 private:
  const int out_width_, out_height_;
  // By the width of the source, and by its height.
  std::map<int, std::vector<uint8_t>> rows_, columns_;
  std::vector<uint8_t> between_, result_;
};
