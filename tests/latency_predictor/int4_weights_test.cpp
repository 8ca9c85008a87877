// Networks with weights of four bits: parts are told apart by them, and a table filled for a space
// has their operators.
#include <gtest/gtest.h>

#include "accel_sim/closed_form/analytical_model.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "latency_predictor/in_place_costs.hpp"
#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "latency_predictor/network_cost.hpp"
#include "latency_predictor/predictor_check.hpp"
#include "latency_predictor/tables.hpp"
#include "support/json.hpp"

namespace paretoformer::latency_predictor {
namespace {

accel_sim::Target with_int4() {
  accel_sim::Target target = accel_sim::find_target("gemmini_transformer");
  target.int4_weights = true;
  return target;
}

SearchSpace both_bits() {
  const Json json = parse_json(R"({"depth": [1, 2], "head_width": 16, "model_width": [32],
                                   "heads": [1, 2], "ffn_width": [32, 64, 96],
                                   "weight_bits": [4, 8]})",
                               "space");
  return SearchSpace::from_json(JsonNode(json, "space"));
}

TEST(Int4Weights, AreANetworksCallsInParts) {
  const accel_sim::Target target = with_int4();
  const accel_sim::Workload workload = accel_sim::kSupernetWorkload;
  const LatencyPredictor predictor(target, workload, analytical_table(target));
  both_bits().enumerate([&](const Architecture& network) {
    accel_sim::HardwareCost total;
    for (const accel_sim::Call& call : compile(network, workload, target))
      total += analytical_cost(call.op, target) * call.repeat;
    EXPECT_EQ(predictor.predict(network), total) << describe(network);
    return true;
  });
}

// A table without a model knows all of them.
TEST(Int4Weights, AreFilledInForASpace) {
  const accel_sim::Target target = with_int4();
  const accel_sim::Workload workload = accel_sim::kSupernetWorkload;
  LookupTable table(target_hash(target), "test");
  for (const accel_sim::Operator& op : operators_of(both_bits(), workload, target))
    table.insert(op, analytical_cost(op, target));
  const LatencyPredictor predictor(target, workload, table);
  both_bits().enumerate([&](const Architecture& network) {
    EXPECT_NO_THROW(predictor.predict(network)) << describe(network);
    return true;
  });
}

// In their places, too: in the first layer and in later ones, with every width.
TEST(Int4Weights, AreMeasuredInTheirPlaces) {
  const accel_sim::Target target = with_int4();
  const accel_sim::Workload workload = accel_sim::kSupernetWorkload;
  const InPlaceCosts costs = simulate_in_place(both_bits(), workload, target, 1);
  both_bits().enumerate([&](const Architecture& network) {
    for (const accel_sim::TransformerOperator& item : transformer_operators(network, workload)) {
      if (!has_weights(item.op)) continue;
      EXPECT_TRUE(costs.at(std::string(item.role)).contains(placed(item)))
          << describe(network) << ": " << item.role;
    }
    return true;
  });
}

}  // namespace
}  // namespace paretoformer::latency_predictor
