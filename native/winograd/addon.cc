// The Node side: { isSupported, register(threads) }.
#include <node_api.h>

#include <algorithm>
#include <string>
#include <thread>

#include "operations.h"
#include "winograd.h"

namespace {

// register(threads): 0 = one for each processor that this process may use.
napi_value Register(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  int32_t threads = 0;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  if (count == 1) napi_get_value_int32(env, argument, &threads);
  if (threads <= 0) threads = static_cast<int32_t>(std::thread::hardware_concurrency());
  const std::string error = RegisterOperations(std::max(1, threads));
  if (!error.empty()) napi_throw_error(env, nullptr, error.c_str());
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value supported, function;
  napi_get_boolean(env, winograd::IsSupported(), &supported);
  napi_set_named_property(env, exports, "isSupported", supported);
  napi_create_function(env, "register", NAPI_AUTO_LENGTH, Register, nullptr, &function);
  napi_set_named_property(env, exports, "register", function);
  return exports;
}

