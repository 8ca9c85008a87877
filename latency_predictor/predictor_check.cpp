#include "latency_predictor/predictor_check.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "accel_sim/simulator.hpp"
#include "latency_predictor/tables.hpp"
#include "support/error.hpp"
#include "support/parallel.hpp"
#include "support/random.hpp"
#include "support/statistics.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr std::uint64_t kNetworkStream = 31;
constexpr std::uint64_t kCoverStream = 32;
constexpr int kTriesPerNetwork = 100;  // a small space may have no more

std::vector<Architecture> sample(const SearchSpace& space, int count, std::uint64_t seed) {
  Random random(seed, {kNetworkStream});
  std::set<std::uint64_t> known;
  std::vector<Architecture> networks;
  for (std::int64_t tries = std::int64_t{count} * kTriesPerNetwork; tries > 0; --tries) {
    Architecture network = space.sample(random);
    if (!known.insert(architecture_id(network)).second) continue;
    networks.push_back(std::move(network));
    if (static_cast<int>(networks.size()) == count) break;
  }
  return networks;
}

const accel_sim::Target& described(const LatencyPredictor& predictor) {
  if (!predictor.hardware())
    throw InputError("the device \"" + predictor.device() +
                     "\" was measured: expected a predictor of simulated hardware");
  return *predictor.hardware();
}

PredictionErrors errors(const std::vector<ComparedCost>& networks, auto quantity) {
  std::vector<double> predicted, simulated, relative;
  std::vector<int> depths;
  PredictionErrors result;
  const auto count = static_cast<double>(networks.size());
  for (const ComparedCost& each : networks) {
    predicted.push_back(quantity(each.predicted));
    simulated.push_back(quantity(each.simulated));
    depths.push_back(each.architecture.depth());
    if (simulated.back() != 0) result.bias += (predicted.back() / simulated.back() - 1) / count;
    relative.push_back(relative_error(predicted.back(), simulated.back()));
    result.mape += relative.back() / count;
  }
  std::sort(relative.begin(), relative.end());
  if (!relative.empty()) {
    const auto rank = static_cast<std::size_t>(std::ceil(0.95 * count));
    result.p95 = relative[rank - 1];
    result.largest = relative.back();
  }
  result.tau = kendall_tau({predicted, simulated});
  result.tau_within_depth = kendall_tau({predicted, simulated, depths});
  return result;
}

std::string complaint_about(const char* what, const PredictionErrors& e) {
  if (!(e.mape <= PredictorCheck::kLargestMape))
    return fmt::format("{} is off by {:.2f} % on average, expected at most {:.0f} %", what,
                       100 * e.mape, 100 * PredictorCheck::kLargestMape);
  if (!(e.p95 <= PredictorCheck::kLargestP95))
    return fmt::format("{} is off by {:.2f} % at the 95th percentile, expected at most {:.0f} %",
                       what, 100 * e.p95, 100 * PredictorCheck::kLargestP95);
  // NaN: nothing to put in order.
  if (e.tau < PredictorCheck::kLeastTau)
    return fmt::format("{} orders networks with tau {:.3f}, expected at least {:.2f}", what, e.tau,
                       PredictorCheck::kLeastTau);
  if (e.tau_within_depth < PredictorCheck::kLeastTauWithinDepth)
    return fmt::format("{} orders networks of one depth with tau {:.3f}, expected at least {:.2f}",
                       what, e.tau_within_depth, PredictorCheck::kLeastTauWithinDepth);
  return "";
}

}  // namespace

std::string PredictorCheck::complaint() const {
  const std::string about_latency = complaint_about("latency", latency);
  return about_latency.empty() ? complaint_about("energy", energy) : about_latency;
}

PredictorCheck check_predictor(const LatencyPredictor& predictor, const SearchSpace& space,
                               int networks, std::uint64_t seed) {
  const accel_sim::Target& hardware = described(predictor);
  PredictorCheck check;
  for (Architecture& network : sample(space, networks, seed))
    check.networks.push_back({std::move(network), {}, {}});
  parallel_tasks(check.networks.size(), [&](std::size_t i) {
    ComparedCost& each = check.networks[i];
    each.predicted = predictor.predict(each.architecture);
    for (const accel_sim::OperatorReport& call :
         simulate_network(each.architecture, predictor.workload(), hardware))
      each.simulated += call.report.cost;
  });
  check.latency = errors(check.networks, [](const accel_sim::HardwareCost& cost) {
    return static_cast<double>(cost.latency.value());
  });
  check.energy = errors(check.networks,
                        [](const accel_sim::HardwareCost& cost) { return cost.energy.value(); });
  return check;
}

namespace {

// Networks of the space that have every choice of every layer's genes with every model width and
// all bits per weight, both in the first layer and in later ones; with `only_layers` also in the
// only one, where the space has such networks.
std::vector<Architecture> covering_networks(const SearchSpace& space, bool only_layers,
                                            std::uint64_t seed) {
  Random random(seed, {kCoverStream});
  const auto shuffled = [&](std::vector<int> values) {
    for (std::size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[random.below(i)]);
    return values;
  };
  const auto depth = static_cast<std::size_t>(space.depths().back());
  std::vector<Architecture> networks;
  for (const int width : space.model_widths()) {
    std::vector<GeneChoices<Layer>> genes = space.layer_genes();
    std::size_t most = 0;
    for (auto& [gene, choices] : genes) {
      choices = shuffled(choices);
      most = std::max(most, choices.size());
    }
    for (std::size_t first = 0; first < most; ++first)
      for (std::size_t bits = 0; bits < space.weight_bits().size(); ++bits) {
        Architecture network = space.smallest();
        network.model_width = width;
        network.layers.resize(depth);
        for (std::size_t i = 0; i < depth; ++i)
          for (const auto& [gene, choices] : genes)
            gene.set(network.layers[i],
                     choices[(first + i + (gene == kWeightBits ? bits : 0)) % choices.size()]);
        networks.push_back(network);
        if (!only_layers || space.depths().front() > 1) continue;
        network.layers.resize(1);
        networks.push_back(std::move(network));
      }
  }
  return networks;
}

}  // namespace

InPlaceCosts simulate_in_place(const SearchSpace& space, const accel_sim::Workload& workload,
                               const accel_sim::Target& hardware, std::uint64_t seed) {
  // A last layer may have no LayerNorm after it to be fused with.
  const bool fuses =
      hardware.fusion == accel_sim::Fusion::kOn || hardware.fusion == accel_sim::Fusion::kBest;
  const std::vector<Architecture> networks = covering_networks(space, fuses, seed);
  std::vector<std::vector<accel_sim::OperatorReport>> calls(networks.size());
  const LookupTable table = simulated_table(hardware);
  const accel_sim::OperatorPricer prices = [&](const accel_sim::Operator& op) {
    return table.cost(op);
  };
  accel_sim::NetworkOptions options;
  options.prices = &prices;
  parallel_tasks(networks.size(), [&](std::size_t i) {
    calls[i] = simulate_network(networks[i], workload, hardware, options);
  });
  InPlaceCosts costs;
  std::map<std::string, std::unordered_map<PlacedOperator, std::int64_t, PlacedOperatorHash>> runs;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    auto call = calls[i].begin();
    for (const accel_sim::TransformerOperator& item :
         scheduled_operators(networks[i], workload, hardware, prices)) {
      const std::string role(item.role);
      const PlacedOperator at = placed(item);
      for (std::int64_t run = 0; run < item.repeat; ++run) costs[role][at] += (call++)->report.cost;
      runs[role][at] += item.repeat;
    }
  }
  const auto mean = [](std::int64_t sum, std::int64_t count) { return (sum + count / 2) / count; };
  for (auto& [role, by_operator] : costs)
    for (auto& [at, cost] : by_operator) {
      const std::int64_t count = runs[role][at];
      cost = {accel_sim::Cycles(mean(cost.latency.value(), count)),
              accel_sim::Picojoules::from_femtojoules(mean(cost.energy.femtojoules(), count))};
    }
  return costs;
}

}  // namespace paretoformer::latency_predictor
