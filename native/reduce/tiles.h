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
};

// Of the same columns, tiles below the diagonal mirror those above, and are left out.
REDUCE_TARGET inline void MultiplyBlock(const Block& t) {
  for (int64_t i = 0; i < t.tall; i++) {
    const int64_t j = t.a == t.b ? i : 0;
    MultiplyRow<true>({t.a + i * t.group_step, kTile, t.b + j * t.group_step, kTile, t.group_step,
                       t.wide - j, t.depth, t.c + (i * t.c_step + j) * kTile, t.c_step});
  }
}

// Columns of rows less their shift, as the product wants them: to[group][row][4]. Returns whether all are finite.
REDUCE_TARGET inline bool PackColumns(const float* rows, int64_t row_step, int64_t count,
                                      const double* shift, int64_t columns, double* to,
                                      int64_t group_step) {
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
      const __m256d value = _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(from + g * kTile)),
                                          _mm256_loadu_pd(shift + g * kTile));
      bad = _mm256_add_pd(bad, _mm256_sub_pd(value, value));
      _mm256_storeu_pd(out + g * group_step, value);
    }
    for (int64_t j = groups * kTile; j < columns; j++) {
      const double value = from[j] - shift[j];
      rest += value - value;
      out[groups * group_step + j % kTile] = value;
    }
  }
  double lanes[kTile];
  _mm256_storeu_pd(lanes, bad);
  return lanes[0] + lanes[1] + lanes[2] + lanes[3] + rest == 0;
}

// Rows of a panel [group][row][4], and what becomes of them; see moments.ts.
struct Panel {
  double* at;
  int64_t group_step, groups;
  int64_t rows;
  double* means;         // [4 groups]
  double weight, share;  // of the joining row; of these rows in all so far
};

// Vectors: groups at a time, for a sum waits for the one before it.
template <int Vectors>
REDUCE_TARGET inline void CentreGroups(const Panel& t, int64_t group) {
  double* first = t.at + group * t.group_step;
  const __m256d count = _mm256_set1_pd(static_cast<double>(t.rows));
  __m256d mean[Vectors];
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; v++) mean[v] = _mm256_setzero_pd();
  for (int64_t i = 0; i < t.rows; i++) {
#pragma GCC unroll 4
    for (int v = 0; v < Vectors; v++) {
      mean[v] = _mm256_add_pd(mean[v], _mm256_loadu_pd(first + v * t.group_step + i * kTile));
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < Vectors; v++) {
    double* column = first + v * t.group_step;
    double* old = t.means + (group + v) * kTile;
    mean[v] = _mm256_div_pd(mean[v], count);
    for (int64_t i = 0; i < t.rows; i++) {
      double* value = column + i * kTile;
      _mm256_storeu_pd(value, _mm256_sub_pd(_mm256_loadu_pd(value), mean[v]));
    }
    const __m256d delta = _mm256_sub_pd(mean[v], _mm256_loadu_pd(old));
    _mm256_storeu_pd(column + t.rows * kTile, _mm256_mul_pd(_mm256_set1_pd(t.weight), delta));
    _mm256_storeu_pd(old, AddProduct(_mm256_loadu_pd(old), delta, _mm256_set1_pd(t.share)));
  }
}

// Turns rows into deviations from their mean, followed by the joining row, and moves the means on.
REDUCE_TARGET inline void CentrePanel(const Panel& t) {
  int64_t group = 0;
  for (; group + 4 <= t.groups; group += 4) CentreGroups<4>(t, group);
  for (; group < t.groups; group++) CentreGroups<1>(t, group);
}

}  // namespace reduce
