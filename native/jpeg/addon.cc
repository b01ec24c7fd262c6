// The Node side: { open(path), decode(jpeg, pixels, width, height, channels) }; nothing is kept from file to file.
#include <node_api.h>

#include <cstdint>
#include <string>

#include "turbojpeg-api.h"

namespace {

struct Decoder {
  TurboJpegApi api;
  bool is_open = false;
};

struct Bytes {
  unsigned char* data;
  size_t length;
};

// Of a Uint8Array; none where it is another thing.
Bytes BytesOf(napi_env env, napi_value value) {
  napi_typedarray_type type;
  size_t length = 0;
  void* data = nullptr;
  if (napi_get_typedarray_info(env, value, &type, &length, &data, nullptr, nullptr) != napi_ok ||
      type != napi_uint8_array) {
    return {nullptr, 0};
  }
  return {static_cast<unsigned char*>(data), length};
}

Decoder* DecoderOf(napi_env env) {
  void* decoder = nullptr;
  napi_get_instance_data(env, &decoder);
  return static_cast<Decoder*>(decoder);
}

// open(path: string): once in a thread, before the first image; throws what is wrong with the library.
napi_value Open(napi_env env, napi_callback_info info) {
  size_t count = 1, length = 0;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  napi_get_value_string_utf8(env, argument, nullptr, 0, &length);
  std::string path(length, '\0');
  napi_get_value_string_utf8(env, argument, &path[0], length + 1, &length);
  Decoder* decoder = DecoderOf(env);
  const char* error = decoder->api.Open(path.c_str());
  decoder->is_open = error == nullptr;
  if (error != nullptr) napi_throw_error(env, nullptr, error);
  return nullptr;
}

// Whether `pixels`, with room for so many, was filled from a file of just that size.
bool Decompress(const TurboJpegApi& api, const Bytes& jpeg, unsigned char* pixels, int width, int height,
                int pixel_format) {
  // A handle keeps the tables of the file before: one without its own would be decoded by those.
  const TurboJpegApi::Handle handle = api.init(TurboJpegApi::kDecompress);
  if (handle == nullptr) return false;
  // Rows follow one another (pitch 0) and no file of more pixels is decoded: so whatever size a file
  // claims, nothing is written beyond the buffer. One scan, as the caller has found.
  const bool is_decoded = api.set(handle, TurboJpegApi::kMaxPixels, width * height) == 0 &&
                          api.set(handle, TurboJpegApi::kScanLimit, 1) == 0 &&
                          api.decompress8(handle, jpeg.data, jpeg.length, pixels, 0, pixel_format) == 0 &&
                          api.get(handle, TurboJpegApi::kWidth) == width &&
                          api.get(handle, TurboJpegApi::kHeight) == height;
  api.destroy(handle);
  return is_decoded;
}

// decode(jpeg: Uint8Array, pixels: Uint8Array, width: number, height: number, channels: 3 | 4): boolean. Fills
// pixels [height, width, channels], RGB or CMYK; false where the file fails, warns, or has another size.
napi_value Decode(napi_env env, napi_callback_info info) {
  size_t count = 5;
  napi_value arguments[5];
  int32_t width = 0, height = 0, channels = 0;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  const Bytes jpeg = BytesOf(env, arguments[0]);
  const Bytes target = BytesOf(env, arguments[1]);
  napi_get_value_int32(env, arguments[2], &width);
  napi_get_value_int32(env, arguments[3], &height);
  napi_get_value_int32(env, arguments[4], &channels);
  const Decoder& decoder = *DecoderOf(env);
  const int format = channels == 4 ? TurboJpegApi::kCmyk : TurboJpegApi::kRgb;
  const int64_t pixels = static_cast<int64_t>(width) * height;
  const bool is_decoded = decoder.is_open && jpeg.data != nullptr && pixels > 0 && pixels <= INT32_MAX && (channels == 3 || channels == 4) &&
                          channels * pixels <= static_cast<int64_t>(target.length) &&
                          Decompress(decoder.api, jpeg, target.data, width, height, format);
  napi_value result;
  napi_get_boolean(env, is_decoded, &result);
  return result;
}

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace

NAPI_MODULE_INIT() {
  const auto end = [](napi_env, void* decoder, void*) { delete static_cast<Decoder*>(decoder); };
  napi_set_instance_data(env, new Decoder(), end, nullptr);
  Export(env, exports, "open", Open);
  Export(env, exports, "decode", Decode);
  return exports;
}
