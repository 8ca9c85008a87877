#include "nas/cluster/shared_losses.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "nas/cluster/work_folder.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/log.hpp"
#include "support/pause.hpp"

namespace paretoformer::nas {
namespace {

constexpr std::string_view kKind = "search";
// Tasks of each machine in what is asked for at a time: the slowest keeps the others waiting for
// less than one.
constexpr std::size_t kTasksPerMachine = 2;

class SharedLosses {
 public:
  SharedLosses(LossSource source, const std::filesystem::path& folder,
               std::function<LossIdentity()> identity)
      : source_(std::move(source)), folder_(folder, kKind), identity_(std::move(identity)) {}

  std::size_t measurers() {
    return (source_.measurers ? source_.measurers() : 1) +
           static_cast<std::size_t>(folder_.look().workers);
  }

  std::vector<double> sums(std::span<const Architecture> networks, LossPart part) {
    remove_settled();
    WorkFolder::Content content = folder_.look();
    if (content.workers == 0 && content.tasks.empty()) return source_.sums(networks, part);
    greet(content.workers);
    know(content);
    take_up(content, networks, part);
    publish(missing(networks, part), part, static_cast<std::size_t>(content.workers) + 1);
    Pause pause;
    while (!missing(networks, part).empty()) {
      content = folder_.look();
      if (take_up(content, networks, part) || work(content, networks, part)) {
        pause = Pause();
        continue;
      }
      pause.wait();
    }
    std::vector<double> result;
    for (const Architecture& network : networks)
      result.push_back(sums_.at({part, architecture_id(network)}));
    return result;
  }

 private:
  const LossIdentity& identity() {
    if (!known_identity_) known_identity_ = identity_();
    return *known_identity_;
  }

  void greet(int workers) {
    if (workers == workers_) return;
    log_info(
        fmt::format("{}: {} worker{}", folder_.path().string(), workers, workers == 1 ? "" : "s"));
    workers_ = workers;
  }

  bool is_known(const Architecture& network, LossPart part) const {
    return sums_.contains({part, architecture_id(network)});
  }

  std::vector<Architecture> missing(std::span<const Architecture> networks, LossPart part) const {
    std::vector<Architecture> result;
    for (const Architecture& network : networks)
      if (!is_known(network, part)) result.push_back(network);
    return result;
  }

  // Tasks of a search that was killed, which workers may have done meanwhile or be doing.
  void know(const WorkFolder::Content& content) {
    if (std::exchange(looked_, true)) return;
    for (const auto& [name, state] : content.tasks) {
      const std::filesystem::path file = folder_.task_file(name);
      try {
        if (state.published) {
          LossTask task = loss_task_from_text(read_file(file), file.string());
          if (task.identity == identity() && name_of(task) == name)
            tasks_.emplace(name, std::move(task));
        }
      } catch (const InputError& error) {
        log_warning(error.what());
      }
      if (!tasks_.contains(name)) folder_.remove(name, state);
    }
  }

  void publish(std::vector<Architecture> networks, LossPart part, std::size_t machines) {
    for (const auto& [name, task] : tasks_)
      if (task.part == part)
        std::erase_if(networks, [&task = task](const Architecture& network) {
          return std::find(task.networks.begin(), task.networks.end(), network) !=
                 task.networks.end();
        });
    const std::size_t tasks = kTasksPerMachine * machines;
    const std::size_t size = (networks.size() + tasks - 1) / tasks;
    for (std::size_t begin = 0; begin < networks.size(); begin += size) {
      const auto first = networks.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto count = static_cast<std::ptrdiff_t>(std::min(size, networks.size() - begin));
      LossTask task{identity(), part, {first, first + count}};
      const std::string name = name_of(task);
      write_file_atomic(folder_.task_file(name), task_text(task));
      tasks_.emplace(name, std::move(task));
    }
  }

  // Whether there were answers that this search waits for. Others stay until it asks for them.
  bool take_up(const WorkFolder::Content& content, std::span<const Architecture> networks,
               LossPart part) {
    const std::vector<Architecture> wanted = missing(networks, part);
    bool any = false;
    for (const auto& [name, state] : content.tasks) {
      const auto task = tasks_.find(name);
      if (!state.answered || task == tasks_.end() || !wants(wanted, part, task->second)) continue;
      any = true;
      const std::filesystem::path file = folder_.answer_file(name);
      std::vector<double> sums;
      try {
        sums = sums_from_text(task->second, read_file(file), file.string());
      } catch (const InputError& error) {
        log_warning(std::string(error.what()) + "; measured again");
        sums = source_.sums(task->second.networks, task->second.part);
      }
      keep_sums(task->second, sums);
      settled_.emplace(name, state);
      tasks_.erase(task);
    }
    return any;
  }

  // Does a task that nobody has, if there is one that this search waits for; whether there was.
  bool work(const WorkFolder::Content& content, std::span<const Architecture> networks,
            LossPart part) {
    const std::vector<Architecture> wanted = missing(networks, part);
    for (auto task = tasks_.begin(); task != tasks_.end(); ++task) {
      if (!wants(wanted, part, task->second)) continue;
      const auto found = content.tasks.find(task->first);
      if (found == content.tasks.end() || !found->second.published) {
        // Somebody has tidied up.
        write_file_atomic(folder_.task_file(task->first), task_text(task->second));
        continue;
      }
      const auto& [name, state] = *found;
      const std::string owner = folder_.owner(name, state);
      // This is the only search of the run: another one's claim is a dead one's.
      if (!owner.empty() && !owner.starts_with(kKind)) continue;
      const std::unique_ptr<Lease> claim = folder_.claim(name, state);
      if (!claim) continue;
      WorkFolder::Task claimed = state;
      ++claimed.claims;
      keep_sums(task->second, source_.sums(task->second.networks, part));
      folder_.remove(name, claimed);  // while the claim is there: nobody else begins with it
      tasks_.erase(task);
      return true;
    }
    return false;
  }

  static bool wants(const std::vector<Architecture>& wanted, LossPart part, const LossTask& task) {
    return task.part == part &&
           std::find_first_of(wanted.begin(), wanted.end(), task.networks.begin(),
                              task.networks.end()) != wanted.end();
  }

  void keep_sums(const LossTask& task, const std::vector<double>& sums) {
    for (std::size_t i = 0; i < sums.size(); ++i)
      sums_.emplace(std::pair(task.part, architecture_id(task.networks[i])), sums[i]);
  }

  // Answers stay until whoever asked has had time to keep the losses.
  void remove_settled() {
    for (const auto& [name, state] : settled_) folder_.remove(name, state);
    settled_.clear();
  }

  LossSource source_;
  WorkFolder folder_;
  std::function<LossIdentity()> identity_;
  std::optional<LossIdentity> known_identity_;
  std::map<std::string, LossTask> tasks_;            // in the folder, whose losses are not known
  std::map<std::string, WorkFolder::Task> settled_;  // in the folder, and not needed any more
  std::map<std::pair<LossPart, std::uint64_t>, double> sums_;
  bool looked_ = false;
  int workers_ = 0;
};

}  // namespace

LossSource shared(LossSource source, const std::filesystem::path& folder,
                  std::function<LossIdentity()> identity) {
  LossSource result = source;
  const auto all = std::make_shared<SharedLosses>(std::move(source), folder, std::move(identity));
  result.sums = [all](std::span<const Architecture> networks, LossPart part) {
    return all->sums(networks, part);
  };
  result.measurers = [all] { return all->measurers(); };
  return result;
}

}  // namespace paretoformer::nas
