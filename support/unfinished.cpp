#include "support/unfinished.hpp"

#include <unistd.h>

#include <mutex>
#include <new>
#include <set>
#include <system_error>
#include <utility>

namespace paretoformer {
namespace {

struct Registry {
  std::mutex mutex;
  std::multiset<std::filesystem::path> paths;
};

// Never destroyed: a signal may come while the process ends by itself.
Registry& registry() {
  static Registry& all = *new Registry;
  return all;
}

// Files without a need for memory: that may be what has run out.
void remove_quietly(const std::filesystem::path& path) {
  if (::unlink(path.c_str()) == 0) return;
  try {
    std::error_code ignored;
    std::filesystem::remove_all(path, ignored);
  } catch (const std::bad_alloc&) {
  }
}

}  // namespace

Unfinished::Unfinished(std::filesystem::path path) : path_(std::move(path)) {
  const std::scoped_lock lock(registry().mutex);
  registry().paths.insert(path_);
}

Unfinished::~Unfinished() {
  if (kept_) return;
  keep();
  remove_quietly(path_);
}

void Unfinished::keep() {
  const std::scoped_lock lock(registry().mutex);
  registry().paths.erase(registry().paths.find(path_));
  kept_ = true;
}

void Unfinished::remove_all() {
  registry().mutex.lock();  // and never unlocked
  for (const std::filesystem::path& path : registry().paths) {
    remove_quietly(path);
    remove_quietly(path);  // another thread may have written into a folder meanwhile
  }
}

}  // namespace paretoformer
