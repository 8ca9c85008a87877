// Is the cost of a network the sum of its operators' costs? 100 random networks of the published
// space against simulations of the whole network, at one length that is read and one that is
// written token by token.
#include <gtest/gtest.h>

#include <cstdio>

#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "latency_predictor/predictor_check.hpp"

namespace paretoformer::latency_predictor {
namespace {

void print(const char* what, const PredictionErrors& e) {
  std::printf(
      "%-24s mean %.3f %%  95th percentile %.3f %%  largest %.3f %%  tau %.4f  within %.4f\n", what,
      100 * e.mape, 100 * e.p95, 100 * e.largest, e.tau, e.tau_within_depth);
}

class Additivity : public testing::TestWithParam<accel_sim::Mode> {};

TEST_P(Additivity, SumsOfOperatorsInPlaceAgreeWithWholeNetworks) {
  const SearchSpace space = SearchSpace::find("survey");
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const accel_sim::Workload workload{512, GetParam()};
  const LatencyPredictor plain(hardware, workload);
  plain.fill(space);
  const LatencyPredictor in_place(hardware, workload, plain.table(),
                                  simulate_in_place(space, workload, hardware, 1));
  const PredictorCheck before = check_predictor(plain, space, 100, 1);
  const PredictorCheck after = check_predictor(in_place, space, 100, 1);
  print("latency, plain sum", before.latency);
  print("latency, in place", after.latency);
  print("energy, plain sum", before.energy);
  print("energy, in place", after.energy);
  ASSERT_EQ(after.networks.size(), 100u);
  EXPECT_EQ(after.complaint(), "");
  // That is the places' doing: an error less than a third of that of the operators alone, and no
  // worse an order. Decoded, the operators alone are no predictor.
  EXPECT_LT(after.latency.mape, before.latency.mape / 3);
  EXPECT_LT(after.energy.mape, before.energy.mape / 3);
  EXPECT_GE(after.latency.tau, before.latency.tau);
  if (GetParam() == accel_sim::Mode::kDecode) {
    EXPECT_NE(before.complaint(), "");
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Additivity,
                         testing::Values(accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode),
                         [](const auto& info) {
                           return info.param == accel_sim::Mode::kDecode ? "Decode" : "Prefill";
                         });

}  // namespace
}  // namespace paretoformer::latency_predictor
