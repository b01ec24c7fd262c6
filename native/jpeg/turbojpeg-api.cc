#include "turbojpeg-api.h"

#include <dlfcn.h>

namespace {

template <typename Function>
bool Find(void* library, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(library, name));
  return *function != nullptr;
}

}  // namespace

const char* TurboJpegApi::Open(const char* path) {
  // Local: another library of the process may have a libjpeg of its own.
  void* library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return dlerror();
  const bool is_whole = Find(library, "tj3Init", &init) && Find(library, "tj3Destroy", &destroy) &&
                        Find(library, "tj3Set", &set) && Find(library, "tj3Get", &get) &&
                        Find(library, "tj3Decompress8", &decompress8);
  return is_whole ? nullptr : "it is older than TurboJPEG 3";
}

bool TurboJpegApi::Decompress(const Bytes& jpeg, unsigned char* pixels, int width, int height, int pixel_format) const {
  // A handle keeps the tables of the file before: one without its own would be decoded by those.
  const Handle handle = init(kDecompress);
  if (handle == nullptr) return false;
  // Rows follow one another (pitch 0) and no file of more pixels is decoded: so whatever size a file
  // claims, nothing is written beyond the buffer. One scan, as the caller has found.
  const bool is_decoded = set(handle, kMaxPixels, width * height) == 0 && set(handle, kScanLimit, 1) == 0 &&
                          decompress8(handle, jpeg.data, jpeg.length, pixels, 0, pixel_format) == 0 &&
                          get(handle, kWidth) == width && get(handle, kHeight) == height;
  destroy(handle);
  return is_decoded;
}
