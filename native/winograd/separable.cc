#include "separable.h"

#include <atomic>
#include <vector>

#include "winograd-plan.h"

namespace winograd {
namespace {

// Bytes of the strip of an image that is convolved at once, kPanel channels of it: with its input it
// stays in the second cache.
constexpr int64_t kStripBytes = 256 * 1024;

}  // namespace

void PackPanels(const float* kernel, int64_t in, int64_t out, float* panels) {
  for (int64_t first = 0; first < out; first += kPanel) {
    const int64_t channels = Least(kPanel, out - first);
    for (int64_t i = 0; i < in; i++, panels += kPanel) {
      std::copy_n(kernel + i * out + first, channels, panels);
      std::fill(panels + channels, panels + kPanel, 0.0f);
    }
  }
}

bool ConvolvePointwise(const Pointwise& p, const float* input, float* output,
                       WorkerThreads& threads) {
  // Rows of one scale.
  const int64_t parts = p.scale == nullptr ? 1 : p.images;
  const int64_t rows = p.images * p.pixels / parts;
  if (rows * p.out == 0) return true;
  // As blocks of tiles are cut (winograd-plan.h): of one size, the same number for each thread.
  const int64_t share = DivideUp(threads.count(), parts);
  const int64_t block = DivideUp(rows, share * DivideUp(rows, share * kBlockTiles));
  const int64_t blocks = DivideUp(rows, block);
  const int64_t most_groups = DivideUp(p.out, kBlockChannels);
  const int64_t groups = std::min(most_groups, DivideUp(threads.count(), parts * blocks));
  const int64_t group_channels = DivideUp(most_groups, groups) * kBlockChannels;
  const int64_t scaled_stride = RoundUp(p.in, kMostLanes) + kSkew;
  const int64_t scaled = p.scale == nullptr ? 0 : block * scaled_stride;
  std::atomic<bool> has_memory{true};
  threads.Run(parts * blocks * groups, [&](int64_t task, int slot) {
    float* sums = ThreadScratch(slot, threads.count(), block * kBlockChannels + scaled);
    if (sums == nullptr) {
      has_memory = false;
      return;
    }
    const int64_t part = task / groups / blocks, first = task / groups % blocks * block;
    const int64_t channel = task % groups * group_channels;
    const RowBlock at = {part * rows + first, std::min(block, rows - first), channel,
                         std::min(p.out, channel + group_channels)};
    float* copy = sums + block * kBlockChannels;
    UsedKernels().multiply_rows(p, at, part, input, copy, scaled_stride, sums, output);
  });
  return has_memory;
}

bool ConvolveDepthwise(const Depthwise& d, const float* input, float* output, float* mean,
                       WorkerThreads& threads) {
  // Strips depend on the shape alone, for the sums of a mean are added strip by strip.
  Strip shape;
  shape.columns = (d.out_width - 1) * d.strides[1] + d.size[1];
  const int64_t fitting = kStripBytes / (shape.columns * kPanel * int64_t{sizeof(float)});
  const int64_t most = (fitting - d.size[0]) / d.strides[0] + 1;
  const int64_t strips = DivideUp(d.out_height, std::max<int64_t>(1, most));
  const int64_t rows = DivideUp(d.out_height, strips);
  const int64_t panels = CountPanels(d.channels);
  const int64_t strip_floats = ((rows - 1) * d.strides[0] + d.size[0]) * shape.columns * kPanel;
  const int64_t floats = strip_floats + (d.size[0] * d.size[1] + kBlockTiles) * kPanel;
  std::vector<float> sums(d.images * panels * strips * kPanel);
  std::atomic<bool> has_memory{true};
  threads.Run(d.images * panels * strips, [&](int64_t task, int slot) {
    Strip strip = shape;
    strip.values = ThreadScratch(slot, threads.count(), floats);
    if (strip.values == nullptr) {
      has_memory = false;
      return;
    }
    strip.kernel = strip.values + strip_floats;
    strip.block = strip.kernel + d.size[0] * d.size[1] * kPanel;
    strip.image = task / strips / panels;
    strip.channel = task / strips % panels * kPanel;
    strip.first = task % strips * rows;
    strip.rows = std::min(rows, d.out_height - strip.first);
    if (strip.rows > 0) UsedKernels().convolve_strip(d, strip, input, output, &sums[task * kPanel]);
  });
  for (int64_t i = 0; i < d.images * d.channels; i++) {
    const int64_t image = i / d.channels, channel = i % d.channels;
    float sum = 0;
    for (int64_t s = 0; s < strips; s++) {
      const int64_t task = (image * panels + channel / kPanel) * strips + s;
      sum += sums[task * kPanel + channel % kPanel];
    }
    mean[i] = sum / static_cast<float>(d.out_height * d.out_width);
  }
  return has_memory;
}

}  // namespace winograd
