// 3×3 convolution, stride 1, padding SAME, NHWC float32, by Winograd's F(4×4, 3×3).
//
// A. Lavin, S. Gray, "Fast Algorithms for Convolutional Neural Networks" (2015), arXiv:1509.09308:
// a 4×4 tile of the output is  Aᵀ [ (G g Gᵀ) ⊙ (Bᵀ d B) ] A  for the kernel g (3×3) and the 6×6
// patch d of the input under it: 36 multiplications in place of 144. Over the channels, each of the
// 36 points is one matrix product [tiles, in] · [in, out].
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "worker-threads.h"

namespace winograd {

constexpr int kTile = 4;                  // rows and columns of a tile of the output
constexpr int kPatch = kTile + 2;         // of the patch of the input under it
constexpr int kPoints = kPatch * kPatch;  // products for each pair of channels
constexpr int kPanel = 16;                // output channels that lie together in a kernel

struct Shape {
  int64_t batch, height, width, in, out;
};

// The sets of instructions that this CPU has and kernels are written for, the fastest first, which is
// taken unless another is asked for; all give the same bits. Without one nothing below may be called.
std::vector<std::string> InstructionSets();
void UseInstructions(const std::string& name);

// A transformed kernel is [kPoints, panels, in, kPanel], the last panel filled up by zeros.
int64_t CountPanels(int64_t out);

// kernel [3, 3, in, out] -> transformed.
void TransformKernel(const float* kernel, int64_t in, int64_t out, float* transformed,
                     WorkerThreads& threads);

// What becomes of the sums.
struct Finish {
  const float* bias;  // [out]
  bool relu;          // cut off at 0
  bool pool;          // the largest of each 2×2 alone; height and width are even
};

// output [n, h, w, out] = input [n, h, w, in] * kernel, finished; [n, h / 2, w / 2, out] if pooled.
// Each value is one sum in one order, whatever its batch, tile or thread. A NaN or an infinity
// spreads over the tiles whose patch holds it. False when there is no memory for the scratch.
bool Convolve(const Shape& shape, const float* input, const float* transformed,
              const Finish& finish, float* output, WorkerThreads& threads);

}  // namespace winograd
