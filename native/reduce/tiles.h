// The product of tiles under the scatter matrix and the projection; see tile-kernel.ts.
#pragma once

#include "vectors.h"

namespace reduce {

constexpr int64_t kTile = 4;
constexpr int64_t kAhead = 8;  // rows to fetch ahead

// Steps count doubles.
struct Tiles {
  const double* a;
  int64_t a_step;
  const double* b;
  int64_t b_step, b_group_step;
  int64_t groups, depth;
  double* c;
  int64_t c_step;
};

// Groups: 2 × 4 sums, two of B and one of A fit the 16 registers.
template <int Groups>
REDUCE_TARGET inline void MultiplyGroups(const Tiles& t, const double* b, double* c) {
  __m256d sums[kTile][Groups];
#pragma GCC unroll 4
  for (int r = 0; r < kTile; r++) {
#pragma GCC unroll 2
    for (int g = 0; g < Groups; g++) sums[r][g] = _mm256_setzero_pd();
  }
  const double* a = t.a;
  const double* next = b + t.b_group_step;
#pragma GCC unroll 4
  for (int64_t p = 0; p < t.depth; p++) {
    const __m256d values[2] = {_mm256_loadu_pd(b),
                               Groups > 1 ? _mm256_loadu_pd(next) : _mm256_setzero_pd()};
#pragma GCC unroll 4
    for (int r = 0; r < kTile; r++) {
      const __m256d share = _mm256_broadcast_sd(a + r);
#pragma GCC unroll 2
      for (int g = 0; g < Groups; g++) sums[r][g] = AddProduct(sums[r][g], share, values[g]);
    }
    a += t.a_step;
    b += t.b_step;
    next += t.b_step;
  }
#pragma GCC unroll 4
  for (int r = 0; r < kTile; r++) {
#pragma GCC unroll 2
    for (int g = 0; g < Groups; g++) {
      double* to = c + r * t.c_step + g * kTile;
      _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), sums[r][g]));
    }
  }
}

REDUCE_TARGET inline void MultiplyTiles(const Tiles& t) {
  int64_t g = 0;
  for (; g + 2 <= t.groups; g += 2) {
    MultiplyGroups<2>(t, t.b + g * t.b_group_step, t.c + g * kTile);
  }
  if (g < t.groups) MultiplyGroups<1>(t, t.b + g * t.b_group_step, t.c + g * kTile);
}

// Columns of rows less their shift, as the product wants them: to[group][row][4].
REDUCE_TARGET inline void PackColumns(const float* rows, int64_t row_step, int64_t count,
                                      const double* shift, int64_t groups, double* to,
                                      int64_t group_step) {
  for (int64_t row = 0; row < count; row++) {
    const float* from = rows + row * row_step;
    double* out = to + row * kTile;
    // A few values of each row, and the next row is pages away: what fetches ahead by itself does not see it.
    for (int64_t j = 0; j < groups * kTile; j += 16) {
      _mm_prefetch(from + kAhead * row_step + j, _MM_HINT_T0);
    }
    for (int64_t g = 0; g < groups; g++) {
      const __m256d value = _mm256_cvtps_pd(_mm_loadu_ps(from + g * kTile));
      _mm256_storeu_pd(out + g * group_step,
                       _mm256_sub_pd(value, _mm256_loadu_pd(shift + g * kTile)));
    }
  }
}

}  // namespace reduce
