#include "nas/run_folder.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "support/error.hpp"
#include "support/files.hpp"

namespace paretoformer {
namespace {

namespace fs = std::filesystem;

// The first place where two configurations differ, e.g. "/training/steps: 100, was 200"; "" if
// none. The run folder and the checkpoint interval may differ: they do not change a result.
std::string difference(const Json& now, const Json& then, const std::string& path) {
  if (path == "/run" || path == "/training/checkpoint_seconds" || now == then) return "";
  if (now.is_object() && then.is_object()) {
    for (const auto& item : now.items()) {
      if (!then.contains(item.key())) return path + "/" + item.key() + ": is new";
      std::string inner = difference(item.value(), then[item.key()], path + "/" + item.key());
      if (!inner.empty()) return inner;
    }
    for (const auto& item : then.items())
      if (!now.contains(item.key())) return path + "/" + item.key() + ": is gone";
    return "";
  }
  return path + ": " + now.dump() + ", was " + then.dump();
}

int lock_folder(const fs::path& folder) {
  const fs::path file = folder / "lock";
  const int descriptor = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (descriptor < 0) throw Error(file.string() + ": cannot create file: " + std::strerror(errno));
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    ::close(descriptor);
    throw InputError(folder.string() + ": another process is working on this run");
  }
  return descriptor;
}

void create_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw Error(folder.string() + ": cannot create folder: " + error.message());
}

}  // namespace

RunFolder RunFolder::open(const RunConfig& config, bool resume) {
  const fs::path file = config.run / "config.json";
  if (!fs::exists(file)) {
    if (resume) throw InputError(config.run.string() + ": there is no run to resume");
    create_folder(config.run);
    const int lock = lock_folder(config.run);
    write_file_atomic(file, to_text(to_json(config)));
    return {config.run, config, lock};
  }
  if (!resume)
    throw InputError(config.run.string() +
                     ": holds a run already; continue it with --resume, or choose another folder "
                     "with --run");
  RunFolder existing = read(config.run);
  existing.lock_ = lock_folder(config.run);
  const std::string change = difference(to_json(config), to_json(existing.config()), "");
  if (!change.empty())
    throw InputError(file.string() + ": the configuration differs from the run's at " + change);
  return existing;
}

RunFolder RunFolder::read(const fs::path& folder) {
  if (!fs::exists(folder / "config.json"))
    throw InputError(folder.string() + ": is not a run folder: it has no config.json");
  RunConfig config = load_run_config(folder.string(), {});
  config.run = folder;
  return {folder, std::move(config), -1};
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : config_(std::move(other.config_)),
      path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)) {}

RunFolder::~RunFolder() {
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace paretoformer
