#include "nas/run/standalone.hpp"

#include <fmt/format.h>
#include <oneapi/tbb/task_arena.h>

#include <exception>
#include <functional>
#include <mutex>
#include <numeric>

#include "supernet/model/network_file.hpp"
#include "support/error.hpp"
#include "support/hash.hpp"
#include "support/parallel.hpp"

namespace paretoformer::nas {
namespace {

namespace fs = std::filesystem;

constexpr const char* kFinished = ".safetensors";
constexpr const char* kUnfinished = ".checkpoint";
constexpr const char* kLog = ".jsonl";

// Trains the networks of the sample, several at a time.
class StandaloneTraining {
 public:
  StandaloneTraining(const StandaloneWork& work, const Watch& watch)
      : work_(work),
        watch_(watch),
        stop_with_it_(watch.stop, [this] { stop_.request_stop(); }),
        steps_(work.networks.size()) {
    for (std::size_t i = 0; i < work.networks.size(); ++i) {
      if (!fs::exists(file(i))) continue;
      steps_[i] = work.steps;
      ++finished_;
    }
  }

  // Calls body(index, network) for all of them, trained.
  template <class Body>
  void each(const Body& body) {
    // Small networks leave most threads without work: each trains one of its own. Isolated, because
    // a thread that waits for a part of its step would otherwise start another whole training.
    parallel_tasks(steps_.size(), [&](std::size_t index) {
      tbb::this_task_arena::isolate([&] {
        try {
          if (stop_.stop_requested()) return;
          const supernet::StandaloneNetwork network = trained(index);
          advance(index, work_.steps);
          body(index, network);
        } catch (...) {
          // Left to TBB, the error would cancel the loops inside the other trainings half-way.
          keep_first_error(std::current_exception());
        }
      });
    });
    if (error_) std::rethrow_exception(error_);
    if (stop_.stop_requested())
      throw Interrupted("stopped with " + std::to_string(finished_) + " of " +
                        std::to_string(steps_.size()) + " networks trained");
  }

 private:
  void keep_first_error(std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (const Interrupted&) {  // each() says so for all of them
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::move(error);
      stop_.request_stop();
    }
  }

  std::string name(std::size_t index) const {
    return standalone_name(work_.config, work_.networks[index], work_.steps);
  }
  fs::path file(std::size_t index) const { return work_.folder / (name(index) + kFinished); }

  supernet::StandaloneNetwork trained(std::size_t index) {
    const fs::path checkpoint = work_.folder / (name(index) + kUnfinished);
    const std::string fingerprint = hex(hash_text(work_.proxy.fingerprint() + name(index)));
    if (!fs::exists(file(index))) {
      const supernet::ParameterLayout layout(work_.networks[index], work_.proxy.context());
      save_network(file(index), layout, train_alone(index, layout, checkpoint, fingerprint),
                   layout.largest(), {{"id", name(index)}, {"fingerprint", fingerprint}});
    }
    fs::remove(checkpoint);  // also one that a killed process left beside the finished network
    supernet::StandaloneNetwork loaded = supernet::load_network(file(index));
    const auto found = loaded.metadata.find("fingerprint");
    if (found == loaded.metadata.end() || found->second != fingerprint)
      throw InputError(file(index).string() +
                       ": is not this network trained as this run was; remove the file to have it "
                       "trained again");
    return loaded;
  }

  std::vector<float> train_alone(std::size_t index, const supernet::ParameterLayout& layout,
                                 const fs::path& checkpoint, const std::string& fingerprint) {
    supernet::TrainingConfig config = work_.config.training;
    config.steps = work_.steps;
    config.random_subnetworks = 0;
    config.distillation = 0;
    config.sort_at = 0;
    fs::path log = checkpoint;
    return supernet::train({.layout = layout,
                            .networks = [&](std::int64_t) { return std::vector{layout.largest()}; },
                            .config = config,
                            .seed = work_.config.seed,
                            .text = work_.proxy.corpus().train,
                            .checkpoint = checkpoint,
                            .log = log.replace_extension(kLog),
                            .fingerprint = fingerprint,
                            .watch = {[&](const Progress& p) { advance(index, p.done); },
                                      stop_.get_token(), watch_.on_stop}});
  }

  void advance(std::size_t index, std::int64_t steps) {
    const std::lock_guard lock(mutex_);
    if (steps == steps_[index]) return;
    steps_[index] = steps;
    finished_ += steps == work_.steps;
    watch_.report({"fidelity", std::accumulate(steps_.begin(), steps_.end(), std::int64_t{0}),
                   std::int64_t{work_.steps} * static_cast<std::int64_t>(steps_.size()),
                   fmt::format("steps, {} of {} networks", finished_, steps_.size())});
  }

  const StandaloneWork& work_;
  const Watch& watch_;
  std::stop_source stop_;  // by the watch, or at the first error
  std::stop_callback<std::function<void()>> stop_with_it_;
  std::mutex mutex_;
  std::vector<std::int64_t> steps_;  // done, by network
  std::size_t finished_ = 0;
  std::exception_ptr error_;
};

}  // namespace

int steps_alone(const RunConfig& config, int steps) {
  return steps > 0 ? steps : config.training.steps;
}

// Of another number of steps than the supernet's it is another network.
std::string standalone_name(const RunConfig& config, const Architecture& network, int steps) {
  const std::string id = hex(architecture_id(network));
  return steps == config.training.steps ? id : id + "-" + std::to_string(steps);
}

bool is_finished(const fs::path& folder, const std::string& name) {
  return fs::exists(folder / (name + kFinished));
}

std::vector<std::string> standalone_files(const fs::path& folder, const std::string& name) {
  std::vector<std::string> files;
  for (const char* const extension : {kFinished, kUnfinished, kLog})
    if (fs::exists(folder / (name + extension))) files.push_back(name + extension);
  return files;
}

void train_standalone(const StandaloneWork& work, const Watch& watch) {
  StandaloneTraining(work, watch).each([](std::size_t, const supernet::StandaloneNetwork&) {});
}

std::vector<double> standalone_losses(const StandaloneWork& work, const Watch& watch) {
  std::vector<double> losses(work.networks.size());
  StandaloneTraining(work, watch)
      .each([&](std::size_t index, const supernet::StandaloneNetwork& network) {
        supernet::Evaluator evaluator(work.proxy.losses(network.layout, network.parameters),
                                      work.proxy.corpus().validation, work.proxy.context());
        losses[index] = evaluator.losses(std::span(&work.networks[index], 1))[0];
      });
  return losses;
}

}  // namespace paretoformer::nas
