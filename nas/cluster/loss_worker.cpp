#include "nas/cluster/loss_worker.hpp"

#include <fmt/format.h>

#include <memory>
#include <optional>
#include <set>
#include <string>

#include "nas/cluster/work_folder.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/log.hpp"
#include "support/pause.hpp"

namespace paretoformer::nas {
namespace {

void require_same(const LossIdentity& own, const LossIdentity& asked,
                  const std::filesystem::path& file) {
  if (own.weights != asked.weights)
    throw InputError(file.string() +
                     ": the search measures with other weights, text or device than this worker");
  if (own.arithmetic != asked.arithmetic)
    throw InputError(file.string() +
                     ": this machine's losses differ from the search's in their last bits: it has "
                     "another kind of processor, or another version of the program");
}

// The text of a task that this worker has just claimed; nothing when it is over meanwhile.
std::optional<std::string> text_of(const std::filesystem::path& file) {
  std::error_code error;
  if (!std::filesystem::exists(file, error)) return std::nullopt;
  try {
    return read_file(file);
  } catch (const Error&) {  // removed this moment
    return std::nullopt;
  }
}

class Worker {
 public:
  Worker(const LossSource& source, const LossIdentity& identity,
         const std::filesystem::path& folder, const WorkerOptions& options)
      : source_(source), identity_(identity), folder_(folder, "worker", options.lease_seconds) {}

  // Whether there was one to do.
  bool do_one() {
    const WorkFolder::Content content = folder_.look();
    for (const auto& [name, state] : content.tasks) {
      if (!state.published || state.answered || damaged_.contains(name) ||
          !folder_.owner(name, state).empty())
        continue;
      const std::unique_ptr<Lease> claim = folder_.claim(name, state);
      if (!claim) continue;
      const std::filesystem::path file = folder_.task_file(name);
      const std::optional<std::string> text = text_of(file);
      if (!text) continue;
      const std::optional<LossTask> task = read(*text, name, file);
      if (!task) continue;
      require_same(identity_, task->identity, file);
      const std::vector<double> sums = source_.sums(task->networks, task->part);
      write_file_atomic(folder_.answer_file(name), answer_text(*task, sums));
      // It stays until the search has the answer: whoever looked before it came knows by it.
      claim->keep();
      ++done.tasks;
      done.losses += task->networks.size();
      log_info(fmt::format("{}: {} losses", name, task->networks.size()));
      return true;
    }
    return false;
  }

  std::unique_ptr<Lease> enter() { return folder_.enter(); }
  void clear() { folder_.clear(); }

  WorkDone done;

 private:
  // Nothing when it is damaged, which is the search's affair: it knows what it has asked for.
  std::optional<LossTask> read(const std::string& text, const std::string& name,
                               const std::filesystem::path& file) {
    try {
      return loss_task_from_text(text, file.string());
    } catch (const InputError& error) {
      log_warning(error.what());
      damaged_.insert(name);
      return std::nullopt;
    }
  }

  const LossSource& source_;
  LossIdentity identity_;
  WorkFolder folder_;
  std::set<std::string> damaged_;
};

}  // namespace

WorkDone work_on_losses(const LossSource& source, const LossIdentity& identity,
                        const std::filesystem::path& folder, const WorkerOptions& options,
                        const std::function<bool()>& is_over) {
  Worker worker(source, identity, folder, options);
  std::unique_ptr<Lease> entered = worker.enter();
  Pause pause;
  while (!is_over()) {
    if (worker.do_one()) {
      pause = Pause();
      continue;
    }
    if (options.idle_seconds > 0 && pause.waited().count() > 1000 * options.idle_seconds) {
      worker.done.idle = true;
      return worker.done;
    }
    pause.wait();
  }
  entered.reset();
  worker.clear();
  return worker.done;
}

}  // namespace paretoformer::nas
