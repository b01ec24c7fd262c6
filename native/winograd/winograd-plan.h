// How a convolution is cut into blocks, and the kernels that compute one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "separable.h"
#include "winograd.h"

namespace winograd {

// Tiles of a block: as many as use the kernel well, which is read once for each block; as few as
// leave a block's points in the cache. Output channels at a time, for the same reason.
constexpr int64_t kBlockTiles = 96;
constexpr int64_t kBlockChannels = 32;
// Input channels at a time: a panel of them stays in the first cache.
constexpr int64_t kBlockDepth = 256;
// Points lie this much further apart than they are long: powers of two share cache lines.
constexpr int64_t kSkew = 16;
// Of the widest vectors: what a tile's channels are filled up to.
constexpr int64_t kMostLanes = 16;

inline int64_t DivideUp(int64_t value, int64_t unit) { return (value + unit - 1) / unit; }
inline int64_t RoundUp(int64_t value, int64_t unit) { return DivideUp(value, unit) * unit; }

inline int64_t Least(int64_t a, int64_t b) { return a < b ? a : b; }

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
    tile_stride = RoundUp(shape.in, kMostLanes);
    if (tile_stride % (8 * kSkew) == 0) tile_stride += kSkew;
    point_stride = block * tile_stride + kSkew;
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
inline void CopyPatch(const Plan& plan, const float* image, int64_t y0, int64_t x0,
                      int64_t padded, float* patch) {
  const Shape& s = plan.shape;
  for (int64_t y = y0; y < y0 + kPatch; y++) {
    for (int64_t x = x0; x < x0 + kPatch; x++, patch += padded) {
      const bool is_inside = y >= 0 && y < s.height && x >= 0 && x < s.width;
      const int64_t copied = is_inside ? s.in : 0;
      std::copy_n(image + (y * s.width + x) * s.in, copied, patch);
      std::fill(patch + copied, patch + padded, 0.0f);
    }
  }
}

// Of a 1×1 convolution: rows first … first + rows - 1, output channels from `channel` to `end`.
struct RowBlock {
  int64_t first, rows, channel, end;
};

// Of a depthwise convolution: some rows of the output of an image, kPanel channels from `channel` on.
struct Strip {
  int64_t image, channel, first, rows, columns;  // columns: of what is convolved, zeros included
  float* values;                                 // what is convolved [input rows, columns, kPanel]
  float* kernel;                                 // [size, kPanel]
  float* block;                                  // room for kBlockTiles · kPanel values
};

// A thread's memory, kept from call to call; null where there is none.
float* ThreadScratch(int slot, int threads, int64_t floats);

// The vector code for one set of instructions (winograd-kernels.h).
struct Kernels {
  // One panel of a kernel [3, 3, in, out] -> [kPoints, in, kPanel], `point_stride` floats apart.
  void (*transform_panel)(const float* kernel, int64_t in, int64_t out, int64_t panel,
                          float* transformed, int64_t point_stride);
  // `count` tiles from `first` on -> points [kPoints, count, in]; `copy`: room for a patch.
  void (*transform_input)(const Plan& plan, const float* input, int64_t first, int64_t count,
                          float* points, float* copy);
  // -> products [kPoints, count, kBlockChannels] for `channels` output channels from `channel` on.
  void (*multiply)(const Plan& plan, const float* points, const float* kernel, int64_t count,
                   int64_t channel, int64_t channels, float* products);
  void (*transform_output)(const Plan& plan, const float* products, int64_t first, int64_t count,
                           int64_t channel, int64_t channels, const Finish& finish, float* output);
  // `copy`: room for the rows, multiplied by the scale of `image`; `sums`: for kBlockChannels of each.
  void (*multiply_rows)(const Pointwise& p, const RowBlock& at, int64_t image, const float* input,
                        float* copy, int64_t copy_stride, float* sums, float* output);
  // `sums` [kPanel] of the values of the strip.
  void (*convolve_strip)(const Depthwise& d, const Strip& strip, const float* input, float* output,
                         float* sums);
};

// Those in use.
const Kernels& UsedKernels();

}  // namespace winograd
