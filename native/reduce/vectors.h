// Four doubles at a time. Products and sums are rounded one by one, fused only where the product is exact, and are added in
// the order that src/reduce/kernels.ts states: the bits are those of the WebAssembly.
#pragma once

#include <immintrin.h>

#include <cstdint>

// A compiler that may use FMA fuses what it likes: code that rounds products does without.
#define REDUCE_TARGET __attribute__((target("avx2")))
#define REDUCE_FUSED __attribute__((target("avx2,fma")))
#define REDUCE_WIDE __attribute__((target("avx512f,avx2,fma")))

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
