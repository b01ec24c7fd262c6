/*
 * Linked into each prebuilt addon on Linux, so that it loads where glibc is 2.27, the oldest that TensorFlow's library loads
 * on. Functions that a later glibc moved, renamed or added get a definition here that calls what the older ones have, too.
 */
#include <pthread.h>
#include <sys/stat.h>

#if defined(__x86_64__)
#define OLDEST "GLIBC_2.2.5"
#define OLDEST_AT "GLIBC_2.4"
#define STAT_VERSION 1
#else
#define OLDEST "GLIBC_2.17"
#define OLDEST_AT OLDEST
#define STAT_VERSION 0
#endif
#define HIDDEN __attribute__((visibility("hidden")))
#define TAKE_OLDEST(alias, name) __asm__(".symver " #alias "," #name "@" OLDEST)

#define FORWARD(type, name, parameters, arguments) \
  extern type oldest_##name parameters;            \
  TAKE_OLDEST(oldest_##name, name);                \
  HIDDEN type name parameters { return oldest_##name arguments; }

FORWARD(void*, dlopen, (const char* path, int flags), (path, flags))
FORWARD(void*, dlsym, (void* library, const char* name), (library, name))
FORWARD(char*, dlerror, (void), ())
FORWARD(int, dlclose, (void* library), (library))
FORWARD(int, pthread_create,
        (pthread_t * thread, const pthread_attr_t* attributes, void* (*start)(void*), void* argument),
        (thread, attributes, start, argument))
FORWARD(int, pthread_join, (pthread_t thread, void** result), (thread, result))
FORWARD(int, pthread_detach, (pthread_t thread), (thread))
FORWARD(int, pthread_once, (pthread_once_t * once, void (*run)(void)), (once, run))
FORWARD(int, pthread_key_create, (pthread_key_t * key, void (*destroy)(void*)), (key, destroy))

HIDDEN int __pthread_key_create(pthread_key_t* key, void (*destroy)(void*)) {
  return pthread_key_create(key, destroy);
}

/* Before glibc 2.33 macros. */
extern int oldest_xstat(int version, const char* path, struct stat* into);
extern int oldest_lxstat(int version, const char* path, struct stat* into);
extern int oldest_fxstat(int version, int file, struct stat* into);
extern int oldest_fxstatat(int version, int folder, const char* path, struct stat* into, int flags);
TAKE_OLDEST(oldest_xstat, __xstat);
TAKE_OLDEST(oldest_lxstat, __lxstat);
TAKE_OLDEST(oldest_fxstat, __fxstat);
__asm__(".symver oldest_fxstatat,__fxstatat@" OLDEST_AT);
HIDDEN int stat(const char* path, struct stat* into) { return oldest_xstat(STAT_VERSION, path, into); }
HIDDEN int lstat(const char* path, struct stat* into) { return oldest_lxstat(STAT_VERSION, path, into); }
HIDDEN int fstat(int file, struct stat* into) { return oldest_fxstat(STAT_VERSION, file, into); }
HIDDEN int fstatat(int folder, const char* path, struct stat* into, int flags) {
  return oldest_fxstatat(STAT_VERSION, folder, path, into, flags);
}

/* Since glibc 2.32; false is always right. */
HIDDEN char __libc_single_threaded = 0;
