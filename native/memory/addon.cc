// Memory that several processes use in place: { create(), map(fd, offset, bytes) }. It has no name, so nothing is left of it
// once the last process that has it ends, however that happens.
#include <fcntl.h>
#include <node_api.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace {

napi_value Fail(napi_env env, int error) {
  napi_throw_error(env, nullptr, strerror(error));
  return nullptr;
}

// create(): number. A file descriptor, of no bytes yet.
napi_value Create(napi_env env, napi_callback_info) {
  // By number: older C libraries have no function for it. 1: other programs that this one starts do not get it.
  const int fd = static_cast<int>(syscall(SYS_memfd_create, "img2features", 1));
  if (fd == -1) return Fail(env, errno);
  napi_value result;
  napi_create_int32(env, fd, &result);
  return result;
}

// map(fd: number, offset: number, bytes: number): ArrayBuffer. So many bytes from whole pages on, which are reserved here: a
// write to them never fails for want of memory.
napi_value Map(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value arguments[3];
  int32_t fd = -1;
  int64_t offset = 0, bytes = 0;
  napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  napi_get_value_int32(env, arguments[0], &fd);
  napi_get_value_int64(env, arguments[1], &offset);
  napi_get_value_int64(env, arguments[2], &bytes);
  if (bytes <= 0) return Fail(env, EINVAL);
  const int refused = posix_fallocate(fd, offset, bytes);
  if (refused != 0) return Fail(env, refused);
  void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, offset);
  if (data == MAP_FAILED) return Fail(env, errno);
  const auto unmap = [](napi_env, void* start, void* length) { munmap(start, reinterpret_cast<size_t>(length)); };
  napi_value result;
  void* length = reinterpret_cast<void*>(static_cast<size_t>(bytes));
  if (napi_create_external_arraybuffer(env, data, bytes, unmap, length, &result) != napi_ok) {
    munmap(data, bytes);
    return Fail(env, ENOMEM);
  }
  return result;
}

void Export(napi_env env, napi_value exports, const char* name, napi_callback callback) {
  napi_value function;
  napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, nullptr, &function);
  napi_set_named_property(env, exports, name, function);
}

}  // namespace

NAPI_MODULE_INIT() {
  Export(env, exports, "create", Create);
  Export(env, exports, "map", Map);
  return exports;
}
