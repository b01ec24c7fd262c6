// X^T (X Q) over rows, see row-kernel.ts.
#pragma once

#include <memory>

#include "vectors.h"

namespace reduce {

constexpr int64_t kVectors = 4;      // of a group
constexpr int64_t kPairDoubles = 8;  // one pair of values of each vector of a group

struct RowSums {
  const float* rows;      // [n, 4 quads]
  const double* shift;    // [4 quads]
  const double* vectors;  // [groups][2 quads][4 vectors][2 values]
  double* sums;           // as the vectors
  int64_t n, quads, groups;
};

// Rows less the shift, for the pair of values at j: [first of row a, second of a, first of b, second of b].
template <int RowPairs>
REDUCE_TARGET inline void LoadPair(const float* const (&rows)[2 * RowPairs], int64_t j,
                                   const double* shift, double* converted) {
  const __m256d less = LoadPairTwice(shift + j);
#pragma GCC unroll 2
  for (int r = 0; r < RowPairs; r++) {
    const __m128d a = _mm_load_sd(reinterpret_cast<const double*>(rows[2 * r] + j));
    const __m128d both = _mm_loadh_pd(a, reinterpret_cast<const double*>(rows[2 * r + 1] + j));
    const __m256d values = _mm256_cvtps_pd(_mm_castpd_ps(both));
    _mm256_storeu_pd(converted + 4 * r, _mm256_sub_pd(values, less));
  }
}

// z[row][vector] = row . vector, even and odd values summed apart; then both halves of both are added.
// Returned as [row][vectors 0 0 1 1 | 2 2 3 3].
template <int RowPairs>
REDUCE_TARGET inline void Project(const double* converted, const double* vectors, int64_t pairs,
                                  __m256d (&z)[2 * RowPairs][2]) {
  __m256d sums[RowPairs][kVectors];
#pragma GCC unroll 2
  for (int r = 0; r < RowPairs; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) sums[r][v] = _mm256_setzero_pd();
  }
  for (int64_t pair = 0; pair < pairs; pair++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      const __m256d q = LoadPairTwice(vectors + 2 * v);
#pragma GCC unroll 2
      for (int r = 0; r < RowPairs; r++) {
        sums[r][v] = AddProduct(sums[r][v], _mm256_loadu_pd(converted + 4 * r), q);
      }
    }
    vectors += kPairDoubles;
    converted += 4 * RowPairs;
  }
#pragma GCC unroll 2
  for (int r = 0; r < RowPairs; r++) {
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      const __m256d both = _mm256_hadd_pd(sums[r][2 * half], sums[r][2 * half + 1]);
      z[2 * r][half] = _mm256_permute4x64_pd(both, 0b01010000);
      z[2 * r + 1][half] = _mm256_permute4x64_pd(both, 0b11111010);
    }
  }
}

// sums[vector] += z[row][vector] row, row by row.
template <int Rows>
REDUCE_TARGET inline void AddBack(const double* converted, const __m256d (&z)[2 * ((Rows + 1) / 2)][2],
                                  int64_t pairs, double* sums) {
  for (int64_t pair = 0; pair < pairs; pair++) {
    __m256d low = _mm256_loadu_pd(sums);
    __m256d high = _mm256_loadu_pd(sums + 4);
#pragma GCC unroll 4
    for (int r = 0; r < Rows; r++) {
      const __m256d value = LoadPairTwice(converted + 2 * r);
      low = AddProduct(low, value, z[r][0]);
      high = AddProduct(high, value, z[r][1]);
    }
    _mm256_storeu_pd(sums, low);
    _mm256_storeu_pd(sums + 4, high);
    sums += kPairDoubles;
    converted += 4 * ((Rows + 1) / 2);
  }
}

// Rows: up to four. They are converted once, and stay near for both products of each group.
template <int Rows>
REDUCE_TARGET inline void AddFewRows(const RowSums& t, const float* first, double* converted) {
  constexpr int kRowPairs = (Rows + 1) / 2;
  const int64_t pairs = 2 * t.quads;
  const float* rows[2 * kRowPairs];
  for (int r = 0; r < 2 * kRowPairs; r++) rows[r] = first + (r < Rows ? r : 0) * 4 * t.quads;
  for (int64_t pair = 0; pair < pairs; pair++) {
    LoadPair<kRowPairs>(rows, 2 * pair, t.shift, converted + 4 * kRowPairs * pair);
  }
  for (int64_t group = 0; group < t.groups; group++) {
    const int64_t at = group * pairs * kPairDoubles;
    __m256d z[2 * kRowPairs][2];
    Project<kRowPairs>(converted, t.vectors + at, pairs, z);
    AddBack<Rows>(converted, z, pairs, t.sums + at);
  }
}

REDUCE_TARGET inline void AddRowSums(const RowSums& t) {
  const std::unique_ptr<double[]> converted(new double[16 * t.quads]);
  const int64_t step = 4 * t.quads;
  int64_t i = 0;
  for (; i + 4 <= t.n; i += 4) AddFewRows<4>(t, t.rows + i * step, converted.get());
  const float* rest = t.rows + i * step;
  switch (t.n - i) {
    case 3: return AddFewRows<3>(t, rest, converted.get());
    case 2: return AddFewRows<2>(t, rest, converted.get());
    case 1: return AddFewRows<1>(t, rest, converted.get());
  }
}

}  // namespace reduce
