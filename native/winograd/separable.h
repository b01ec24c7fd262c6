// The parts of separable convolutions, NHWC float32: 1×1 over all channels, k×k of each channel by
// itself. What follows a convolution in such networks is done while its values are in registers or in
// the cache: bias, residual, activation; and a depthwise convolution makes its own input where that is
// a 1×1 convolution with many more channels than its input has.
#pragma once

#include <cstdint>

#include "worker-threads.h"

namespace winograd {

enum class Activation : int32_t { kNone, kRelu, kRelu6, kSwish, kSigmoid };

// 1×1: output [images, pixels, out] = activation(input [images, pixels, in] · kernel + bias + residual).
struct Pointwise {
  int64_t images, pixels, in, out;
  const float* panels;  // the kernel, [panels, in, kPanel], as PackPanels makes it
  const float* bias;    // [out]
  Activation activation;
  const float* scale = nullptr;     // [images, in]: the input is multiplied by it first
  const float* residual = nullptr;  // as the output
};

// kernel [in, out] -> [CountPanels(out), in, kPanel], filled up by zeros.
void PackPanels(const float* kernel, int64_t in, int64_t out, float* panels);

// Each value is one sum in one order, whatever its batch or thread. False without memory.
bool ConvolvePointwise(const Pointwise& p, const float* input, float* output, WorkerThreads& threads);

struct Depthwise {
  int64_t images, height, width, channels;  // of what is convolved
  int64_t size[2], strides[2];              // rows, columns
  int64_t top, left;                        // zeros before the first row and column
  int64_t out_height, out_width;
  const float* kernel;  // [size, channels]
  const float* bias;    // [channels]
  Activation activation;
  const Pointwise* expand = nullptr;  // makes what is convolved of the input; else it is the input
};

// output [images, out_height, out_width, channels], and the mean of each channel [images, channels].
bool ConvolveDepthwise(const Depthwise& d, const float* input, float* output, float* mean,
                       WorkerThreads& threads);

}  // namespace winograd
