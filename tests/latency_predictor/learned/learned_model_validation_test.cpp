// The learned model on the published space against the simulator: networks, lengths, modes and
// hardware of which nothing was sampled.
#include <gtest/gtest.h>

#include <cstdio>

#include "accel_sim/simulator.hpp"
#include "latency_predictor/learned/learned_fit.hpp"
#include "support/parallel.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr int kNetworks = 200;
constexpr double kTarget = 0.03;

void print(const char* against, const ModelErrors& e) {
  std::printf(
      "against %-28s latency MAPE %.2f %%, p95 %.2f %%, tau %.3f, within twice the uncertainty "
      "%.0f %%; energy MAPE %.2f %%, p95 %.2f %%, tau %.3f, within %.0f %%\n",
      against, 100 * e.relative.latency_mape, 100 * e.relative.latency_p95, e.latency_tau,
      100 * e.latency_coverage, 100 * e.relative.energy_mape, 100 * e.relative.energy_p95,
      e.energy_tau, 100 * e.energy_coverage);
}

std::vector<accel_sim::HardwareCost> simulate_networks(
    const std::vector<Combination>& combinations) {
  std::vector<accel_sim::HardwareCost> sums(combinations.size());
  parallel_tasks(sums.size(), [&](std::size_t i) {
    const auto& [network, workload, hardware] = combinations[i];
    for (const accel_sim::OperatorReport& item : simulate_network(network, workload, hardware))
      sums[i] += item.report.cost;
  });
  return sums;
}

TEST(LearnedModelValidation, NetworksOfThePublishedSpace) {
  const FitOptions options;
  ASSERT_LE(options.samples, 500);
  const LearnedModel model = fit(options);
  const std::vector<Combination> combinations = held_out_combinations(options, kNetworks);
  std::printf("%d samples, %d held-out networks\n", options.samples, kNetworks);
  const std::vector<accel_sim::HardwareCost> sums = simulate_operators(combinations);
  const std::vector<accel_sim::HardwareCost> wholes = simulate_networks(combinations);
  const ModelErrors against_sums = measure_errors(model, combinations, sums);
  const ModelErrors against_wholes = measure_errors(model, combinations, wholes);
  print("the sum of its operators:", against_sums);
  print("the whole network:", against_wholes);
  EXPECT_LE(against_sums.relative.latency_mape, kTarget);
  EXPECT_LE(against_sums.relative.energy_mape, kTarget);
  EXPECT_GE(against_sums.latency_coverage, 0.9);
  EXPECT_GE(against_sums.energy_coverage, 0.9);
  // Passes over int8 by themselves fetch what in a network the call before has left in L2: about
  // a quarter of a GELU's cycles, 1 % of a network's, which a model of operators cannot know.
  EXPECT_LE(against_wholes.relative.latency_mape, kTarget + 0.01);
  EXPECT_LE(against_wholes.relative.energy_mape, kTarget);
}

TEST(LearnedModelValidation, ActiveAndRandomChoice) {
  const FitReport report = compare_choices({}, {50, 100, 200, 300, 400, 500}, kNetworks);
  std::printf("%s", report.text().c_str());
  const FitReport::Point& least = report.points.front();
  const FitReport::Point& most = report.points.back();
  for (const ModelErrors& errors : {most.active, most.random}) {
    EXPECT_LE(errors.relative.latency_mape, kTarget);
    EXPECT_LE(errors.relative.energy_mape, kTarget);
  }
  // Ten times the samples are worth a third of the error, however they are chosen.
  EXPECT_LT(most.active.relative.latency_mape, 0.67 * least.active.relative.latency_mape);
  EXPECT_LT(most.random.relative.latency_mape, 0.67 * least.random.relative.latency_mape);
  // With samples for all groups, to choose them is better than to draw them, on the whole: single
  // points may go either way.
  double active = 0, random = 0;
  for (const FitReport::Point& point : report.points) {
    if (point.samples < 300) continue;
    active += point.active.relative.latency_mape;
    random += point.random.relative.latency_mape;
  }
  EXPECT_LT(active, random);
}

}  // namespace
}  // namespace paretoformer::latency_predictor
