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
