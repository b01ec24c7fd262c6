// The Node side: { instructionSets, register(threads, set) }.
#include <node_api.h>

#include <algorithm>
#include <string>
#include <thread>

#include "operations.h"
#include "winograd.h"

namespace {

// register(threads, set): 0 = one for each processor that this process may use; a name of
// instructionSets, "" = the fastest.
napi_value Register(napi_env env, napi_callback_info info) {
  size_t count = 2;
  napi_value arguments[2];
  int32_t threads = 0;
  char set[16] = "";
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  napi_get_value_int32(env, arguments[0], &threads);
  napi_get_value_string_utf8(env, arguments[1], set, sizeof(set), nullptr);
  if (threads <= 0) threads = static_cast<int32_t>(std::thread::hardware_concurrency());
  winograd::UseInstructions(set);
  const std::string error = RegisterOperations(std::max(1, threads));
  if (!error.empty()) napi_throw_error(env, nullptr, error.c_str());
  return nullptr;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_value sets, name, function;
  napi_create_array(env, &sets);
  uint32_t index = 0;
  for (const std::string& set : winograd::InstructionSets()) {
    napi_create_string_utf8(env, set.c_str(), set.size(), &name);
    napi_set_element(env, sets, index++, name);
  }
  napi_set_named_property(env, exports, "instructionSets", sets);
  napi_create_function(env, "register", NAPI_AUTO_LENGTH, Register, nullptr, &function);
  napi_set_named_property(env, exports, "register", function);
  return exports;
}
