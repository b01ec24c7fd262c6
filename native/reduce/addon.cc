// The Node side of the kernels of src/reduce: { isSupported, multiply, multiplyBlock, pack, centre, addRows, addColumns }.
// Memories come as typed arrays (of memory that threads share, too), places and steps in the elements that
// native-kernels.ts names. Whoever calls sees to it that they lie inside.
#include <node_api.h>

#include <cstdint>

namespace {

napi_value Boolean(napi_env env, bool value) {
  napi_value result;
  napi_get_boolean(env, value, &result);
  return result;
}

}  // namespace

#if defined(__x86_64__)
#include "columns.h"
#include "row-sums.h"
#include "tiles.h"

namespace {

// The arguments of a call: typed arrays first, then whole numbers, then others.
template <int Arrays, int Numbers, int Reals = 0>
class Arguments {
 public:
  Arguments(napi_env env, napi_callback_info info) {
    size_t count = Arrays + Numbers + Reals;
    napi_value values[Arrays + Numbers + Reals];
    napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
    for (int i = 0; i < Arrays; i++) {
      napi_get_typedarray_info(env, values[i], nullptr, nullptr, &arrays_[i], nullptr, nullptr);
    }
    for (int i = 0; i < Numbers; i++) {
      napi_get_value_int64(env, values[Arrays + i], &numbers_[i]);
    }
    for (int i = 0; i < Reals; i++) {
      napi_get_value_double(env, values[Arrays + Numbers + i], &reals_[i]);
    }
  }
  template <typename Value>
  Value* array(int i, int64_t at = 0) const {
    return static_cast<Value*>(arrays_[i]) + at;
  }
  int64_t number(int i) const { return numbers_[i]; }
  double real(int i) const { return reals_[i]; }

 private:
  void* arrays_[Arrays] = {};
  int64_t numbers_[Numbers] = {};
  double reals_[Reals + 1] = {};
};

// multiply(doubles, a, aStep, b, bStep, bGroupStep, groups, depth, c, cStep)
napi_value Multiply(napi_env env, napi_callback_info info) {
  const Arguments<1, 9> given(env, info);
  reduce::MultiplyTiles({given.array<double>(0, given.number(0)), given.number(1),
                         given.array<double>(0, given.number(2)), given.number(3), given.number(4),
                         given.number(5), given.number(6),
                         given.array<double>(0, given.number(7)), given.number(8)});
  return nullptr;
}

// multiplyBlock(doubles, a, b, groupStep, tall, wide, depth, c, cStep, isExact, wholeRow)
napi_value MultiplyBlock(napi_env env, napi_callback_info info) {
  const Arguments<1, 10> given(env, info);
  const reduce::Block block = {given.array<double>(0, given.number(0)),
                               given.array<double>(0, given.number(1)),
                               given.number(2),
                               given.number(3),
                               given.number(4),
                               given.number(5),
                               given.array<double>(0, given.number(6)),
                               given.number(7)};
  if (given.number(8) != 0) {
    reduce::MultiplyExactBlock(block, given.number(9));
  } else {
    reduce::MultiplyBlock(block);
  }
  return nullptr;
}

// pack(floats, doubles, rows, rowStep, count, columns, to, groupStep): whether all values are finite.
napi_value Pack(napi_env env, napi_callback_info info) {
  const Arguments<2, 6> given(env, info);
  return Boolean(env, reduce::PackColumns(given.array<float>(0, given.number(0)), given.number(1),
                                          given.number(2), given.number(3),
                                          given.array<double>(1, given.number(4)),
                                          given.number(5)));
}

// centre(doubles, panel, groupStep, groups, rows, joinRow, origin, means, weight, share)
napi_value Centre(napi_env env, napi_callback_info info) {
  const Arguments<1, 7, 2> given(env, info);
  reduce::CentrePanel({given.array<double>(0, given.number(0)), given.number(1), given.number(2),
                       given.number(3), given.number(4), given.array<double>(0, given.number(5)),
                       given.array<double>(0, given.number(6)), given.real(0), given.real(1)});
  return nullptr;
}

// addRows(floats, doubles, rows, shift, vectors, sums, n, quads, groups)
napi_value AddRows(napi_env env, napi_callback_info info) {
  const Arguments<2, 7> given(env, info);
  reduce::AddRowSums({given.array<float>(0, given.number(0)),
                      given.array<double>(1, given.number(1)),
                      given.array<double>(1, given.number(2)),
                      given.array<double>(1, given.number(3)), given.number(4), given.number(5),
                      given.number(6)});
  return nullptr;
}

// addColumns(rows, origin, means, squares, n, dims, count): whether all values are finite.
napi_value AddColumns(napi_env env, napi_callback_info info) {
  const Arguments<4, 3> given(env, info);
  return Boolean(env, reduce::AddColumns({given.array<float>(0), given.number(0), given.number(1),
                                          given.number(2), given.array<double>(1),
                                          given.array<double>(2), given.array<double>(3)}));
}

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

bool IsSupported() { return __builtin_cpu_supports("avx2"); }

}  // namespace
#endif

NAPI_MODULE_INIT() {
  bool is_supported = false;
#if defined(__x86_64__)
  is_supported = IsSupported();
  Export(env, exports, "multiply", Multiply);
  Export(env, exports, "multiplyBlock", MultiplyBlock);
  Export(env, exports, "pack", Pack);
  Export(env, exports, "centre", Centre);
  Export(env, exports, "addRows", AddRows);
  Export(env, exports, "addColumns", AddColumns);
#endif
  napi_set_named_property(env, exports, "isSupported", Boolean(env, is_supported));
  return exports;
}
