// The Node side: open, decode for one file's bytes; openFiles, addTables, decodeFiles, listFolder for files on
// disk.
#include <node_api.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "file-decoder.h"
#include "list-folder.h"
#include "turbojpeg-api.h"

namespace {

struct Decoder {
  TurboJpegApi api;
  bool is_open = false;
};

// The values of a typed array; none where it is another thing.
template <typename T>
T* ValuesOf(napi_env env, napi_value value, napi_typedarray_type wanted, size_t* length) {
  napi_typedarray_type type;
  void* data = nullptr;
  *length = 0;
  if (napi_get_typedarray_info(env, value, &type, length, &data, nullptr, nullptr) != napi_ok || type != wanted) {
    *length = 0;
    return nullptr;
  }
  return static_cast<T*>(data);
}

Bytes BytesOf(napi_env env, napi_value value) {
  size_t length;
  unsigned char* data = ValuesOf<unsigned char>(env, value, napi_uint8_array, &length);
  return {data, length};
}

std::string TextOf(napi_env env, napi_value value) {
  size_t length = 0;
  if (napi_get_value_string_utf8(env, value, nullptr, 0, &length) != napi_ok) return "";
  std::string text(length, '\0');
  napi_get_value_string_utf8(env, value, &text[0], length + 1, &length);
  return text;
}

Decoder* DecoderOf(napi_env env) {
  void* decoder = nullptr;
  napi_get_instance_data(env, &decoder);
  return static_cast<Decoder*>(decoder);
}

// open(path: string): once in a thread, before the first image; throws what is wrong with the library.
napi_value Open(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  const std::string path = TextOf(env, argument);
  Decoder* decoder = DecoderOf(env);
  const char* error = decoder->api.Open(path.c_str());
  decoder->is_open = error == nullptr;
  if (error != nullptr) napi_throw_error(env, nullptr, error);
  return nullptr;
}

// decode(jpeg: Uint8Array, pixels: Uint8Array, width: number, height: number, channels: 3 | 4): boolean. Fills
// pixels [height, width, channels], RGB or CMYK; false where the file fails, warns, or has another size.
napi_value Decode(napi_env env, napi_callback_info info) {
  size_t count = 5, room;
  napi_value arguments[5];
  int32_t width = 0, height = 0, channels = 0;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  const Bytes jpeg = BytesOf(env, arguments[0]);
  unsigned char* target = ValuesOf<unsigned char>(env, arguments[1], napi_uint8_array, &room);
  napi_get_value_int32(env, arguments[2], &width);
  napi_get_value_int32(env, arguments[3], &height);
  napi_get_value_int32(env, arguments[4], &channels);
  const Decoder& decoder = *DecoderOf(env);
  const int format = channels == 4 ? TurboJpegApi::kCmyk : TurboJpegApi::kRgb;
  const int64_t pixels = static_cast<int64_t>(width) * height;
  const bool is_decoded = decoder.is_open && jpeg.data != nullptr && pixels > 0 && pixels <= INT32_MAX && (channels == 3 || channels == 4) &&
                          channels * pixels <= static_cast<int64_t>(room) &&
                          decoder.api.Decompress(jpeg, target, width, height, format);
  napi_value result;
  napi_get_boolean(env, is_decoded, &result);
  return result;
}

// openFiles(width: number, height: number, maxPixels: number): a FileDecoder for pictures of that size, or undefined where
// this processor has none.
napi_value OpenFiles(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3], result = nullptr;
  int32_t width = 0, height = 0;
  double max_pixels = 0;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  napi_get_value_int32(env, arguments[0], &width);
  napi_get_value_int32(env, arguments[1], &height);
  napi_get_value_double(env, arguments[2], &max_pixels);
  const Decoder& decoder = *DecoderOf(env);
  if (!decoder.is_open || !Resize::IsPossible() || width <= 0 || height <= 0) return nullptr;
  const auto end = [](napi_env, void* files, void*) { delete static_cast<FileDecoder*>(files); };
  napi_create_external(env, new FileDecoder(decoder.api, width, height, max_pixels), end, nullptr, &result);
  return result;
}

FileDecoder* FilesOf(napi_env env, napi_value value) {
  void* files = nullptr;
  napi_get_value_external(env, value, &files);
  return static_cast<FileDecoder*>(files);
}

// addTables(files, rows: Uint8Array, columns: Uint8Array): for the size of the picture that needs them.
napi_value AddTables(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  FileDecoder* files = FilesOf(env, arguments[0]);
  const Bytes rows = BytesOf(env, arguments[1]), columns = BytesOf(env, arguments[2]);
  files->resize.AddTables(files->width, files->height, {rows.data, rows.data + rows.length},
                          {columns.data, columns.data + columns.length});
  return nullptr;
}

// decodeFiles(files, paths or bytes: (string | Uint8Array)[], listed: Float64Array of [bytes, modified ms, where they begin or -1 for a whole file, checksum of a zip's member or -1] each (of paths), from: number, pixels: Uint8Array,
// sizes: Uint32Array, state: Int32Array | undefined, report: Float64Array): number. The files from `from` on, to `pixels` one
// after the other and their widths and heights to `sizes`, until one is left or needs tables; returns how many were done.
// `report` is added to: milliseconds of reading, decoding, resizing; then, set, the size of a picture that needs tables.
napi_value DecodeFiles(napi_env env, napi_callback_info info) {
  size_t count = 8, listed_length, room, sizes_length, state_length, report_length;
  napi_value arguments[8], path, result;
  uint32_t from = 0, all = 0, done = 0;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  FileDecoder* files = FilesOf(env, arguments[0]);
  const double* listed = ValuesOf<double>(env, arguments[2], napi_float64_array, &listed_length);
  unsigned char* pixels = ValuesOf<unsigned char>(env, arguments[4], napi_uint8_array, &room);
  uint32_t* sizes = ValuesOf<uint32_t>(env, arguments[5], napi_uint32_array, &sizes_length);
  int32_t* state_values = ValuesOf<int32_t>(env, arguments[6], napi_int32_array, &state_length);
  double* report = ValuesOf<double>(env, arguments[7], napi_float64_array, &report_length);
  napi_get_array_length(env, arguments[1], &all);
  napi_get_value_uint32(env, arguments[3], &from);
  if (files != nullptr && listed_length >= 4 * size_t(all) && sizes_length >= 2 * size_t(all) && report_length >= 5) {
    auto* state = state_length >= 4 ? reinterpret_cast<ThreadState*>(state_values) : nullptr;
    const size_t row_bytes = files->resize.out_bytes();
    FileDecoder::Times times = {0, 0, 0};
    report[3] = report[4] = 0;
    for (uint32_t i = from; i < all && row_bytes * (done + 1) <= room; i++, done++) {
      if (state != nullptr && __atomic_load_n(&state->stop, __ATOMIC_SEQ_CST) != 0) break;
      if (state != nullptr) __atomic_store_n(&state->position, int32_t(i), __ATOMIC_SEQ_CST);
      napi_get_element(env, arguments[1], i, &path);
      const auto outcome = files->Run(BytesOf(env, path), TextOf(env, path), {listed[4 * i], listed[4 * i + 1], listed[4 * i + 2], listed[4 * i + 3]},
                                      pixels + row_bytes * done, state, &times);
      if (outcome == FileDecoder::kNeedsTables) {
        report[3] = files->width;
        report[4] = files->height;
      }
      if (outcome != FileDecoder::kDone) break;
      sizes[2 * i] = files->width;
      sizes[2 * i + 1] = files->height;
    }
    report[0] += times.read_ms;
    report[1] += times.decode_ms;
    report[2] += times.resize_ms;
  }
  napi_create_uint32(env, done, &result);
  return result;
}

template <typename T>
void SetArray(napi_env env, napi_value object, const char* name, napi_typedarray_type type, const std::vector<T>& values) {
  void* data = nullptr;
  napi_value buffer, array;
  napi_create_arraybuffer(env, values.size() * sizeof(T), &data, &buffer);
  if (!values.empty()) memcpy(data, values.data(), values.size() * sizeof(T));
  napi_create_typedarray(env, type, values.size(), buffer, 0, &array);
  napi_set_named_property(env, object, name, array);
}

// listFolder(path: string): { names: string[], kinds: Uint8Array, states: Float64Array of 4 each } | undefined. In the order
// of the names' bytes; undefined where the folder cannot be read in this way.
napi_value ListFolderOf(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument, result, names, name;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  std::vector<FolderEntry> entries;
  if (!ListFolder(TextOf(env, argument), &entries)) return nullptr;
  std::vector<uint8_t> kinds;
  std::vector<double> states;
  napi_create_array_with_length(env, entries.size(), &names);
  for (const FolderEntry& entry : entries) {
    napi_create_string_utf8(env, entry.name.data(), entry.name.size(), &name);
    napi_set_element(env, names, kinds.size(), name);
    kinds.push_back(entry.kind);
    states.insert(states.end(), {entry.size, entry.modified_ms, entry.changed_ms, entry.inode});
  }
  napi_create_object(env, &result);
  napi_set_named_property(env, result, "names", names);
  SetArray(env, result, "kinds", napi_uint8_array, kinds);
  SetArray(env, result, "states", napi_float64_array, states);
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
  Export(env, exports, "openFiles", OpenFiles);
  Export(env, exports, "addTables", AddTables);
  Export(env, exports, "decodeFiles", DecodeFiles);
  Export(env, exports, "listFolder", ListFolderOf);
  return exports;
}
