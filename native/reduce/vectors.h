// Four doubles at a time. Products and sums are rounded one by one, never fused, and are added in the order
// that src/reduce/kernels/ states: the bits are those of the WebAssembly and of the plain kernels.
#pragma once

#include <immintrin.h>

#include <cstdint>

#define REDUCE_TARGET __attribute__((target("avx2")))

namespace reduce {

// sum + a b, rounded twice.
REDUCE_TARGET inline __m256d AddProduct(__m256d sum, __m256d a, __m256d b) {
  return _mm256_add_pd(sum, _mm256_mul_pd(a, b));
}

// Two doubles into both halves.
REDUCE_TARGET inline __m256d LoadPairTwice(const double* at) {
  return _mm256_broadcast_pd(reinterpret_cast<const __m128d*>(at));
}

}  // namespace reduce
