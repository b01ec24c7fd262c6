// AVX2 and FMA: 8 values a vector.
#if defined(__x86_64__)

#include <immintrin.h>

#include "winograd-plan.h"

#define WINOGRAD_SET avx2
#define WINOGRAD_TARGET __attribute__((target("avx2,fma")))
#define VECTOR(type) WINOGRAD_TARGET __attribute__((always_inline)) inline type

namespace winograd {
namespace avx2 {

typedef __m256 Vector;
typedef __m256d Doubles;
constexpr int kLanes = 8;
// Tiles and panels at once: 6 × 2 sums, 2 weights and 1 value in 16 registers.
constexpr int kRows = 6, kPanels = 1;

VECTOR(Vector) Load(const float* from) { return _mm256_loadu_ps(from); }
VECTOR(void) Store(float* to, Vector a) { _mm256_storeu_ps(to, a); }
VECTOR(Vector) LoadLanes(const float* from, int64_t lanes) {
  if (lanes == kLanes) return Load(from);
  float filled[kLanes] = {};
  std::memcpy(filled, from, lanes * sizeof(float));
  return Load(filled);
}
VECTOR(void) StoreLanes(float* to, Vector a, int64_t lanes) {
  if (lanes == kLanes) return Store(to, a);
  float values[kLanes];
  Store(values, a);
  std::memcpy(to, values, lanes * sizeof(float));
}
VECTOR(Vector) Set(float a) { return _mm256_set1_ps(a); }
VECTOR(Vector) Add(Vector a, Vector b) { return _mm256_add_ps(a, b); }
VECTOR(Vector) Sub(Vector a, Vector b) { return _mm256_sub_ps(a, b); }
VECTOR(Vector) Mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
VECTOR(Vector) Div(Vector a, Vector b) { return _mm256_div_ps(a, b); }
VECTOR(Vector) Max(Vector a, Vector b) { return _mm256_max_ps(a, b); }
VECTOR(Vector) Min(Vector a, Vector b) { return _mm256_min_ps(a, b); }
VECTOR(Vector) MulAdd(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }
VECTOR(Vector) MulSub(Vector a, Vector b, Vector c) { return _mm256_fnmadd_ps(a, b, c); }
VECTOR(Doubles) MulAdd(Doubles a, Doubles b, Doubles c) { return _mm256_fmadd_pd(a, b, c); }

}  // namespace avx2
}  // namespace winograd

#include "winograd-kernels.h"

#endif
