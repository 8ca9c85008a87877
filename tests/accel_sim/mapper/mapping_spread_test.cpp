#include "accel_sim/mapper/mapping_spread.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace paretoformer::accel_sim {
namespace {

TEST(MappingSpread, IsAsWorkedByHand) {
  MappingSpread spread;
  for (int i = 0; i <= 20; ++i) spread.costs.push_back(10 * (i + 1));
  spread.costs.back() = 1000;
  EXPECT_EQ(spread.best(), 10);
  EXPECT_EQ(spread.worst(), 1000);
  EXPECT_EQ(spread.tenth_percentile_over(10), 3);  // the third of 21 costs 30
  EXPECT_EQ(spread.share_within(2, 50), 10. / 21);
  EXPECT_EQ(spread.share_within(0.1, 50), 0);
  EXPECT_EQ(spread.orders_of_magnitude(), 2);
}

TEST(MappingSpread, HasItsSamplesInOrderAndTheSameForASeed) {
  const Mapspace space(matmul_workpiece(128, 256, 64), Target(), Factors::kPerfect);
  constexpr int kSamples = 500;
  const auto spread = [&](std::uint64_t seed) {
    return mapping_spread(space, MappingObjective::kLatency, kSamples, seed);
  };
  const MappingSpread first = spread(1);
  EXPECT_EQ(first.costs.size(), kSamples);
  EXPECT_TRUE(std::is_sorted(first.costs.begin(), first.costs.end()));
  EXPECT_GE(first.draws, kSamples);
  EXPECT_EQ(spread(1).costs, first.costs);
  EXPECT_NE(spread(2).costs, first.costs);
  // No mapping is faster than a full array.
  EXPECT_GE(first.best(), space.work().macs() / 256);
  EXPECT_LT(first.best(), first.worst());
}

}  // namespace
}  // namespace paretoformer::accel_sim
