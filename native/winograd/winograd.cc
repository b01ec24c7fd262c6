#include "winograd.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "winograd-product.h"
#include "winograd-transforms.h"

namespace winograd {
namespace {

// Tiles of a block: as many as use the kernel well, which is read once for each block; as few as
// leave a block's points in the cache. Output channels at a time, for the same reason.
constexpr int64_t kBlockTiles = 96;
constexpr int64_t kBlockChannels = 32;
// Input channels at a time: a panel of them stays in the first cache.
constexpr int64_t kBlockDepth = 256;
// Points lie this much further apart than they are long: powers of two share cache lines.
constexpr int64_t kSkew = 16;

int64_t DivideUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }
int64_t RoundUp(int64_t value, int64_t unit) { return DivideUp(value, unit) * unit; }

// Where the tiles lie and how they are cut into blocks; strides in floats.
struct Plan {
  Plan(const Shape& shape, int threads) : shape(shape) {
    rows = DivideUp(shape.height, kTile);
    columns = DivideUp(shape.width, kTile);
    tiles = shape.batch * rows * columns;
    // Few tiles for many threads: each thread takes large blocks, but not all output channels. The
    // input is then transformed once for each group, which costs less than reading more kernel.
    const int64_t fewest = std::max<int64_t>(1, DivideUp(tiles, kBlockTiles));
    const int64_t most_groups = DivideUp(shape.out, kBlockChannels);
    groups = std::min(most_groups, DivideUp(threads, fewest));
    group_channels = DivideUp(most_groups, groups) * kBlockChannels;
    // Each thread gets the same number of blocks, and blocks are of one size.
    const int64_t share = DivideUp(threads, groups);
    const int64_t rounds = std::max<int64_t>(1, DivideUp(tiles, share * kBlockTiles));
    block = std::max<int64_t>(1, DivideUp(tiles, share * rounds));
    tile_stride = RoundUp(shape.in, kLanes);
    point_stride = RoundUp(block * tile_stride, kLanes) + kSkew;
    product_stride = block * kBlockChannels + kSkew;
  }

  int64_t ScratchFloats() const {
    return kPoints * (point_stride + product_stride + tile_stride);
  }

  Shape shape;
  int64_t rows, columns, tiles, block;
  int64_t groups, group_channels;     // of output channels
  int64_t tile_stride, point_stride;  // of the transformed input [kPoints, block, in]
  int64_t product_stride;             // of the products [kPoints, block, kBlockChannels]
};

struct Position {
  Position(const Plan& plan, int64_t tile)
      : image(tile / (plan.rows * plan.columns)),
        y(tile / plan.columns % plan.rows * kTile),
        x(tile % plan.columns * kTile) {}
  int64_t image, y, x;  // y, x: the tile's first row and column in the output
};

// The patch whose first pixel is (y0, x0), zeros where it leaves the image or the channels.
void CopyPatch(const Plan& plan, const float* image, int64_t y0, int64_t x0, float* patch) {
  const Shape& s = plan.shape;
  for (int64_t y = y0; y < y0 + kPatch; y++) {
    for (int64_t x = x0; x < x0 + kPatch; x++, patch += plan.tile_stride) {
      const bool is_inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
      const int64_t copied = is_inside ? s.in : 0;
      std::copy_n(image + (y * s.width + x) * s.in, copied, patch);
      std::fill(patch + copied, patch + plan.tile_stride, 0.0f);
    }
  }
}

WINOGRAD_TARGET void TransformInput(const Plan& plan, const float* input, int64_t first,
                                    int64_t count, float* points, float* copy) {
  const Shape& s = plan.shape;
  for (int64_t t = 0; t < count; t++, points += plan.tile_stride) {
    const Position at(plan, first + t);
    const float* image = input + at.image * s.height * s.width * s.in;
    const int64_t y0 = at.y - 1, x0 = at.x - 1;
    const bool is_inside =
        y0 >= 0 && x0 >= 0 && y0 + kPatch <= s.height && x0 + kPatch <= s.width;
    const bool is_direct = is_inside && s.in == plan.tile_stride;
    if (!is_direct) CopyPatch(plan, image, y0, x0, copy);
    const float* patch = is_direct ? image + (y0 * s.width + x0) * s.in : copy;
    const int64_t row_stride = is_direct ? s.width * s.in : kPatch * plan.tile_stride;
    for (int64_t c = 0; c < plan.tile_stride; c += kLanes) {
      TransformPatch(patch + c, row_stride, plan.tile_stride, points + c, plan.point_stride);
    }
  }
}

// Of each 2×2 the largest.
WINOGRAD_INLINE void Pool(const __m256 tile[kTile][kTile], __m256 pooled[kTile / 2][kTile / 2]) {
#pragma GCC unroll 2
  for (int y = 0; y < kTile / 2; y++) {
#pragma GCC unroll 2
    for (int x = 0; x < kTile / 2; x++) {
      const __m256 above = _mm256_max_ps(tile[2 * y][2 * x], tile[2 * y][2 * x + 1]);
      const __m256 below = _mm256_max_ps(tile[2 * y + 1][2 * x], tile[2 * y + 1][2 * x + 1]);
      pooled[y][x] = _mm256_max_ps(above, below);
    }
  }
}

// Adds the bias, cuts off at 0 where `relu` (NaN stays NaN) and writes eight or fewer channels of a
// tile, as far as it lies in the image. `Size`: of a tile that may be pooled already, for neither
// the bias nor the cut changes which value is the largest.
template <int Size>
WINOGRAD_INLINE void StoreTile(const __m256 tile[Size][Size], int64_t height, int64_t width,
                               __m256 bias, bool relu, int64_t lanes, float* output,
                               int64_t row_stride, int64_t column_stride) {
#pragma GCC unroll 4
  for (int y = 0; y < Size; y++) {
#pragma GCC unroll 4
    for (int x = 0; x < Size; x++) {
      if (y >= height || x >= width) continue;
      float* to = output + y * row_stride + x * column_stride;
      __m256 value = _mm256_add_ps(tile[y][x], bias);
      if (relu) value = _mm256_max_ps(_mm256_setzero_ps(), value);
      if (lanes == kLanes) {
        _mm256_storeu_ps(to, value);
      } else {
        alignas(32) float values[kLanes];
        _mm256_store_ps(values, value);
        std::copy_n(values, lanes, to);
      }
    }
  }
}

WINOGRAD_INLINE __m256 LoadLanes(const float* values, int64_t lanes) {
  if (lanes == kLanes) return _mm256_loadu_ps(values);
  alignas(32) float filled[kLanes] = {};
  std::copy_n(values, lanes, filled);
  return _mm256_load_ps(filled);
}

WINOGRAD_TARGET void TransformOutput(const Plan& plan, const float* products, int64_t first,
                                     int64_t count, int64_t channel, int64_t channels,
                                     const Finish& finish, float* output) {
  const int64_t step = finish.pool ? 2 : 1, size = kTile / step, out = plan.shape.out;
  const int64_t height = plan.shape.height / step, width = plan.shape.width / step;
  for (int64_t t = 0; t < count; t++, products += kBlockChannels) {
    const Position at(plan, first + t);
    const int64_t y0 = at.y / step, x0 = at.x / step;
    const int64_t rows = std::min(size, height - y0), columns = std::min(size, width - x0);
    float* corner = output + ((at.image * height + y0) * width + x0) * out + channel;
    for (int64_t c = 0; c < channels; c += kLanes) {
      const int64_t lanes = std::min(kLanes, channels - c);
      const __m256 bias = LoadLanes(finish.bias + channel + c, lanes);
      __m256 tile[kTile][kTile], pooled[kTile / 2][kTile / 2];
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

// The 36 products of a block for `channels` output channels from `channel` on.
void Multiply(const Plan& plan, const float* points, const float* kernel, int64_t count,
              int64_t channel, int64_t channels, float* products) {
  const int64_t in = plan.shape.in, panels = CountPanels(plan.shape.out);
  for (int p = 0; p < kPoints; p++) {
    for (int64_t c = 0; c < channels; c += kPanel) {
      const float* panel = kernel + (p * panels + (channel + c) / kPanel) * in * kPanel;
      for (int64_t i = 0; i < in; i += kBlockDepth) {
        MultiplyPanel(points + p * plan.point_stride + i, plan.tile_stride, count,
                      panel + i * kPanel, std::min(kBlockDepth, in - i), i > 0,
                      products + p * plan.product_stride + c, kBlockChannels);
      }
    }
  }
}

// One panel of a kernel [3, 3, in, out] -> [kPoints, in, kPanel], `point_stride` floats apart.
WINOGRAD_TARGET void TransformPanel(const float* kernel, int64_t in, int64_t out, int64_t panel,
                                    float* transformed, int64_t point_stride) {
  const int64_t first = panel * kPanel, channels = std::min<int64_t>(kPanel, out - first);
  float weights[9][kPanel] = {};
  for (int64_t i = 0; i < in; i++, transformed += kPanel) {
    for (int k = 0; k < 9; k++) {
      std::copy_n(kernel + (k * in + i) * out + first, channels, weights[k]);
    }
    for (int c = 0; c < kPanel; c += 4) {
      __m256d from[3][3], points[kPatch][kPatch];
      for (int k = 0; k < 9; k++) from[k / 3][k % 3] = _mm256_cvtps_pd(_mm_loadu_ps(weights[k] + c));
      TransformWeights(from, points);
      for (int p = 0; p < kPoints; p++) {
        const __m128 rounded = _mm256_cvtpd_ps(points[p / kPatch][p % kPatch]);
        _mm_storeu_ps(transformed + p * point_stride + c, rounded);
      }
    }
  }
}

// A thread's memory, kept from call to call.
class Scratch {
 public:
  float* Get(int64_t floats) {
    if (floats > size_) {
      memory_.reset(static_cast<float*>(std::aligned_alloc(64, RoundUp(floats * 4, 64))));
      size_ = memory_ ? floats : 0;
    }
    return memory_.get();
  }

 private:
  struct Free {
    void operator()(float* memory) const { std::free(memory); }
  };
  std::unique_ptr<float, Free> memory_;
  int64_t size_ = 0;
};

}  // namespace

bool IsSupported() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

int64_t CountPanels(int64_t out) { return DivideUp(out, kPanel); }

void TransformKernel(const float* kernel, int64_t in, int64_t out, float* transformed,
                     WorkerThreads& threads) {
  const int64_t panels = CountPanels(out);
  threads.Run(panels, [&](int64_t panel, int) {
    TransformPanel(kernel, in, out, panel, transformed + panel * in * kPanel, panels * in * kPanel);
  });
}

bool Convolve(const Shape& shape, const float* input, const float* transformed,
              const Finish& finish, float* output, WorkerThreads& threads) {
  static std::vector<Scratch> scratches(threads.count());
  if (shape.batch * shape.height * shape.width * shape.out == 0) return true;
  const Plan plan(shape, threads.count());
  std::atomic<bool> has_memory{true};
  threads.Run(DivideUp(plan.tiles, plan.block) * plan.groups, [&](int64_t task, int slot) {
    float* points = scratches[slot].Get(plan.ScratchFloats());
    if (points == nullptr) {
      has_memory = false;
      return;
    }
    float* products = points + kPoints * plan.point_stride;
    float* copy = products + kPoints * plan.product_stride;
    const int64_t first = task / plan.groups * plan.block;
    const int64_t count = std::min(plan.block, plan.tiles - first);
    int64_t channel = task % plan.groups * plan.group_channels;
    const int64_t end = std::min(shape.out, channel + plan.group_channels);
    if (channel >= end) return;
    TransformInput(plan, input, first, count, points, copy);
    for (; channel < end; channel += kBlockChannels) {
      const int64_t channels = std::min(kBlockChannels, end - channel);
      Multiply(plan, points, transformed, count, channel, channels, products);
      TransformOutput(plan, products, first, count, channel, channels, finish, output);
    }
  });
  return has_memory;
}

}  // namespace winograd
