// Queries of a filled latency predictor allocate nothing.
#include <gtest/gtest.h>

#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/network_cost.hpp"
#include "latency_predictor/tables.hpp"
#include "support/random.hpp"
#include "tests/counted_allocations.hpp"

namespace paretoformer::latency_predictor {
namespace {

TEST(PredictorAllocation, NoneForLayersSeenBefore) {
  const SearchSpace space = SearchSpace::find("survey");
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const LatencyPredictor predictor(hardware, {512, accel_sim::Mode::kPrefill},
                                   analytical_table(hardware));
  Random random(1);
  std::vector<Architecture> networks;
  for (int i = 0; i < 100; ++i) networks.push_back(space.sample(random));
  std::vector<accel_sim::HardwareCost> costs(networks.size());
  predictor.predict(networks, costs);
  const long before = allocations;
  predictor.predict(networks, costs);
  predictor.network_cost(networks[0]);
  const long after = allocations;
  EXPECT_EQ(after, before);
  predictor.breakdown(networks[0]);  // which does: the count counts
  EXPECT_GT(allocations, after);
}

}  // namespace
}  // namespace paretoformer::latency_predictor
