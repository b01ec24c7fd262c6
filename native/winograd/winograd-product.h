// One of the 36 matrix products for one panel of the kernel: [tiles, in] · [in, 16].
#pragma once

#include "winograd-transforms.h"

namespace winograd {

constexpr int kRows = 6;  // tiles at once: 6 × 2 sums, 2 weights and 1 value in 16 registers

// sums [Rows, 16] = values [Rows, in] · panel [in, 16], added to what is there where `adds`.
template <int Rows>
WINOGRAD_TARGET void MultiplyRows(const float* values, int64_t value_stride, const float* panel,
                                  int64_t in, bool adds, float* sums, int64_t sum_stride) {
  __m256 low[Rows], high[Rows];
#pragma GCC unroll 6
  for (int r = 0; r < Rows; r++) {
    low[r] = adds ? _mm256_load_ps(sums + r * sum_stride) : _mm256_setzero_ps();
    high[r] = adds ? _mm256_load_ps(sums + r * sum_stride + kLanes) : _mm256_setzero_ps();
  }
  for (int64_t i = 0; i < in; i++) {
    const __m256 weights_low = _mm256_loadu_ps(panel + i * kPanel);
    const __m256 weights_high = _mm256_loadu_ps(panel + i * kPanel + kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < Rows; r++) {
      const __m256 value = _mm256_broadcast_ss(values + r * value_stride + i);
      low[r] = _mm256_fmadd_ps(value, weights_low, low[r]);
      high[r] = _mm256_fmadd_ps(value, weights_high, high[r]);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < Rows; r++) {
    _mm256_store_ps(sums + r * sum_stride, low[r]);
    _mm256_store_ps(sums + r * sum_stride + kLanes, high[r]);
  }
}

// The same for any number of tiles.
WINOGRAD_TARGET inline void MultiplyPanel(const float* values, int64_t value_stride, int64_t tiles,
                                          const float* panel, int64_t in, bool adds, float* sums,
                                          int64_t sum_stride) {
  for (; tiles >= kRows; tiles -= kRows) {
    MultiplyRows<kRows>(values, value_stride, panel, in, adds, sums, sum_stride);
    values += kRows * value_stride;
    sums += kRows * sum_stride;
  }
  switch (tiles) {
    case 5: return MultiplyRows<5>(values, value_stride, panel, in, adds, sums, sum_stride);
    case 4: return MultiplyRows<4>(values, value_stride, panel, in, adds, sums, sum_stride);
    case 3: return MultiplyRows<3>(values, value_stride, panel, in, adds, sums, sum_stride);
    case 2: return MultiplyRows<2>(values, value_stride, panel, in, adds, sums, sum_stride);
    case 1: return MultiplyRows<1>(values, value_stride, panel, in, adds, sums, sum_stride);
  }
}

}  // namespace winograd
