#include "winograd.h"

#include <atomic>
#include <cstdlib>
#include <memory>
#include <vector>

#include "winograd-plan.h"

namespace winograd {

#if defined(__x86_64__)
namespace avx2 {
extern const Kernels kKernels;
}
namespace avx512 {
extern const Kernels kKernels;
}
#endif

namespace {

struct Set {
  const char* name;
  const Kernels* kernels;
};

std::vector<Set> FindSets() {
  std::vector<Set> sets;
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) sets.push_back({"AVX-512", &avx512::kKernels});
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
    sets.push_back({"AVX2", &avx2::kKernels});
  }
#endif
  return sets;
}

const std::vector<Set> sets = FindSets();
const Kernels* kernels = sets.empty() ? nullptr : sets[0].kernels;

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

const Kernels& UsedKernels() { return *kernels; }

float* ThreadScratch(int slot, int threads, int64_t floats) {
  static std::vector<Scratch> scratches(threads);
  return scratches[slot].Get(floats);
}

std::vector<std::string> InstructionSets() {
  std::vector<std::string> names;
  for (const Set& set : sets) names.push_back(set.name);
  return names;
}

void UseInstructions(const std::string& name) {
  for (const Set& set : sets) {
    if (set.name == name) kernels = set.kernels;
  }
}

int64_t CountPanels(int64_t out) { return DivideUp(out, kPanel); }

void TransformKernel(const float* kernel, int64_t in, int64_t out, float* transformed,
                     WorkerThreads& threads) {
  const int64_t panels = CountPanels(out);
  threads.Run(panels, [&](int64_t panel, int) {
    kernels->transform_panel(kernel, in, out, panel, transformed + panel * in * kPanel, panels * in * kPanel);
  });
}

bool Convolve(const Shape& shape, const float* input, const float* transformed,
              const Finish& finish, float* output, WorkerThreads& threads) {
  if (shape.batch * shape.height * shape.width * shape.out == 0) return true;
  const Plan plan(shape, threads.count());
  std::atomic<bool> has_memory{true};
  threads.Run(DivideUp(plan.tiles, plan.block) * plan.groups, [&](int64_t task, int slot) {
    float* points = ThreadScratch(slot, threads.count(), plan.ScratchFloats());
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
    kernels->transform_input(plan, input, first, count, points, copy);
    for (; channel < end; channel += kBlockChannels) {
      const int64_t channels = std::min(kBlockChannels, end - channel);
      kernels->multiply(plan, points, transformed, count, channel, channels, products);
      kernels->transform_output(plan, products, first, count, channel, channels, finish, output);
    }
  });
  return has_memory;
}

}  // namespace winograd
