#include "nas/run/fidelity.hpp"

#include <algorithm>
#include <numeric>
#include <set>

#include "accel_sim/workload/operators.hpp"
#include "support/error.hpp"
#include "support/files.hpp"

namespace paretoformer::nas {
namespace {

constexpr std::uint64_t kNetworksStream = 21;
constexpr std::size_t kTop = 5;

double flops_per_token(const Architecture& network, int context) {
  double flops = 0;
  for (const accel_sim::TransformerOperator& op :
       accel_sim::transformer_operators(network, {context, accel_sim::Mode::kPrefill}))
    flops += static_cast<double>(op.repeat * statistics(op.op).flops);
  return flops / context;
}

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
                                              const FidelityOptions& options, const Watch& watch,
                                              const TrainStandalone& train) {
  const std::vector<Architecture> sample =
      fidelity_sample(proxy.space(), options.networks, run.config().seed);
  const StandaloneWork work{run.config(), proxy, sample, steps_alone(run.config(), options.steps),
                            run.standalone()};
  create_folder(work.folder);
  if (train) train(work, watch);
  const std::vector<double> alone = standalone_losses(work, watch);
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
