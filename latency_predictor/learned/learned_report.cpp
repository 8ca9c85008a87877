#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "latency_predictor/learned/learned_candidates.hpp"
#include "latency_predictor/learned/learned_fit.hpp"
#include "support/json.hpp"
#include "support/statistics.hpp"

namespace paretoformer::latency_predictor {
namespace {

struct Errors {
  double mape = 0;
  double p95 = 0;
  double tau = 0;
  double coverage = 0;
};

// Of one quantity of a cost; pairs of networks are ranked where they share a combination.
Errors errors_of(const std::vector<LearnedCost>& costs,
                 const std::vector<accel_sim::HardwareCost>& true_costs,
                 const std::vector<Combination>& combinations, double LearnedCost::*uncertainty,
                 auto quantity) {
  std::vector<double> predicted, truth;
  for (const LearnedCost& each : costs) predicted.push_back(quantity(each.cost));
  for (const accel_sim::HardwareCost& each : true_costs) truth.push_back(quantity(each));
  Errors result;
  std::vector<double> relative;
  double covered = 0, agreed = 0, pairs = 0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    relative.push_back(relative_error(predicted[i], truth[i]));
    result.mape += relative.back();
    if (relative.back() <= 2 * costs[i].*uncertainty) ++covered;
    for (std::size_t j = 0; j < i; ++j) {
      if (key_of(combinations[i]) != key_of(combinations[j]) || truth[i] == truth[j]) continue;
      ++pairs;
      const double product = (truth[i] - truth[j]) * (predicted[i] - predicted[j]);
      agreed += product > 0 ? 1 : (product < 0 ? -1 : 0);
    }
  }
  if (relative.empty()) return result;
  const auto count = static_cast<double>(relative.size());
  std::sort(relative.begin(), relative.end());
  result.mape /= count;
  result.p95 = relative[static_cast<std::size_t>(std::ceil(0.95 * count)) - 1];
  result.tau = pairs > 0 ? agreed / pairs : 0;
  result.coverage = covered / count;
  return result;
}

Json to_json(const ModelErrors& errors) {
  return {{"latency_mape", errors.relative.latency_mape},
          {"latency_p95", errors.relative.latency_p95},
          {"latency_tau", errors.latency_tau},
          {"latency_coverage", errors.latency_coverage},
          {"energy_mape", errors.relative.energy_mape},
          {"energy_p95", errors.relative.energy_p95},
          {"energy_tau", errors.energy_tau},
          {"energy_coverage", errors.energy_coverage}};
}

std::string columns(const ModelErrors& e) {
  return fmt::format("  {:>6.2f} {:>6.2f} {:>6.3f}  {:>6.2f} {:>6.2f} {:>6.3f}",
                     100 * e.relative.latency_mape, 100 * e.relative.latency_p95, e.latency_tau,
                     100 * e.relative.energy_mape, 100 * e.relative.energy_p95, e.energy_tau);
}

}  // namespace

ModelErrors measure_errors(const LearnedModel& model, const std::vector<Combination>& combinations,
                           const std::vector<accel_sim::HardwareCost>& truth) {
  std::vector<LearnedCost> costs;
  for (const auto& [network, workload, hardware] : combinations)
    costs.push_back(model.predict(network, workload, hardware));
  const Errors latency = errors_of(costs, truth, combinations, &LearnedCost::latency_uncertainty,
                                   [](const accel_sim::HardwareCost& cost) {
                                     return static_cast<double>(cost.latency.value());
                                   });
  const Errors energy =
      errors_of(costs, truth, combinations, &LearnedCost::energy_uncertainty,
                [](const accel_sim::HardwareCost& cost) { return cost.energy.value(); });
  const auto networks = static_cast<int>(combinations.size());
  return {{networks, latency.mape, latency.p95, energy.mape, energy.p95},
          latency.tau,
          energy.tau,
          latency.coverage,
          energy.coverage};
}

std::string FitReport::text() const {
  std::string text = fmt::format(
      "errors in % on {} held-out networks: latency MAPE, p95, tau; energy MAPE, p95, tau\n"
      "{:>7}  {:<42}  {}\n",
      networks, "samples", "active", "random");
  for (const Point& point : points)
    text +=
        fmt::format("{:7}", point.samples) + columns(point.active) + columns(point.random) + "\n";
  return text;
}

Json FitReport::json() const {
  Json list = Json::array();
  for (const Point& point : points)
    list.push_back({{"samples", point.samples},
                    {"active", to_json(point.active)},
                    {"random", to_json(point.random)}});
  return {{"held_out_networks", networks}, {"points", list}};
}

}  // namespace paretoformer::latency_predictor
