#include "nas/run/run_folder.hpp"

#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostShown = 200;  // bytes of a value in an error

std::string shown(const Json& json) {
  const std::string text = json.dump(-1, ' ', true);
  return text.size() <= kMostShown ? text : text.substr(0, kMostShown) + "...";
}

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
  return path + ": " + shown(now) + ", was " + shown(then);
}

int lock_folder(const fs::path& folder) {
  const fs::path file = folder / "lock";
  const int descriptor = open_to_append(file);
  if (::flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
    const int why = errno;
    ::close(descriptor);
    if (why != EWOULDBLOCK) throw Error(file.string() + ": cannot lock: " + std::strerror(why));
    throw InputError(folder.string() + ": another process is working on this run");
  }
  return descriptor;
}

}  // namespace

RunFolder RunFolder::open(const RunConfig& config, bool resume, bool searches) {
  const fs::path file = config.run / "config.json";
  const auto refuse_existing = [&] {
    if (fs::exists(file))
      throw InputError(config.run.string() +
                       ": holds a run already; continue it with --resume, or choose another "
                       "folder with --run");
  };
  if (!resume) {
    refuse_existing();
    RunFolder run(config.run, config, -1);
    const bool created = create_folder(config.run);
    run.lock_ = lock_folder(config.run);
    refuse_existing();  // another process may have come and gone meanwhile
    run.remove_unfinished();
    run.is_new_ = true;
    if (created) run.created_ = std::make_unique<Unfinished>(config.run);
    return run;
  }
  if (!fs::exists(file))
    throw InputError(config.run.string() +
                     ": there is no run to resume; start it without --resume");
  RunFolder existing = read(config.run);
  existing.lock_ = lock_folder(config.run);
  const SearchConfig before = existing.config_.search;
  RunConfig wanted = config;
  if (!searches)
    wanted.search = before;
  else
    existing.allow_search(wanted.search);
  const std::string change = difference(to_json(wanted), to_json(existing.config()), "");
  if (!change.empty())
    throw InputError(file.string() + ": the configuration differs from the run's at " + change);
  existing.remove_unfinished();
  if (!(existing.config_.search == before))
    write_file_atomic(file, to_text(to_json(existing.config_)));
  return existing;
}

// What processes left behind that were killed while they wrote.
void RunFolder::remove_unfinished() const {
  for (const fs::path& folder :
       {path(), cache(), predictors(), standalone(), finetuned(), exports()})
    remove_unfinished_files(folder);
}

// Takes over of `wanted` what may be another than before.
void RunFolder::allow_search(const SearchConfig& wanted) {
  SearchConfig& search = config_.search;
  std::error_code ignored;
  const std::uintmax_t found = fs::file_size(history(), ignored);
  if (ignored || found == 0) {
    search = wanted;
    return;
  }
  // What was found stays a part of it.
  if (wanted.evaluations < search.evaluations)
    throw InputError(path_.string() + ": the search is to end after " +
                     std::to_string(search.evaluations) + " evaluations, not sooner: " +
                     std::to_string(wanted.evaluations) + " is too few to go on with");
  search.evaluations = wanted.evaluations;
  search.patience = wanted.patience;
}

void RunFolder::keep() {
  if (!is_new_) return;
  write_file_atomic(path_ / "config.json", to_text(to_json(config_)));
  is_new_ = false;
  if (created_) created_->keep();
}

RunFolder RunFolder::read(const fs::path& folder) {
  std::error_code ignored;  // as of a name that is too long for a folder
  if (!fs::exists(folder / "config.json", ignored))
    throw InputError(folder.string() + ": is not a run folder: it has no config.json");
  RunConfig config = load_run_config(folder.string(), {});
  config.run = folder;
  return {folder, std::move(config), -1};
}

RunFolder::RunFolder(RunFolder&& other) noexcept
    : config_(std::move(other.config_)),
      path_(std::move(other.path_)),
      lock_(std::exchange(other.lock_, -1)),
      is_new_(std::exchange(other.is_new_, false)),
      created_(std::move(other.created_)) {}

RunFolder::~RunFolder() {
  created_.reset();  // before another process may lock it
  if (lock_ >= 0) ::close(lock_);
}

}  // namespace paretoformer::nas
