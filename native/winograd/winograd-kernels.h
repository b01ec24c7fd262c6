// The vector code of a convolution, for one set of instructions: included once by each
// winograd-<set>.cc, which defines WINOGRAD_SET (a namespace), WINOGRAD_TARGET (the attribute of all
// that uses the instructions, for the rest of the binary runs without them) and, in that namespace,
// Vector, kLanes, kRows and Load, Store, LoadLanes, StoreLanes (of the first lanes alone), Set, Add, Sub, Mul, Div, MulAdd (a·b + c, rounded once), MulSub
// (c - a·b, rounded once), Max and Min (b where a value is NaN).
//
// Every value is computed by the same steps whatever the width: all sets give the same bits.
#define WINOGRAD_INLINE WINOGRAD_TARGET __attribute__((always_inline)) inline

namespace winograd {
namespace WINOGRAD_SET {

// ---- One of the 36 matrix products: [tiles, in] · [in, 16] for some panels of the kernel.

constexpr int kPanelVectors = kPanel / kLanes;

// sums [Rows, 16 · Panels] = values [Rows, in] · panels, added to what is there where `adds`.
template <int Rows, int Panels>
WINOGRAD_TARGET void MultiplyRows(const float* values, int64_t value_stride, const float* panel,
                                  int64_t panel_stride, int64_t in, bool adds, float* sums,
                                  int64_t sum_stride) {
  constexpr int kVectors = Panels * kPanelVectors;
  Vector total[Rows][kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < Rows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      total[r][v] = adds ? Load(sums + r * sum_stride + v * kLanes) : Set(0);
    }
  }
  for (int64_t i = 0; i < in; i++) {
    Vector weights[kVectors];
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) {
      weights[v] = Load(panel + v / kPanelVectors * panel_stride + i * kPanel +
                        v % kPanelVectors * kLanes);
    }
#pragma GCC unroll 16
    for (int r = 0; r < Rows; r++) {
      const Vector value = Set(values[r * value_stride + i]);
#pragma GCC unroll 4
      for (int v = 0; v < kVectors; v++) total[r][v] = MulAdd(value, weights[v], total[r][v]);
    }
  }
#pragma GCC unroll 16
  for (int r = 0; r < Rows; r++) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; v++) Store(sums + r * sum_stride + v * kLanes, total[r][v]);
  }
}

// The same for any number of tiles: as many at once as there are registers, then half as many.
template <int Rows, int Panels>
WINOGRAD_TARGET void MultiplyPanels(const float* values, int64_t value_stride, int64_t tiles,
                                    const float* panel, int64_t panel_stride, int64_t in,
                                    bool adds, float* sums, int64_t sum_stride) {
  for (; tiles >= Rows; tiles -= Rows) {
    MultiplyRows<Rows, Panels>(values, value_stride, panel, panel_stride, in, adds, sums,
                               sum_stride);
    values += Rows * value_stride;
    sums += Rows * sum_stride;
  }
  if constexpr (Rows > 1) {
    if (tiles > 0) {
      MultiplyPanels<Rows / 2, Panels>(values, value_stride, tiles, panel, panel_stride, in, adds,
                                       sums, sum_stride);
    }
  }
}

// sums [tiles, channels] = values [tiles, in] · panels, a part of `in` after the other; `SumStride`
// floats from tile to tile.
template <int64_t SumStride = kBlockChannels>
WINOGRAD_TARGET void MultiplyDepth(const float* values, int64_t value_stride, int64_t tiles,
                                   const float* panels, int64_t in, int64_t channels,
                                   float* sums) {
  for (int64_t c = 0; c < channels; c += kPanel * kPanels) {
    const float* panel = panels + c * in;
    for (int64_t i = 0; i < in; i += kBlockDepth) {
      const auto multiply = channels - c > kPanel * (kPanels - 1) ? MultiplyPanels<kRows, kPanels>
                                                                  : MultiplyPanels<kRows, 1>;
      multiply(values + i, value_stride, tiles, panel + i * kPanel, in * kPanel,
               Least(kBlockDepth, in - i), i > 0, sums + c, SumStride);
    }
  }
}

// The 36 products of a block for `channels` output channels from `channel` on.
WINOGRAD_TARGET void Multiply(const Plan& plan, const float* points, const float* kernel,
                              int64_t count, int64_t channel, int64_t channels, float* products) {
  const int64_t in = plan.shape.in, panels = CountPanels(plan.shape.out);
  for (int p = 0; p < kPoints; p++) {
    MultiplyDepth(points + p * plan.point_stride, plan.tile_stride, count,
                  kernel + (p * panels + channel / kPanel) * in * kPanel, in, channels,
                  products + p * plan.product_stride);
  }
}

// ---- The transforms of F(4×4, 3×3), one vector of channels at a time.
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
constexpr double kA = 0.70710678118654752440, kA2 = 0.5;
constexpr double kB = 1.41421356237309504880, kB2 = 2;
static_assert(kA2 * kB2 == 1, "the transforms leave the factor a²b² out");

constexpr double kAtA = 1 / (2 * kA2 * (kA2 - kB2)), kAtB = 1 / (2 * kB2 * (kB2 - kA2));
constexpr double kG[kPatch][3] = {
    {1, 0, 0},
    {kAtA, kA * kAtA, kA2 * kAtA},
    {kAtA, -kA * kAtA, kA2 * kAtA},
    {kAtB, kB * kAtB, kB2 * kAtB},
    {kAtB, -kB * kAtB, kB2 * kAtB},
    {0, 0, 1},
};

// Bᵀ of six values, in place.
WINOGRAD_INLINE void TransformPatchLine(Vector d[kPatch]) {
  const Vector even_a = MulSub(Set(kB2), d[2], d[4]), odd_a = MulSub(Set(kB2), d[1], d[3]);
  const Vector even_b = MulSub(Set(kA2), d[2], d[4]), odd_b = MulSub(Set(kA2), d[1], d[3]);
  d[0] = MulSub(Set(kA2 + kB2), d[2], Add(d[0], d[4]));
  d[5] = MulSub(Set(kA2 + kB2), d[3], Add(d[1], d[5]));
  d[1] = MulAdd(Set(kA), odd_a, even_a);
  d[2] = MulSub(Set(kA), odd_a, even_a);
  d[3] = MulAdd(Set(kB), odd_b, even_b);
  d[4] = MulSub(Set(kB), odd_b, even_b);
}

// Aᵀ of six values.
WINOGRAD_INLINE void TransformProductLine(const Vector m[kPatch], Vector y[kTile]) {
  const Vector even_a = Add(m[1], m[2]), odd_a = Sub(m[1], m[2]);
  const Vector even_b = Add(m[3], m[4]), odd_b = Sub(m[3], m[4]);
  y[0] = Add(Add(m[0], even_a), even_b);
  y[1] = MulAdd(Set(kB), odd_b, Mul(Set(kA), odd_a));
  y[2] = MulAdd(Set(kB2), even_b, Mul(Set(kA2), even_a));
  y[3] = MulAdd(Set(kB2 * kB), odd_b, MulAdd(Set(kA2 * kA), odd_a, m[5]));
}

// Bᵀ d B: a patch [6, 6] -> its 36 points, `point_stride` floats apart.
WINOGRAD_INLINE void TransformPatch(const float* patch, int64_t row_stride, int64_t column_stride,
                                    float* points, int64_t point_stride) {
  Vector lines[kPatch][kPatch];
#pragma GCC unroll 6
  for (int x = 0; x < kPatch; x++) {
    Vector column[kPatch];
#pragma GCC unroll 6
    for (int y = 0; y < kPatch; y++) column[y] = Load(patch + y * row_stride + x * column_stride);
    TransformPatchLine(column);
#pragma GCC unroll 6
    for (int y = 0; y < kPatch; y++) lines[y][x] = column[y];
  }
#pragma GCC unroll 6
  for (int y = 0; y < kPatch; y++) {
    TransformPatchLine(lines[y]);
#pragma GCC unroll 6
    for (int x = 0; x < kPatch; x++) {
      Store(points + (y * kPatch + x) * point_stride, lines[y][x]);
    }
  }
}

// Aᵀ m A: 36 products, `point_stride` floats apart -> a tile [4, 4].
WINOGRAD_INLINE void TransformProducts(const float* products, int64_t point_stride,
                                       Vector tile[kTile][kTile]) {
  Vector lines[kTile][kPatch];
#pragma GCC unroll 6
  for (int x = 0; x < kPatch; x++) {
    Vector column[kPatch], half[kTile];
#pragma GCC unroll 6
    for (int y = 0; y < kPatch; y++) column[y] = Load(products + (y * kPatch + x) * point_stride);
    TransformProductLine(column, half);
#pragma GCC unroll 4
    for (int y = 0; y < kTile; y++) lines[y][x] = half[y];
  }
#pragma GCC unroll 4
  for (int y = 0; y < kTile; y++) TransformProductLine(lines[y], tile[y]);
}

WINOGRAD_TARGET void TransformInput(const Plan& plan, const float* input, int64_t first,
                                    int64_t count, float* points, float* copy) {
  const Shape& s = plan.shape;
  const int64_t padded = RoundUp(s.in, kLanes);
  for (int64_t t = 0; t < count; t++, points += plan.tile_stride) {
    const Position at(plan, first + t);
    const float* image = input + at.image * s.height * s.width * s.in;
    const int64_t y0 = at.y - 1, x0 = at.x - 1;
    const bool is_inside =
        y0 >= 0 && x0 >= 0 && y0 + kPatch <= s.height && x0 + kPatch <= s.width;
    const bool is_direct = is_inside && s.in == padded;
    if (!is_direct) CopyPatch(plan, image, y0, x0, padded, copy);
    const float* patch = is_direct ? image + (y0 * s.width + x0) * s.in : copy;
    const int64_t row_stride = is_direct ? s.width * s.in : kPatch * padded;
    for (int64_t c = 0; c < padded; c += kLanes) {
      TransformPatch(patch + c, row_stride, padded, points + c, plan.point_stride);
    }
  }
}

// Of each 2×2 the largest.
WINOGRAD_INLINE void Pool(const Vector tile[kTile][kTile], Vector pooled[kTile / 2][kTile / 2]) {
#pragma GCC unroll 2
  for (int y = 0; y < kTile / 2; y++) {
#pragma GCC unroll 2
    for (int x = 0; x < kTile / 2; x++) {
      const Vector above = Max(tile[2 * y][2 * x], tile[2 * y][2 * x + 1]);
      const Vector below = Max(tile[2 * y + 1][2 * x], tile[2 * y + 1][2 * x + 1]);
      pooled[y][x] = Max(above, below);
    }
  }
}

// Adds the bias, cuts off at 0 where `relu` (NaN stays NaN) and writes a vector or less of the
// channels of a tile, as far as it lies in the image. `Size`: of a tile that may be pooled already,
// for neither the bias nor the cut changes which value is the largest.
template <int Size>
WINOGRAD_INLINE void StoreTile(const Vector tile[Size][Size], int64_t height, int64_t width,
                               Vector bias, bool relu, int64_t lanes, float* output,
                               int64_t row_stride, int64_t column_stride) {
#pragma GCC unroll 4
  for (int y = 0; y < Size; y++) {
#pragma GCC unroll 4
    for (int x = 0; x < Size; x++) {
      if (y >= height || x >= width) continue;
      float* to = output + y * row_stride + x * column_stride;
      Vector value = Add(tile[y][x], bias);
      if (relu) value = Max(Set(0), value);
      StoreLanes(to, value, lanes);
    }
  }
}

WINOGRAD_TARGET void TransformOutput(const Plan& plan, const float* products, int64_t first,
                                     int64_t count, int64_t channel, int64_t channels,
                                     const Finish& finish, float* output) {
  const int64_t step = finish.pool ? 2 : 1, size = kTile / step, out = plan.shape.out;
  const int64_t height = plan.shape.height / step, width = plan.shape.width / step;
  for (int64_t t = 0; t < count; t++, products += kBlockChannels) {
    const Position at(plan, first + t);
    const int64_t y0 = at.y / step, x0 = at.x / step;
    const int64_t rows = Least(size, height - y0), columns = Least(size, width - x0);
    float* corner = output + ((at.image * height + y0) * width + x0) * out + channel;
    for (int64_t c = 0; c < channels; c += kLanes) {
      const int64_t lanes = Least(kLanes, channels - c);
      const Vector bias = LoadLanes(finish.bias + channel + c, lanes);
      Vector tile[kTile][kTile], pooled[kTile / 2][kTile / 2];
      TransformProducts(products + c, plan.product_stride, tile);
      if (finish.pool) {
        Pool(tile, pooled);
        StoreTile<kTile / 2>(pooled, rows, columns, bias, finish.relu, lanes, corner + c,
                             width * out, out);
      } else {
        StoreTile<kTile>(tile, rows, columns, bias, finish.relu, lanes, corner + c, width * out,
                         out);
      }
    }
  }
}

// ---- G g Gᵀ in double, which is rounded once.

constexpr int kDoubles = kLanes / 2;
typedef float HalfVector __attribute__((vector_size(kDoubles * sizeof(float))));

WINOGRAD_INLINE Doubles Combine(const double factors[3], Doubles a, Doubles b, Doubles c) {
  return MulAdd(factors[2] + Doubles{}, c, MulAdd(factors[1] + Doubles{}, b, factors[0] * a));
}

// One panel of a kernel [3, 3, in, out] -> [kPoints, in, kPanel], `point_stride` floats apart.
WINOGRAD_TARGET void TransformPanel(const float* kernel, int64_t in, int64_t out, int64_t panel,
                                    float* transformed, int64_t point_stride) {
  const int64_t first = panel * kPanel, channels = Least(kPanel, out - first);
  float weights[9][kPanel] = {};
  for (int64_t i = 0; i < in; i++, transformed += kPanel) {
    for (int k = 0; k < 9; k++) {
      std::memcpy(weights[k], kernel + (k * in + i) * out + first, channels * sizeof(float));
    }
    for (int c = 0; c < kPanel; c += kDoubles) {
      Doubles from[3][3];
      for (int k = 0; k < 9; k++) {
        HalfVector rounded;
        std::memcpy(&rounded, weights[k] + c, sizeof(rounded));
        from[k / 3][k % 3] = __builtin_convertvector(rounded, Doubles);
      }
      for (int p = 0; p < kPatch; p++) {
        Doubles line[3];
        for (int x = 0; x < 3; x++) line[x] = Combine(kG[p], from[0][x], from[1][x], from[2][x]);
        for (int q = 0; q < kPatch; q++) {
          const Doubles point = Combine(kG[q], line[0], line[1], line[2]);
          const HalfVector rounded = __builtin_convertvector(point, HalfVector);
          std::memcpy(transformed + (p * kPatch + q) * point_stride + c, &rounded, sizeof(rounded));
        }
      }
    }
  }
}

// ---- Separable convolutions.

#include "separable-kernels.h"

extern const Kernels kKernels = {TransformPanel,  TransformInput, Multiply,
                                 TransformOutput, MultiplyBlock,  ConvolveStrip};

}  // namespace WINOGRAD_SET
}  // namespace winograd
