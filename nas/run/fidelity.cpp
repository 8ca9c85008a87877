#include "nas/run/fidelity.hpp"

#include <fmt/format.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <functional>
#include <mutex>
#include <numeric>
#include <set>

#include "accel_sim/workload/operators.hpp"
#include "supernet/model/network_file.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/parallel.hpp"

namespace paretoformer::nas {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t kNetworksStream = 21;
constexpr std::size_t kTop = 5;

double flops_per_token(const Architecture& network, int context) {
  double flops = 0;
  for (const accel_sim::TransformerOperator& op :
       accel_sim::transformer_operators(network, {context, accel_sim::Mode::kPrefill}))
    flops += static_cast<double>(op.repeat * statistics(op.op).flops);
  return flops / context;
}

// Trains the networks of the sample, several at a time.
class StandaloneTraining {
 public:
  StandaloneTraining(const RunFolder& run, const ProxyTask& proxy,
                     const std::vector<Architecture>& networks, int steps, const Watch& watch)
      : run_(run),
        proxy_(proxy),
        networks_(networks),
        all_steps_(steps > 0 ? steps : run.config().training.steps),
        watch_(watch),
        stop_with_it_(watch.stop, [this] { stop_.request_stop(); }),
        steps_(networks.size()) {
    create_folder(run.standalone());
    for (std::size_t i = 0; i < networks.size(); ++i) {
      if (!fs::exists(file(i))) continue;
      steps_[i] = all_steps_;
      ++finished_;
    }
  }

  // Losses on the whole validation text.
  std::vector<double> losses() {
    std::vector<double> losses(networks_.size());
    // Small networks leave most threads without work: each trains one of its own. Isolated, because
    // a thread that waits for a part of its step would otherwise start another whole training.
    parallel_tasks(networks_.size(), [&](std::size_t index) {
      tbb::this_task_arena::isolate([&] {
        try {
          if (!stop_.stop_requested()) losses[index] = loss(index);
        } catch (...) {
          // Left to TBB, the error would cancel the loops inside the other trainings half-way.
          keep_first_error(std::current_exception());
        }
      });
    });
    if (error_) std::rethrow_exception(error_);
    if (stop_.stop_requested())
      throw Interrupted("stopped with " + std::to_string(finished_) + " of " +
                        std::to_string(networks_.size()) + " networks trained");
    return losses;
  }

 private:
  void keep_first_error(std::exception_ptr error) {
    try {
      std::rethrow_exception(error);
    } catch (const Interrupted&) {  // losses() says so for all of them
    } catch (...) {
      const std::lock_guard lock(mutex_);
      if (!error_) error_ = std::move(error);
      stop_.request_stop();
    }
  }

  double loss(std::size_t index) {
    const supernet::StandaloneNetwork network = trained(index);
    advance(index, all_steps_);
    supernet::Evaluator evaluator(proxy_.losses(network.layout, network.parameters),
                                  proxy_.corpus().validation, proxy_.context());
    return evaluator.losses(std::span(&networks_[index], 1))[0];
  }

  // Of another number of steps than the supernet's it is another network.
  std::string id(std::size_t index) const {
    const std::string id = hex(architecture_id(networks_[index]));
    return all_steps_ == run_.config().training.steps ? id : id + "-" + std::to_string(all_steps_);
  }
  fs::path file(std::size_t index) const {
    return run_.standalone() / (id(index) + ".safetensors");
  }

  supernet::StandaloneNetwork trained(std::size_t index) {
    const fs::path checkpoint = run_.standalone() / (id(index) + ".checkpoint");
    const std::string fingerprint = hex(hash_text(proxy_.fingerprint() + id(index)));
    if (!fs::exists(file(index))) {
      const supernet::ParameterLayout layout(networks_[index], proxy_.context());
      save_network(file(index), layout, train_alone(index, layout, checkpoint, fingerprint),
                   layout.largest(), {{"id", id(index)}, {"fingerprint", fingerprint}});
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
    supernet::TrainingConfig config = run_.config().training;
    config.steps = static_cast<int>(all_steps_);
    config.random_subnetworks = 0;
    config.distillation = 0;
    fs::path log = checkpoint;
    return supernet::train({.layout = layout,
                            .networks = [&](std::int64_t) { return std::vector{layout.largest()}; },
                            .config = config,
                            .seed = run_.config().seed,
                            .text = proxy_.corpus().train,
                            .checkpoint = checkpoint,
                            .log = log.replace_extension(".jsonl"),
                            .fingerprint = fingerprint,
                            .watch = {[&](const Progress& p) { advance(index, p.done); },
                                      stop_.get_token(), watch_.on_stop}});
  }

  void advance(std::size_t index, std::int64_t steps) {
    const std::lock_guard lock(mutex_);
    if (steps == steps_[index]) return;
    steps_[index] = steps;
    finished_ += steps == all_steps_;
    watch_.report({"fidelity", std::accumulate(steps_.begin(), steps_.end(), std::int64_t{0}),
                   all_steps_ * static_cast<std::int64_t>(networks_.size()),
                   fmt::format("steps, {} of {} networks", finished_, networks_.size())});
  }

  const RunFolder& run_;
  const ProxyTask& proxy_;
  const std::vector<Architecture>& networks_;
  const std::int64_t all_steps_;
  const Watch& watch_;
  std::stop_source stop_;  // by the watch, or at the first error
  std::stop_callback<std::function<void()>> stop_with_it_;
  std::mutex mutex_;
  std::vector<std::int64_t> steps_;  // done, by network
  std::size_t finished_ = 0;
  std::exception_ptr error_;
};

RankAgreement agreement(const Prediction& all, const std::vector<int>& depths,
                        const std::vector<int>& widths, std::uint64_t seed) {
  const auto estimate = [&](auto statistic, const Prediction& prediction) {
    return bootstrap(all.actual.size(), seed,
                     [&](Draws draws) { return statistic(prediction, draws); });
  };
  const Prediction by_depth{all.predicted, all.actual, depths};
  const Prediction by_width{all.predicted, all.actual, widths};
  const auto regret = [](const Prediction& p, Draws draws) { return top_regret(p, kTop, draws); };
  return {estimate(kendall_tau, all),
          estimate(kendall_tau, by_depth),
          estimate(kendall_tau, by_width),
          estimate(spearman_rho, all),
          estimate(spearman_rho, by_depth),
          estimate(spearman_rho, by_width),
          estimate(regret, all)};
}

}  // namespace

std::vector<Architecture> fidelity_sample(const SearchSpace& space, int count, std::uint64_t seed) {
  const auto wanted = static_cast<std::size_t>(count);
  const std::int64_t available = space.count_up_to(count);
  if (available < count)
    throw InputError("search space \"" + space.name() + "\" holds " + std::to_string(available) +
                     " networks: too few for a sample of " + std::to_string(count));
  const std::vector<int>& depths = space.depths();
  const std::vector<int>& widths = space.model_widths();
  // Side by side, two cycles meet every combination once their common period is skewed by one.
  const std::size_t period = std::lcm(depths.size(), widths.size());
  const std::size_t cells = depths.size() * widths.size();
  Random random(seed, {kNetworksStream});
  std::vector<Architecture> sample;
  std::set<std::uint64_t> known;
  std::vector<std::int64_t> taken(cells);
  for (std::size_t i = 0; sample.size() < wanted; i = (i + 1) % cells) {
    const int depth = depths[i % depths.size()];
    const int width = widths[(i + i / period) % widths.size()];
    if (taken[i] == space.count_of_depth(depth) / std::ssize(widths)) continue;
    ++taken[i];
    Architecture network;
    do {
      network = space.sample(random);
      network.model_width = width;
    } while (static_cast<int>(network.layers.size()) != depth ||
             !known.insert(architecture_id(network)).second);
    sample.push_back(std::move(network));
  }
  return sample;
}

std::vector<ComparedNetwork> compare_networks(const RunFolder& run, const ProxyTask& proxy,
                                              const FidelityOptions& options, const Watch& watch) {
  const std::vector<Architecture> sample =
      fidelity_sample(proxy.space(), options.networks, run.config().seed);
  const std::vector<double> alone =
      StandaloneTraining(run, proxy, sample, options.steps, watch).losses();
  supernet::Evaluator evaluator(proxy.losses(), proxy.corpus().validation, proxy.context());
  const std::vector<double> slices = evaluator.losses(sample);
  std::vector<ComparedNetwork> compared;
  for (std::size_t i = 0; i < sample.size(); ++i)
    compared.push_back({sample[i], slices[i], alone[i], parameter_count(sample[i], proxy.context()),
                        flops_per_token(sample[i], proxy.context())});
  return compared;
}

FidelityStatistics fidelity_statistics(const std::vector<ComparedNetwork>& networks,
                                       std::uint64_t seed) {
  std::vector<double> slice, alone, gaps, parameters, flops;
  std::vector<int> depths, widths;
  for (const ComparedNetwork& network : networks) {
    slice.push_back(network.slice_loss);
    alone.push_back(network.standalone_loss);
    gaps.push_back(network.slice_loss - network.standalone_loss);
    parameters.push_back(-static_cast<double>(network.parameters));
    flops.push_back(-network.flops);
    depths.push_back(static_cast<int>(network.architecture.layers.size()));
    widths.push_back(network.architecture.model_width);
  }
  FidelityStatistics result;
  result.slice = agreement({slice, alone}, depths, widths, seed);
  result.parameters = agreement({parameters, alone}, depths, widths, seed);
  result.flops = agreement({flops, alone}, depths, widths, seed);
  result.advantage = bootstrap(networks.size(), seed, [&](Draws draws) {
    return kendall_tau({slice, alone}, draws) - kendall_tau({parameters, alone}, draws);
  });
  result.gap = bootstrap(networks.size(), seed, [&](Draws draws) { return mean(gaps, draws); });
  result.gap_deviation = bootstrap(networks.size(), seed,
                                   [&](Draws draws) { return standard_deviation(gaps, draws); });
  return result;
}

}  // namespace paretoformer::nas
