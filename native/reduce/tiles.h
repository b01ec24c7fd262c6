// The product of tiles under the scatter matrix and the projection; see tile-kernel.ts.
#pragma once

#include <algorithm>

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

// Groups: 2 × 4 sums, two of B and one of A fit the 16 registers. Panels have both steps of a tile's edge: as constants
// they leave one counter in the loop.
template <int Groups, bool IsPanel>
REDUCE_TARGET inline void MultiplyGroups(const Tiles& t, const double* b, double* c) {
  const int64_t a_step = IsPanel ? kTile : t.a_step;
  const int64_t b_step = IsPanel ? kTile : t.b_step;
  __m256d sums[kTile][Groups];
#pragma GCC unroll 4
  for (int r = 0; r < kTile; r++) {
#pragma GCC unroll 2
    for (int g = 0; g < Groups; g++) sums[r][g] = _mm256_setzero_pd();
  }
  const double* next = b + t.b_group_step;
  // Eight steps at a time: a processor that takes six instructions a cycle has none to spare for the loop.
#pragma GCC unroll 8
  for (int64_t p = 0; p < t.depth; p++) {
    const double* a = t.a + p * a_step;
    const __m256d values[2] = {
        _mm256_loadu_pd(b + p * b_step),
        Groups > 1 ? _mm256_loadu_pd(next + p * b_step) : _mm256_setzero_pd()};
#pragma GCC unroll 4
    for (int r = 0; r < kTile; r++) {
      const __m256d share = _mm256_broadcast_sd(a + r);
#pragma GCC unroll 2
      for (int g = 0; g < Groups; g++) sums[r][g] = AddProduct(sums[r][g], share, values[g]);
    }
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

template <bool IsPanel>
REDUCE_TARGET inline void MultiplyRow(const Tiles& t) {
  int64_t g = 0;
  for (; g + 2 <= t.groups; g += 2) {
    MultiplyGroups<2, IsPanel>(t, t.b + g * t.b_group_step, t.c + g * kTile);
  }
  if (g < t.groups) {
    MultiplyGroups<1, IsPanel>(t, t.b + g * t.b_group_step, t.c + g * kTile);
  }
}

REDUCE_TARGET inline void MultiplyTiles(const Tiles& t) {
  if (t.a_step == kTile && t.b_step == kTile) {
    MultiplyRow<true>(t);
  } else {
    MultiplyRow<false>(t);
  }
}

// Products of two panels' columns: `tall` groups of A's and `wide` of B's, both [group][row][4].
struct Block {
  const double* a;
  const double* b;
  int64_t group_step, tall, wide, depth;
  double* c;
  int64_t c_step;

  // Of the same columns, tiles below the diagonal mirror those above, and most are left out.
  int64_t FirstOf(int64_t i) const { return a == b ? i & ~int64_t{1} : 0; }
  const double* A(int64_t i) const { return a + i * group_step; }
  const double* B(int64_t j) const { return b + j * group_step; }
  double* C(int64_t i, int64_t j) const { return c + (i * c_step + j) * kTile; }
};

REDUCE_TARGET inline void MultiplyBlock(const Block& t) {
  for (int64_t i = 0; i < t.tall; i++) {
    const int64_t j = t.FirstOf(i);
    MultiplyRow<true>(
        {t.A(i), kTile, t.B(j), kTile, t.group_step, t.wide - j, t.depth, t.C(i, j), t.c_step});
  }
}

// The same where each product is exact in float64, as those of float32 are: then the sum of a fused multiply-add, which is
// rounded once, has the bits of a sum whose product was rounded before.
template <int Groups>
REDUCE_FUSED inline void FuseGroups(const Block& t, int64_t i, int64_t j) {
  __m256d sums[kTile][Groups];
#pragma GCC unroll 4
  for (int r = 0; r < kTile; r++) {
#pragma GCC unroll 3
    for (int g = 0; g < Groups; g++) sums[r][g] = _mm256_setzero_pd();
  }
  const double* a = t.A(i);
  const double* b = t.B(j);
#pragma GCC unroll 4
  for (int64_t p = 0; p < t.depth; p++) {
    __m256d values[Groups];
#pragma GCC unroll 3
    for (int g = 0; g < Groups; g++) values[g] = _mm256_loadu_pd(b + g * t.group_step + p * kTile);
#pragma GCC unroll 4
    for (int r = 0; r < kTile; r++) {
      const __m256d share = _mm256_broadcast_sd(a + p * kTile + r);
#pragma GCC unroll 3
      for (int g = 0; g < Groups; g++) sums[r][g] = _mm256_fmadd_pd(share, values[g], sums[r][g]);
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kTile; r++) {
#pragma GCC unroll 3
    for (int g = 0; g < Groups; g++) {
      double* to = t.C(i, j + g) + r * t.c_step;
      _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), sums[r][g]));
    }
  }
}

REDUCE_FUSED inline void FuseBlock(const Block& t) {
  for (int64_t i = 0; i < t.tall; i++) {
    int64_t j = t.FirstOf(i);
    for (; j + 3 <= t.wide; j += 3) FuseGroups<3>(t, i, j);
    for (; j < t.wide; j++) FuseGroups<1>(t, i, j);
  }
}

REDUCE_WIDE inline __m512d LoadTwoGroups(const double* first, const double* second) {
  return _mm512_insertf64x4(_mm512_castpd256_pd512(_mm256_loadu_pd(first)),
                            _mm256_loadu_pd(second), 1);
}

// Two groups of A by so many pairs of groups of B, eight doubles at a time.
template <int Pairs>
REDUCE_WIDE inline void WidenPairs(const Block& t, int64_t i, int64_t j) {
  __m512d sums[2 * kTile][Pairs];
#pragma GCC unroll 8
  for (int r = 0; r < 2 * kTile; r++) {
#pragma GCC unroll 2
    for (int g = 0; g < Pairs; g++) sums[r][g] = _mm512_setzero_pd();
  }
  const double* a[2] = {t.A(i), t.A(i + 1)};
  const double* b = t.B(j);
#pragma GCC unroll 2
  for (int64_t p = 0; p < t.depth; p++) {
    __m512d values[Pairs];
#pragma GCC unroll 2
    for (int g = 0; g < Pairs; g++) {
      const double* at = b + 2 * g * t.group_step + p * kTile;
      values[g] = LoadTwoGroups(at, at + t.group_step);
    }
#pragma GCC unroll 8
    for (int r = 0; r < 2 * kTile; r++) {
      const __m512d share = _mm512_set1_pd(a[r / kTile][p * kTile + r % kTile]);
#pragma GCC unroll 2
      for (int g = 0; g < Pairs; g++) sums[r][g] = _mm512_fmadd_pd(share, values[g], sums[r][g]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < 2 * kTile; r++) {
#pragma GCC unroll 2
    for (int g = 0; g < Pairs; g++) {
      double* to = t.C(i + r / kTile, j + 2 * g) + (r % kTile) * t.c_step;
      _mm512_storeu_pd(to, _mm512_add_pd(_mm512_loadu_pd(to), sums[r][g]));
    }
  }
}

REDUCE_WIDE inline void WidenBlock(const Block& t) {
  int64_t i = 0;
  for (; i + 2 <= t.tall; i += 2) {
    int64_t j = t.FirstOf(i);
    for (; j + 4 <= t.wide; j += 4) WidenPairs<2>(t, i, j);
    for (; j + 2 <= t.wide; j += 2) WidenPairs<1>(t, i, j);
    for (; j < t.wide; j++) {
      FuseGroups<1>(t, i, j);
      FuseGroups<1>(t, i + 1, j);
    }
  }
  if (i < t.tall) {
    for (int64_t j = t.FirstOf(i); j < t.wide; j++) FuseGroups<1>(t, i, j);
  }
}

// Where all values are whole and small, as those of pixels are, a panel has them as pairs of rows, too: int16
// [row pair][4 columns][2 rows] of each group, and an int32 that says so. Their sums are exact in any order: the same bits.
constexpr int64_t kPairBytes = 2 * kTile * sizeof(int16_t);
constexpr int64_t kMostWholeRows = 256;
constexpr int kMostWhole = 2047;  // 256 products of two of them fit an int32

struct WholePairs {
  explicit WholePairs(const double* rows)
      : at(reinterpret_cast<char*>(const_cast<double*>(rows))),
        is_there(reinterpret_cast<int32_t*>(at + kMostWholeRows / 2 * kPairBytes)) {}
  char* at;
  int32_t* is_there;
};

// Writes the pairs of a group [row][4], where they can be.
REDUCE_TARGET inline void PackWhole(const double* group, int64_t rows, WholePairs to) {
  *to.is_there = 0;
  if (rows > kMostWholeRows) return;
  const __m128i most = _mm_set1_epi32(kMostWhole);
  for (int64_t i = 0; i < rows; i += 2) {
    const __m256d a = _mm256_loadu_pd(group + i * kTile);
    const __m256d b = i + 1 < rows ? _mm256_loadu_pd(group + (i + 1) * kTile) : _mm256_setzero_pd();
    const __m128i first = _mm256_cvtpd_epi32(a), second = _mm256_cvtpd_epi32(b);
    const __m256d same = _mm256_and_pd(_mm256_cmp_pd(_mm256_cvtepi32_pd(first), a, _CMP_EQ_OQ),
                                       _mm256_cmp_pd(_mm256_cvtepi32_pd(second), b, _CMP_EQ_OQ));
    const __m128i sizes = _mm_max_epi32(_mm_abs_epi32(first), _mm_abs_epi32(second));
    if (_mm256_movemask_pd(same) != 15) return;
    if (_mm_movemask_epi8(_mm_cmpgt_epi32(sizes, most)) != 0) return;
    const __m128i pair = _mm_blend_epi16(first, _mm_slli_epi32(second, 16), 0b10101010);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to.at + i / 2 * kPairBytes), pair);
  }
  *to.is_there = 1;
}

// Vectors: of two groups of B each, the last one of the first alone where `count` of groups is odd.
template <int Vectors>
REDUCE_TARGET inline void AddWhole(const Block& t, int64_t whole_row, int64_t i, int64_t j,
                                   int64_t count) {
  const int64_t step = t.group_step * static_cast<int64_t>(sizeof(double));
  const char* a = WholePairs(t.A(i) + whole_row * kTile).at;
  const char* b = WholePairs(t.B(j) + whole_row * kTile).at;
  __m256i sums[kTile][Vectors];
#pragma GCC unroll 4
  for (int r = 0; r < kTile; r++) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; v++) sums[r][v] = _mm256_setzero_si256();
  }
#pragma GCC unroll 2
  for (int64_t pair = 0; pair < (t.depth + 1) / 2; pair++) {
    __m256i values[Vectors];
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; v++) {
      const char* at = b + 2 * v * step + pair * kPairBytes;
      values[v] = _mm256_loadu2_m128i(
          reinterpret_cast<const __m128i*>(2 * v + 1 < count ? at + step : at),
          reinterpret_cast<const __m128i*>(at));
    }
#pragma GCC unroll 4
    for (int r = 0; r < kTile; r++) {
      const __m256i share =
          _mm256_set1_epi32(reinterpret_cast<const int32_t*>(a + pair * kPairBytes)[r]);
#pragma GCC unroll 2
      for (int v = 0; v < Vectors; v++) {
        sums[r][v] = _mm256_add_epi32(sums[r][v], _mm256_madd_epi16(share, values[v]));
      }
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kTile; r++) {
#pragma GCC unroll 2
    for (int v = 0; v < Vectors; v++) {
      const __m128i halves[2] = {_mm256_castsi256_si128(sums[r][v]),
                                 _mm256_extracti128_si256(sums[r][v], 1)};
      for (int h = 0; h < 2 && 2 * v + h < count; h++) {
        double* to = t.C(i, j + 2 * v + h) + r * t.c_step;
        _mm256_storeu_pd(to, _mm256_add_pd(_mm256_loadu_pd(to), _mm256_cvtepi32_pd(halves[h])));
      }
    }
  }
}

// Returns false, and does nothing, where a column of either panel has no pairs.
REDUCE_TARGET inline bool AddWholeBlock(const Block& t, int64_t whole_row) {
  for (int64_t i = 0; i < t.tall; i++) {
    if (*WholePairs(t.A(i) + whole_row * kTile).is_there == 0) return false;
  }
  for (int64_t j = 0; j < t.wide; j++) {
    if (*WholePairs(t.B(j) + whole_row * kTile).is_there == 0) return false;
  }
  for (int64_t i = 0; i < t.tall; i++) {
    int64_t j = t.FirstOf(i);
    for (; j + 4 <= t.wide; j += 4) AddWhole<2>(t, whole_row, i, j, 4);
    for (; j < t.wide; j += 2) AddWhole<1>(t, whole_row, i, j, std::min<int64_t>(2, t.wide - j));
  }
  return true;
}

// whole_row: where the pairs of a group begin, in rows from its first one; 0 where there are none.
inline void MultiplyExactBlock(const Block& t, int64_t whole_row) {
  if (whole_row > 0 && AddWholeBlock(t, whole_row)) return;
  static const auto multiply = __builtin_cpu_supports("avx512f") ? WidenBlock
                               : __builtin_cpu_supports("fma")   ? FuseBlock
                                                                 : MultiplyBlock;
  multiply(t);
}

// Columns of rows, as the product wants them: to[group][row][4]. Returns whether all are finite.
REDUCE_TARGET inline bool PackColumns(const float* rows, int64_t row_step, int64_t count,
                                      int64_t columns, double* to, int64_t group_step) {
  const int64_t groups = columns / kTile;
  __m256d bad = _mm256_setzero_pd();
  double rest = 0;
  for (int64_t row = 0; row < count; row++) {
    const float* from = rows + row * row_step;
    double* out = to + row * kTile;
    // A few values of each row, and the next row is pages away: what fetches ahead by itself does not see it.
    for (int64_t j = 0; j < columns; j += 16) {
      _mm_prefetch(from + kAhead * row_step + j, _MM_HINT_T0);
    }
    for (int64_t g = 0; g < groups; g++) {
      const __m256d value = _mm256_cvtps_pd(_mm_loadu_ps(from + g * kTile));
      bad = _mm256_add_pd(bad, _mm256_sub_pd(value, value));
      _mm256_storeu_pd(out + g * group_step, value);
    }
    for (int64_t j = groups * kTile; j < columns; j++) {
      const double value = from[j];
      rest += value - value;
      out[groups * group_step + j % kTile] = value;
    }
  }
  double lanes[kTile];
  _mm256_storeu_pd(lanes, bad);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + rest == 0;
}

// Rows of a panel [group][row][4], and what becomes of them; see kernels.ts.
struct Panel {
  double* at;
  int64_t group_step, groups;
  int64_t rows;
  int64_t join_row;      // of the two pairs of rows that join the panel to the sums; whole numbers follow
  const double* origin;  // [4 groups], what means are relative to
  double* means;         // [4 groups]
  double weight, share;  // of the difference of the means; of these rows in all so far
};

// All from less > 0 to twice that, or from twice less < 0 to that.
REDUCE_TARGET inline __m256d IsNear(__m256d low, __m256d high) {
  const __m256d zero = _mm256_setzero_pd();
  const __m256d up = _mm256_and_pd(_mm256_cmp_pd(low, zero, _CMP_GT_OQ),
                                   _mm256_cmp_pd(high, _mm256_add_pd(low, low), _CMP_LE_OQ));
  const __m256d down = _mm256_and_pd(_mm256_cmp_pd(high, zero, _CMP_LT_OQ),
                                     _mm256_cmp_pd(low, _mm256_add_pd(high, high), _CMP_GE_OQ));
  return _mm256_or_pd(up, down);
}

// Vectors: groups at a time, for a sum waits for the one before it.
template <int Vectors>
REDUCE_TARGET inline void CentreGroups(const Panel& t, int64_t group) {
  double* first = t.at + group * t.group_step;
  __m256d low[Vectors], high[Vectors], less[Vectors], mean[Vectors];
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; v++) low[v] = high[v] = _mm256_loadu_pd(first + v * t.group_step);
  for (int64_t i = 1; i < t.rows; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; v++) {
      const __m256d value = _mm256_loadu_pd(first + v * t.group_step + i * kTile);
      low[v] = _mm256_min_pd(low[v], value);
      high[v] = _mm256_max_pd(high[v], value);
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; v++) {
    less[v] = _mm256_and_pd(IsNear(low[v], high[v]), _mm256_loadu_pd(first + v * t.group_step));
    mean[v] = _mm256_setzero_pd();
  }
  for (int64_t i = 0; i < t.rows; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; v++) {
      double* at = first + v * t.group_step + i * kTile;
      const __m256d value = _mm256_sub_pd(_mm256_loadu_pd(at), less[v]);
      _mm256_storeu_pd(at, value);
      mean[v] = _mm256_add_pd(mean[v], value);
    }
  }
  const __m256d count = _mm256_set1_pd(static_cast<double>(t.rows));
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; v++) {
    double* join = first + v * t.group_step + t.join_row * kTile;
    double* old = t.means + (group + v) * kTile;
    const __m256d from = _mm256_sub_pd(less[v], _mm256_loadu_pd(t.origin + (group + v) * kTile));
    mean[v] = _mm256_div_pd(mean[v], count);
    const __m256d delta = _mm256_sub_pd(_mm256_add_pd(from, mean[v]), _mm256_loadu_pd(old));
    const __m256d weighted = _mm256_mul_pd(_mm256_set1_pd(t.weight), delta);
    _mm256_storeu_pd(join, _mm256_mul_pd(_mm256_sub_pd(_mm256_setzero_pd(), count), mean[v]));
    _mm256_storeu_pd(join + kTile, weighted);
    _mm256_storeu_pd(join + 2 * kTile, mean[v]);
    _mm256_storeu_pd(join + 3 * kTile, weighted);
    _mm256_storeu_pd(old, AddProduct(_mm256_loadu_pd(old), delta, _mm256_set1_pd(t.share)));
    PackWhole(first + v * t.group_step, t.rows, WholePairs(join + 4 * kTile));
  }
}

// Rows become relative to a near value where there is one, and their means go on; see kernels.ts.
REDUCE_TARGET inline void CentrePanel(const Panel& t) {
  int64_t group = 0;
  for (; group + 4 <= t.groups; group += 4) CentreGroups<4>(t, group);
  for (; group < t.groups; group++) CentreGroups<1>(t, group);
}

}  // namespace reduce
