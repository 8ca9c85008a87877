// Loaded before the C library (LD_PRELOAD): makes one call of a kind fail, or the process die
// there. PARETOFORMER_FAULT is "KIND:N:WHAT": the N-th call of the kind fails with EIO (once) or
// ENOSPC (and all that follow; of memory it is ENOMEM), or the process is killed before or after it
// (KILL, KILLED). The kind "new" is C++'s, "malloc" is both that and C's.
// PARETOFORMER_CALLS names a file that tells at the end how many calls of each kind there were.
#include <dlfcn.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>

namespace {

enum Kind {
  kOpen,
  kRead,
  kWrite,
  kSync,
  kClose,
  kRename,
  kTruncate,
  kMkdir,
  kNew,
  kMalloc,
  kKinds
};
constexpr const char* kNames[kKinds] = {"open",   "read",     "write", "sync", "close",
                                        "rename", "truncate", "mkdir", "new",  "malloc"};

struct Plan {
  int kind = -1;
  long number = 0;
  int error = 0;
  bool lasting = false, kill = false, killed_after = false;

  Plan() {
    const char* text = std::getenv("PARETOFORMER_FAULT");
    char name[16] = "", what[16] = "";
    if (text == nullptr || std::sscanf(text, "%15[^:]:%ld:%15s", name, &number, what) != 3) return;
    for (int i = 0; i < kKinds; ++i)
      if (std::strcmp(name, kNames[i]) == 0) kind = i;
    killed_after = std::strcmp(what, "KILLED") == 0;
    kill = killed_after || std::strcmp(what, "KILL") == 0;
    const bool no_memory = std::strcmp(what, "ENOMEM") == 0;
    lasting = no_memory || std::strcmp(what, "ENOSPC") == 0;
    error = no_memory ? ENOMEM : lasting ? ENOSPC : EIO;
  }
};

const Plan& plan() {
  static const Plan the_plan;
  return the_plan;
}

std::atomic<long> calls[kKinds];

void die() {
  ::kill(::getpid(), SIGKILL);
  ::pause();
}

// Whether this call of the kind is the one, or one that follows it.
bool hit(Kind kind, bool* first = nullptr) {
  const long number = ++calls[kind];
  if (plan().kind != kind) return false;
  if (first) *first = number == plan().number;
  return number == plan().number || (plan().lasting && number > plan().number);
}

template <typename Function>
Function* next(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

template <typename Call>
auto call(Kind kind, const Call& real) -> decltype(real()) {
  if (!hit(kind)) return real();
  if (plan().kill && !plan().killed_after) die();
  if (plan().kill) {
    real();
    die();
  }
  errno = plan().error;
  return -1;
}

[[gnu::destructor]] void tell() {
  const char* path = std::getenv("PARETOFORMER_CALLS");
  if (path == nullptr) return;
  std::FILE* file = std::fopen(path, "w");
  for (int i = 0; i < kKinds; ++i) std::fprintf(file, "%s %ld\n", kNames[i], calls[i].load());
  std::fclose(file);
}

bool refused() {
  bool first = false;
  const bool no = hit(kMalloc, &first) && (first || plan().error == ENOMEM);
  if (no && plan().kill) die();
  if (no) errno = ENOMEM;
  return no;
}

void* allocate(std::size_t size, std::size_t alignment) {
  bool first = false;
  if (hit(kNew, &first) && (first || plan().error == ENOMEM)) {
    if (plan().kill) die();
    throw std::bad_alloc();
  }
  size = (std::max<std::size_t>(size, 1) + alignment - 1) / alignment * alignment;
  void* memory = alignment <= alignof(std::max_align_t) ? std::malloc(size)
                                                        : std::aligned_alloc(alignment, size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}

}  // namespace

extern "C" {

int open(const char* path, int flags, ...) {
  std::va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  static auto* const real = next<int(const char*, int, ...)>("open");
  return call(kOpen, [&] { return real(path, flags, mode); });
}

ssize_t read(int descriptor, void* to, size_t size) {
  static auto* const real = next<ssize_t(int, void*, size_t)>("read");
  return call(kRead, [&] { return real(descriptor, to, size); });
}

// Half of it is written: the rest then fails, or the process is dead.
ssize_t write(int descriptor, const void* from, size_t size) {
  static auto* const real = next<ssize_t(int, const void*, size_t)>("write");
  bool first = false;
  if (descriptor <= STDERR_FILENO || !hit(kWrite, &first)) return real(descriptor, from, size);
  if (plan().kill) {
    real(descriptor, from, plan().killed_after ? size : size / 2);
    die();
  }
  if (first && plan().lasting && size > 1) return real(descriptor, from, size / 2);
  errno = plan().error;
  return -1;
}

int fsync(int descriptor) {
  static auto* const real = next<int(int)>("fsync");
  return call(kSync, [&] { return real(descriptor); });
}

int fdatasync(int descriptor) {
  static auto* const real = next<int(int)>("fdatasync");
  return call(kSync, [&] { return real(descriptor); });
}

int close(int descriptor) {
  static auto* const real = next<int(int)>("close");
  return call(kClose, [&] { return real(descriptor); });
}

int rename(const char* from, const char* to) {
  static auto* const real = next<int(const char*, const char*)>("rename");
  return call(kRename, [&] { return real(from, to); });
}

int ftruncate(int descriptor, off_t size) {
  static auto* const real = next<int(int, off_t)>("ftruncate");
  return call(kTruncate, [&] { return real(descriptor, size); });
}

int mkdir(const char* path, mode_t mode) {
  static auto* const real = next<int(const char*, mode_t)>("mkdir");
  return call(kMkdir, [&] { return real(path, mode); });
}

// What the library's own names for them are for.
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* memory, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

void* malloc(size_t size) { return refused() ? nullptr : __libc_malloc(size); }
void* calloc(size_t count, size_t size) { return refused() ? nullptr : __libc_calloc(count, size); }
void* realloc(void* memory, size_t size) {
  return refused() ? nullptr : __libc_realloc(memory, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return refused() ? nullptr : __libc_memalign(alignment, size);
}
void* memalign(size_t alignment, size_t size) {
  return refused() ? nullptr : __libc_memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  if (refused()) return ENOMEM;
  *memory = __libc_memalign(alignment, size);
  return *memory == nullptr ? ENOMEM : 0;
}

}  // extern "C"

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t alignment) {
  return allocate(size, static_cast<std::size_t>(alignment));
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
