// The transforms of F(4×4, 3×3), eight channels at a time.
//
// Interpolation points 0, ±a, ±b, ∞. Lavin and Gray have a = 1, b = 2; with a = 1/√2, b = √2 the
// matrices hold no large numbers, and rounding errors are half as large.
//
//        | a²b²   0   -(a²+b²)    0      1  0 |         | 1  1   1   1   1   0 |
//        |  0   -ab²    -b²       a      1  0 |         | 0  a  -a   b  -b   0 |
//   Bᵀ = |  0    ab²    -b²      -a      1  0 |    Aᵀ = | 0  a²  a²  b²  b²  0 |
//        |  0   -a²b    -a²       b      1  0 |         | 0  a³ -a³  b³ -b³  1 |
//        |  0    a²b    -a²      -b      1  0 |
//        |  0   a²b²     0    -(a²+b²)   0  1 |
//
//   G: a row [1, p, p²] / N(p) for each finite point p, and [0, 0, 1] for ∞, with
//   N(0) = a²b², N(±a) = 2a²(a²-b²), N(±b) = 2b²(b²-a²)
#pragma once

#include <immintrin.h>

#include "winograd.h"

// The rest of the binary runs on CPUs without these instructions.
#define WINOGRAD_TARGET __attribute__((target("avx2,fma")))
#define WINOGRAD_INLINE WINOGRAD_TARGET __attribute__((always_inline)) inline

namespace winograd {

constexpr int64_t kLanes = 8;

constexpr double kA = 0.70710678118654752440, kA2 = 0.5;
constexpr double kB = 1.41421356237309504880, kB2 = 2;
static_assert(kA2 * kB2 == 1, "the transforms leave the factor a²b² out");

// G g Gᵀ of four pairs of channels, in double: it is rounded once.
WINOGRAD_INLINE void TransformWeights(const __m256d weights[3][3], __m256d points[kPatch][kPatch]) {
  constexpr double at_a = 1 / (2 * kA2 * (kA2 - kB2)), at_b = 1 / (2 * kB2 * (kB2 - kA2));
  static constexpr double kG[kPatch][3] = {
      {1, 0, 0},
      {at_a, kA * at_a, kA2 * at_a},
      {at_a, -kA * at_a, kA2 * at_a},
      {at_b, kB * at_b, kB2 * at_b},
      {at_b, -kB * at_b, kB2 * at_b},
      {0, 0, 1},
  };
  for (int p = 0; p < kPatch; p++) {
    __m256d line[3];
    for (int x = 0; x < 3; x++) {
      line[x] = _mm256_mul_pd(_mm256_set1_pd(kG[p][0]), weights[0][x]);
      line[x] = _mm256_fmadd_pd(_mm256_set1_pd(kG[p][1]), weights[1][x], line[x]);
      line[x] = _mm256_fmadd_pd(_mm256_set1_pd(kG[p][2]), weights[2][x], line[x]);
    }
    for (int q = 0; q < kPatch; q++) {
      points[p][q] = _mm256_mul_pd(_mm256_set1_pd(kG[q][0]), line[0]);
      points[p][q] = _mm256_fmadd_pd(_mm256_set1_pd(kG[q][1]), line[1], points[p][q]);
      points[p][q] = _mm256_fmadd_pd(_mm256_set1_pd(kG[q][2]), line[2], points[p][q]);
    }
  }
}

// Bᵀ of six values, in place.
WINOGRAD_INLINE void TransformPatchLine(__m256 d[kPatch]) {
  const __m256 a = _mm256_set1_ps(kA), a2 = _mm256_set1_ps(kA2);
  const __m256 b = _mm256_set1_ps(kB), b2 = _mm256_set1_ps(kB2);
  const __m256 sum = _mm256_set1_ps(kA2 + kB2);
  const __m256 even_a = _mm256_fnmadd_ps(b2, d[2], d[4]), odd_a = _mm256_fnmadd_ps(b2, d[1], d[3]);
  const __m256 even_b = _mm256_fnmadd_ps(a2, d[2], d[4]), odd_b = _mm256_fnmadd_ps(a2, d[1], d[3]);
  d[0] = _mm256_fnmadd_ps(sum, d[2], _mm256_add_ps(d[0], d[4]));
  d[5] = _mm256_fnmadd_ps(sum, d[3], _mm256_add_ps(d[1], d[5]));
  d[1] = _mm256_fmadd_ps(a, odd_a, even_a);
  d[2] = _mm256_fnmadd_ps(a, odd_a, even_a);
  d[3] = _mm256_fmadd_ps(b, odd_b, even_b);
  d[4] = _mm256_fnmadd_ps(b, odd_b, even_b);
}

// Aᵀ of six values.
WINOGRAD_INLINE void TransformProductLine(const __m256 m[kPatch], __m256 y[kTile]) {
  const __m256 a = _mm256_set1_ps(kA), a2 = _mm256_set1_ps(kA2), a3 = _mm256_set1_ps(kA2 * kA);
  const __m256 b = _mm256_set1_ps(kB), b2 = _mm256_set1_ps(kB2), b3 = _mm256_set1_ps(kB2 * kB);
  const __m256 even_a = _mm256_add_ps(m[1], m[2]), odd_a = _mm256_sub_ps(m[1], m[2]);
  const __m256 even_b = _mm256_add_ps(m[3], m[4]), odd_b = _mm256_sub_ps(m[3], m[4]);
  y[0] = _mm256_add_ps(_mm256_add_ps(m[0], even_a), even_b);
  y[1] = _mm256_fmadd_ps(b, odd_b, _mm256_mul_ps(a, odd_a));
  y[2] = _mm256_fmadd_ps(b2, even_b, _mm256_mul_ps(a2, even_a));
  y[3] = _mm256_fmadd_ps(b3, odd_b, _mm256_fmadd_ps(a3, odd_a, m[5]));
}

// Bᵀ d B: eight channels of a patch [6, 6] -> its 36 points, `point_stride` floats apart.
WINOGRAD_INLINE void TransformPatch(const float* patch, int64_t row_stride, int64_t column_stride,
                                    float* points, int64_t point_stride) {
  __m256 lines[kPatch][kPatch];
#pragma GCC unroll 6
  for (int x = 0; x < kPatch; x++) {
    __m256 column[kPatch];
#pragma GCC unroll 6
    for (int y = 0; y < kPatch; y++) {
      column[y] = _mm256_loadu_ps(patch + y * row_stride + x * column_stride);
    }
    TransformPatchLine(column);
#pragma GCC unroll 6
    for (int y = 0; y < kPatch; y++) lines[y][x] = column[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < kPatch; y++) {
    TransformPatchLine(lines[y]);
#pragma GCC unroll 6
    for (int x = 0; x < kPatch; x++) {
      _mm256_store_ps(points + (y * kPatch + x) * point_stride, lines[y][x]);
    }
  }
}

// Aᵀ m A: eight channels of 36 products, `point_stride` floats apart -> a tile [4, 4].
WINOGRAD_INLINE void TransformProducts(const float* products, int64_t point_stride,
                                       __m256 tile[kTile][kTile]) {
  __m256 lines[kTile][kPatch];
#pragma GCC unroll 6
  for (int x = 0; x < kPatch; x++) {
    __m256 column[kPatch], half[kTile];
#pragma GCC unroll 6
    for (int y = 0; y < kPatch; y++) {
      column[y] = _mm256_load_ps(products + (y * kPatch + x) * point_stride);
    }
    TransformProductLine(column, half);
#pragma GCC unroll 4
    for (int y = 0; y < kTile; y++) lines[y][x] = half[y];
  }
#pragma GCC unroll 4
  for (int y = 0; y < kTile; y++) TransformProductLine(lines[y], tile[y]);
}

}  // namespace winograd
