// Welford's recurrence for each column, see column-kernel.ts.
#pragma once

#include <algorithm>

#include "vectors.h"

namespace reduce {

struct Columns {
  const float* rows;  // [n, dims]
  int64_t n, dims;
  int64_t count;  // rows in the sums so far
  const double* origin;
  double* means;
  double* squares;
};

constexpr int64_t kStripRows = 8;  // so many streams come from memory at once

// Vectors: columns at a time, in fours. Returns NaN in some lane where a value is not finite.
template <int Vectors>
REDUCE_TARGET inline __m256d AddStrip(const Columns& t, int64_t first, int64_t rows,
                                      const double* factors, int64_t j) {
  __m256d mean[Vectors], squares[Vectors], origin[Vectors];
  __m256d bad = _mm256_setzero_pd();
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; v++) {
    mean[v] = _mm256_loadu_pd(t.means + j + 4 * v);
    squares[v] = _mm256_loadu_pd(t.squares + j + 4 * v);
    origin[v] = _mm256_loadu_pd(t.origin + j + 4 * v);
  }
  for (int64_t i = 0; i < rows; i++) {
    const float* row = t.rows + (first + i) * t.dims + j;
    const __m256d factor = _mm256_broadcast_sd(factors + i);
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; v++) {
      const __m256d value =
          _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(row + 4 * v)), origin[v]);
      bad = _mm256_add_pd(bad, _mm256_sub_pd(value, value));
      const __m256d delta = _mm256_sub_pd(value, mean[v]);
      mean[v] = AddProduct(mean[v], delta, factor);
      squares[v] = AddProduct(squares[v], delta, _mm256_sub_pd(value, mean[v]));
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; v++) {
    _mm256_storeu_pd(t.means + j + 4 * v, mean[v]);
    _mm256_storeu_pd(t.squares + j + 4 * v, squares[v]);
  }
  return bad;
}

// Returns whether all values are finite.
REDUCE_TARGET inline bool AddColumns(const Columns& t) {
  __m256d bad = _mm256_setzero_pd();
  double rest = 0;
  for (int64_t first = 0; first < t.n; first += kStripRows) {
    const int64_t rows = std::min(kStripRows, t.n - first);
    double factors[kStripRows];
    for (int64_t i = 0; i < rows; i++) factors[i] = 1.0 / static_cast<double>(t.count + first + i + 1);
    int64_t j = 0;
    for (; j + 16 <= t.dims; j += 16) {
      bad = _mm256_add_pd(bad, AddStrip<4>(t, first, rows, factors, j));
    }
    for (; j + 4 <= t.dims; j += 4) {
      bad = _mm256_add_pd(bad, AddStrip<1>(t, first, rows, factors, j));
    }
    for (; j < t.dims; j++) {
      for (int64_t i = 0; i < rows; i++) {
        const double value = t.rows[(first + i) * t.dims + j] - t.origin[j];
        const double delta = value - t.means[j];
        rest += value - value;
        t.means[j] += delta * factors[i];
        t.squares[j] += delta * (value - t.means[j]);
      }
    }
  }
  double lanes[4];
  _mm256_storeu_pd(lanes, bad);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + rest == 0;
}

}  // namespace reduce
