#include "resize.h"

#include <cstring>
#include <utility>

namespace {

// Folders of photographs come in few sizes, hostile ones in many.
constexpr size_t kMostTables = 64;
// An image taller than so many times its width is resized columns first.
constexpr int kTall = 100;

}  // namespace

void Resize::AddTables(int width, int height, std::vector<uint8_t> rows, std::vector<uint8_t> columns) {
  if (rows_.size() >= kMostTables) rows_.clear();
  if (columns_.size() >= kMostTables) columns_.clear();
  rows_[width] = std::move(rows);
  columns_[height] = std::move(columns);
}

bool Resize::Takes(int width, int height) const {
  if (width == out_width_ || height == out_height_) return width == out_width_ && height == out_height_;
  return height <= kTall * width || height <= out_height_;
}

bool Resize::HasTables(int width, int height) const {
  return (width == out_width_ && height == out_height_) || (rows_.count(width) > 0 && columns_.count(height) > 0);
}

#ifdef __x86_64__

#include <immintrin.h>

#define RESIZE_TARGET __attribute__((target("avx2")))

namespace {

constexpr int kLowBits = 12, kPrecisionBits = 22, kHalf = 1 << (kPrecisionBits - 1);

int32_t Load32(const uint8_t* at) {
  int32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

void Store32(uint8_t* at, int32_t value) { memcpy(at, &value, sizeof value); }

// Whole sums as bytes, clipped: four in the lower 32 bits of each half.
RESIZE_TARGET inline __m256i ToBytes(__m256i high, __m256i low) {
  const __m256i sums = _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, kLowBits), low), kPrecisionBits);
  const __m256i narrow = _mm256_packs_epi32(sums, sums);
  return _mm256_packus_epi16(narrow, narrow);
}

RESIZE_TARGET inline void AddProducts(__m256i pairs, const uint8_t* weights, __m256i* high, __m256i* low) {
  *high = _mm256_add_epi32(*high, _mm256_madd_epi16(pairs, _mm256_set1_epi32(Load32(weights))));
  *low = _mm256_add_epi32(*low, _mm256_madd_epi16(pairs, _mm256_set1_epi32(Load32(weights + 4))));
}

// Two rows side by side, one in each half of the registers.
RESIZE_TARGET void Rows(const uint8_t* source, size_t row_bytes, int row_pairs, const uint8_t* table, int width,
                        uint8_t* out, size_t out_bytes) {
  const __m256i first = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
  const __m256i second = _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
  for (; row_pairs > 0; row_pairs--, source += 2 * row_bytes, out += 2 * out_bytes) {
    const uint8_t* entry = table;
    for (int x = 0; x < width; x++) {
      const uint8_t* at = source + Load32(entry);
      int steps = Load32(entry + 4);
      entry += 8;
      __m256i high = _mm256_setzero_si256(), low = _mm256_set1_epi32(kHalf);
      for (; steps > 0; steps--, entry += 16, at += 12) {
        const __m128i above = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const __m128i below = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at + row_bytes));
        const __m256i pixels = _mm256_inserti128_si256(_mm256_castsi128_si256(above), below, 1);
        AddProducts(_mm256_shuffle_epi8(pixels, first), entry, &high, &low);
        AddProducts(_mm256_shuffle_epi8(pixels, second), entry + 8, &high, &low);
      }
      const __m256i bytes = ToBytes(high, low);
      Store32(out + 3 * x, _mm256_extract_epi32(bytes, 0));
      Store32(out + 3 * x + out_bytes, _mm256_extract_epi32(bytes, 4));
    }
  }
}

// In strips of eight bytes.
RESIZE_TARGET void Columns(const uint8_t* source, size_t row_bytes, const uint8_t* table, int height, int strips,
                           uint8_t* out, size_t out_bytes) {
  for (; height > 0; height--, out += out_bytes) {
    const uint8_t* column = source + Load32(table);
    const int steps = Load32(table + 4);
    table += 8;
    for (int strip = 0; strip < strips; strip++) {
      const uint8_t* at = column + 8 * strip;
      __m256i high = _mm256_setzero_si256(), low = _mm256_set1_epi32(kHalf);
      for (int step = 0; step < steps; step++, at += 2 * row_bytes) {
        const __m128i above = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
        const __m128i below = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at + row_bytes));
        AddProducts(_mm256_cvtepu8_epi16(_mm_unpacklo_epi8(above, below)), table + 8 * step, &high, &low);
      }
      const __m256i bytes = ToBytes(high, low);
      Store32(out + 8 * strip, _mm256_extract_epi32(bytes, 0));
      Store32(out + 8 * strip + 4, _mm256_extract_epi32(bytes, 4));
    }
    table += 8 * steps;
  }
}

}  // namespace

bool Resize::IsPossible() { return __builtin_cpu_supports("avx2"); }

void Resize::Run(const uint8_t* source, int width, int height, uint8_t* out) {
  if (width == out_width_ && height == out_height_) {
    memcpy(out, source, out_bytes());
    return;
  }
  // Each pixel is stored with a byte behind it: as in resize-simd.ts rows between the passes have one more.
  const size_t between_row = 3 * size_t(out_width_) + 1, out_row = 3 * size_t(out_width_);
  const size_t between = between_row * (height + 2) + kSlack;
  if (between_.size() < between) between_.resize(between);
  result_.resize(out_bytes() + kSlack);
  Rows(source, 3 * size_t(width), (height + 1) / 2, rows_.at(width).data(), out_width_, between_.data(), between_row);
  Columns(between_.data(), between_row, columns_.at(height).data(), out_height_, (out_row + 7) / 8, result_.data(), out_row);
  memcpy(out, result_.data(), out_bytes());
}

#else

bool Resize::IsPossible() { return false; }

void Resize::Run(const uint8_t*, int, int, uint8_t*) {}

#endif
