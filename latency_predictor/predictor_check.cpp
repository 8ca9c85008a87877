#include "latency_predictor/predictor_check.hpp"

#include <tbb/parallel_for.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "support/format.hpp"
#include "support/random.hpp"
#include "support/statistics.hpp"

namespace paretoformer {
namespace {

constexpr std::uint64_t kNetworkStream = 31;
constexpr int kTriesPerNetwork = 100;  // a small space may have no more

// Networks of even place are to be fitted, of odd place to be checked with, so that none is both.
std::vector<Architecture> sample(const SearchSpace& space, int count, std::uint64_t seed,
                                 std::uint64_t parity) {
  Random random(seed, {kNetworkStream});
  std::set<std::uint64_t> known;
  std::vector<Architecture> networks;
  for (int tries = count * kTriesPerNetwork; tries > 0; --tries) {
    Architecture network = space.sample(random);
    if (!known.insert(architecture_id(network)).second || known.size() % 2 != parity) continue;
    networks.push_back(std::move(network));
    if (static_cast<int>(networks.size()) == count) break;
  }
  return networks;
}

const Hardware& described(const LatencyPredictor& predictor) {
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
    const double error = predicted.back() / simulated.back() - 1;
    result.bias += error / count;
    result.mape += std::abs(error) / count;
    relative.push_back(std::abs(error));
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
    return format("%s is off by %.2f %% on average, expected at most %.0f %%", what, 100 * e.mape,
                  100 * PredictorCheck::kLargestMape);
  if (!(e.p95 <= PredictorCheck::kLargestP95))
    return format("%s is off by %.2f %% at the 95th percentile, expected at most %.0f %%", what,
                  100 * e.p95, 100 * PredictorCheck::kLargestP95);
  // NaN: nothing to put in order.
  if (e.tau < PredictorCheck::kLeastTau)
    return format("%s orders networks with tau %.3f, expected at least %.2f", what, e.tau,
                  PredictorCheck::kLeastTau);
  if (e.tau_within_depth < PredictorCheck::kLeastTauWithinDepth)
    return format("%s orders networks of one depth with tau %.3f, expected at least %.2f", what,
                  e.tau_within_depth, PredictorCheck::kLeastTauWithinDepth);
  return "";
}

}  // namespace

std::string PredictorCheck::complaint() const {
  const std::string about_latency = complaint_about("latency", latency);
  return about_latency.empty() ? complaint_about("energy", energy) : about_latency;
}

PredictorCheck check_predictor(const LatencyPredictor& predictor, const SearchSpace& space,
                               int networks, std::uint64_t seed) {
  const Hardware& hardware = described(predictor);
  PredictorCheck check;
  for (Architecture& network : sample(space, networks, seed, 1))
    check.networks.push_back({std::move(network), {}, {}});
  tbb::parallel_for(std::size_t{0}, check.networks.size(), [&](std::size_t i) {
    ComparedCost& each = check.networks[i];
    each.predicted = predictor.predict(each.architecture);
    for (const OperatorReport& call :
         simulate_network(each.architecture, predictor.workload(), hardware))
      each.simulated += call.report.cost;
  });
  check.latency = errors(check.networks, [](const HardwareCost& cost) {
    return static_cast<double>(cost.latency.value());
  });
  check.energy =
      errors(check.networks, [](const HardwareCost& cost) { return cost.energy.value(); });
  return check;
}

std::vector<RoleCorrection> fit_corrections(const LatencyPredictor& predictor,
                                            const SearchSpace& space, int networks,
                                            std::uint64_t seed) {
  const Hardware& hardware = described(predictor);
  const std::vector<Architecture> sampled = sample(space, networks, seed, 0);
  using Key = std::pair<std::string, std::int64_t>;
  using ByRole = std::map<Key, std::pair<HardwareCost, HardwareCost>>;
  std::vector<ByRole> costs(sampled.size());  // simulated, tabled
  tbb::parallel_for(std::size_t{0}, sampled.size(), [&](std::size_t i) {
    const auto calls = simulate_network(sampled[i], predictor.workload(), hardware);
    auto call = calls.begin();
    for (const TransformerOperator& item :
         transformer_operators(sampled[i], predictor.workload())) {
      auto& [simulated, tabled] = costs[i][{std::string(item.role), item.repeat}];
      tabled += predictor.table().cost(item.op) * item.repeat;
      for (std::int64_t run = 0; run < item.repeat; ++run) simulated += (call++)->report.cost;
    }
  });
  ByRole total;
  for (const ByRole& each : costs)
    for (const auto& [key, pair] : each) {
      total[key].first += pair.first;
      total[key].second += pair.second;
    }
  const auto ppm = [](double simulated, double tabled) {
    // What costs nothing, as the energy of a fused GELU, stays so.
    return tabled > 0 && simulated > 0 ? std::llround(1e6 * simulated / tabled) : 1'000'000;
  };
  std::vector<RoleCorrection> corrections;
  for (const auto& [key, pair] : total)
    corrections.push_back({key.first, key.second,
                           ppm(static_cast<double>(pair.first.latency.value()),
                               static_cast<double>(pair.second.latency.value())),
                           ppm(pair.first.energy.value(), pair.second.energy.value())});
  return corrections;
}

}  // namespace paretoformer
