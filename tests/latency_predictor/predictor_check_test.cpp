#include "latency_predictor/predictor_check.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "accel_sim/simulator.hpp"
#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/tables.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer::latency_predictor {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

SearchSpace space() {
  const Json json = parse_json(R"({"name": "small", "head_width": 32, "vocabulary": 100,
      "depth": [1, 2, 3], "model_width": [64, 128, 192], "heads": [1, 2, 4],
      "ffn_width": [128, 256, 384, 512]})",
                               "small.json");
  return SearchSpace::from_json(JsonNode(json, "small.json"));
}

LatencyPredictor in_place(const accel_sim::Target& hardware, const accel_sim::Workload& workload) {
  return {hardware, workload, simulated_table(hardware),
          simulate_in_place(space(), workload, hardware, 1)};
}

TEST(PredictorCheck, ComparesWithWholeNetworks) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const LatencyPredictor predictor(hardware, {48, accel_sim::Mode::kPrefill});
  const PredictorCheck check = check_predictor(predictor, space(), 10, 1);
  ASSERT_EQ(check.networks.size(), 10u);
  double mape = 0, largest = 0;
  for (const ComparedCost& each : check.networks) {
    accel_sim::HardwareCost whole;
    for (const accel_sim::OperatorReport& call :
         simulate_network(each.architecture, {48, accel_sim::Mode::kPrefill}, hardware))
      whole += call.report.cost;
    EXPECT_EQ(each.simulated, whole);
    EXPECT_EQ(each.predicted, predictor.predict(each.architecture));
    const double error = std::abs(static_cast<double>(each.predicted.latency.value()) /
                                      static_cast<double>(whole.latency.value()) -
                                  1);
    mape += error / 10;
    largest = std::max(largest, error);
  }
  EXPECT_NEAR(check.latency.mape, mape, 1e-12);
  EXPECT_EQ(check.latency.largest, largest);
  EXPECT_EQ(check.latency.p95, largest);  // of ten values
}

// Activations of 48 x 192 bytes stay in L2: the table, which fetches them each time, says too much
// energy.
TEST(PredictorCheck, CostsInPlaceMakeTheSumAgree) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  for (const accel_sim::Mode mode : {accel_sim::Mode::kPrefill, accel_sim::Mode::kDecode}) {
    const LatencyPredictor plain(hardware, {48, mode});
    const PredictorCheck before = check_predictor(plain, space(), 40, 1);
    const PredictorCheck after = check_predictor(in_place(hardware, {48, mode}), space(), 40, 1);
    EXPECT_LT(after.latency.mape, before.latency.mape);
    EXPECT_LT(after.energy.mape, 0.5 * before.energy.mape);
    EXPECT_LT(std::abs(after.energy.bias), 0.02);
  }
}

TEST(PredictorCheck, RefusesABadPredictor) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const accel_sim::Workload workload{48, accel_sim::Mode::kPrefill};
  // 5 % too slow everywhere: the order stays.
  InPlaceCosts slow = simulate_in_place(space(), workload, hardware, 1);
  for (auto& [role, by_operator] : slow)
    for (auto& [op, cost] : by_operator)
      cost.latency = accel_sim::Cycles(cost.latency.value() * 105 / 100);
  const PredictorCheck check =
      check_predictor({hardware, workload, simulated_table(hardware), slow}, space(), 40, 1);
  EXPECT_GT(check.latency.tau, 0.98);
  EXPECT_NEAR(check.latency.bias, 0.05, 0.01);
  EXPECT_THAT(check.complaint(), HasSubstr("latency is off by"));

  PredictorCheck made_up;
  made_up.latency = made_up.energy = {0, 0.01, 0.03, 0.5, 0.98, 0.95};
  EXPECT_THAT(made_up.complaint(), IsEmpty());
  made_up.energy.tau_within_depth = 0.94;
  EXPECT_THAT(made_up.complaint(), HasSubstr("energy orders networks of one depth"));
  made_up.energy.tau = 0.97;
  EXPECT_THAT(made_up.complaint(), HasSubstr("energy orders networks with tau 0.970"));
  made_up.latency.p95 = 0.031;
  EXPECT_THAT(made_up.complaint(), HasSubstr("latency is off by 3.10 % at the 95th"));
}

TEST(PredictorCheck, EveryOperatorOfTheSpaceHasBeenInItsPlace) {
  const accel_sim::Workload workload{24, accel_sim::Mode::kPrefill};
  const InPlaceCosts costs =
      simulate_in_place(space(), workload, accel_sim::find_target("gemmini_cnn"), 1);
  Random random(5);
  for (int i = 0; i < 200; ++i) {
    const Architecture network = space().sample(random);
    for (const accel_sim::TransformerOperator& item :
         accel_sim::transformer_operators(network, workload)) {
      ASSERT_TRUE(costs.contains(item.role)) << item.role;
      EXPECT_TRUE(costs.find(item.role)->second.contains(placed(item))) << describe(item.op);
    }
  }
}

// With a head, the last FFN is followed by a LayerNorm; without, by nothing.
TEST(PredictorCheck, SoHaveThoseOfAFusedSchedule) {
  const accel_sim::Workload workload{24, accel_sim::Mode::kPrefill};
  for (const auto& [fusion, networks] :
       {std::pair{accel_sim::Fusion::kOn, space()},
        std::pair{accel_sim::Fusion::kBest, SearchSpace::find("quickstart")}}) {
    accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
    hardware.fusion = fusion;
    const LatencyPredictor predictor(hardware, workload, simulated_table(hardware),
                                     simulate_in_place(networks, workload, hardware, 1));
    Random random(5);
    for (int i = 0; i < 50; ++i) {
      const Architecture network = networks.sample(random);
      for (const accel_sim::TransformerOperator& item :
           scheduled_operators(network, workload, hardware, simulated_prices(hardware))) {
        ASSERT_TRUE(predictor.in_place().contains(item.role)) << item.role;
        EXPECT_TRUE(predictor.in_place().find(item.role)->second.contains(placed(item)))
            << item.role << " " << describe(item.op);
      }
    }
    const PredictorCheck check = check_predictor(predictor, networks, 40, 2);
    EXPECT_LT(check.latency.mape, 0.01);
    EXPECT_LT(check.energy.mape, 0.01);
  }
}

TEST(PredictorCheck, NoNetworkIsCheckedTwice) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const LatencyPredictor predictor(hardware, {16, accel_sim::Mode::kPrefill});
  const PredictorCheck check = check_predictor(predictor, space(), 30, 3);
  std::vector<std::uint64_t> ids;
  for (const ComparedCost& each : check.networks) ids.push_back(architecture_id(each.architecture));
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(std::unique(ids.begin(), ids.end()), ids.end());
}

TEST(PredictorCheck, AMeasuredDeviceHasNothingToCompareWith) {
  const LatencyPredictor predictor("phone", {16, accel_sim::Mode::kPrefill},
                                   LookupTable(LatencyPredictor::device_hash("phone"), "measured"));
  EXPECT_THROW(check_predictor(predictor, space(), 3, 1), InputError);
}

}  // namespace
}  // namespace paretoformer::latency_predictor
