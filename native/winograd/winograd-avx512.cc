// AVX-512F: 16 values a vector.
#if defined(__x86_64__)

#include <immintrin.h>

#include "winograd-plan.h"

#define WINOGRAD_SET avx512
#define WINOGRAD_TARGET __attribute__((target("avx512f")))
#define VECTOR(type) WINOGRAD_TARGET __attribute__((always_inline)) inline type

namespace winograd {
namespace avx512 {

typedef __m512 Vector;
typedef __m512d Doubles;
constexpr int kLanes = 16;
// Tiles and panels at once: 12 × 2 sums, 2 weights and 1 value in 32 registers.
constexpr int kRows = 12, kPanels = 2;

VECTOR(Vector) Load(const float* from) { return _mm512_loadu_ps(from); }
VECTOR(void) Store(float* to, Vector a) { _mm512_storeu_ps(to, a); }
VECTOR(__mmask16) MaskOf(int64_t lanes) { return static_cast<__mmask16>((1u << lanes) - 1); }
VECTOR(Vector) LoadLanes(const float* from, int64_t lanes) {
  return _mm512_maskz_loadu_ps(MaskOf(lanes), from);
}
VECTOR(void) StoreLanes(float* to, Vector a, int64_t lanes) {
  _mm512_mask_storeu_ps(to, MaskOf(lanes), a);
}
VECTOR(Vector) Set(float a) { return _mm512_set1_ps(a); }
VECTOR(Vector) Add(Vector a, Vector b) { return _mm512_add_ps(a, b); }
VECTOR(Vector) Sub(Vector a, Vector b) { return _mm512_sub_ps(a, b); }
VECTOR(Vector) Mul(Vector a, Vector b) { return _mm512_mul_ps(a, b); }
VECTOR(Vector) Div(Vector a, Vector b) { return _mm512_div_ps(a, b); }
VECTOR(Vector) Max(Vector a, Vector b) { return _mm512_max_ps(a, b); }
VECTOR(Vector) Min(Vector a, Vector b) { return _mm512_min_ps(a, b); }
VECTOR(Vector) MulAdd(Vector a, Vector b, Vector c) { return _mm512_fmadd_ps(a, b, c); }
VECTOR(Vector) MulSub(Vector a, Vector b, Vector c) { return _mm512_fnmadd_ps(a, b, c); }
VECTOR(Doubles) MulAdd(Doubles a, Doubles b, Doubles c) { return _mm512_fmadd_pd(a, b, c); }

}  // namespace avx512
}  // namespace winograd

#include "winograd-kernels.h"

#endif
