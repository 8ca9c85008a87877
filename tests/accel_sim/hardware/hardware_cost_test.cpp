#include "accel_sim/hardware/hardware_cost.hpp"

#include <gtest/gtest.h>

#include <cstdint>

#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

TEST(Picojoules, RoundToWholeFemtojoules) {
  EXPECT_EQ(Picojoules(0.5608).femtojoules(), 561);
  EXPECT_EQ(Picojoules(12.0), Picojoules::from_femtojoules(12000));
  EXPECT_DOUBLE_EQ(Picojoules(0.25).value(), 0.25);
}

TEST(Picojoules, SumsDoNotDependOnTheOrder) {
  // As doubles, 1e15 + 0.1 + 0.1 depends on the order.
  const Picojoules large(1e15), small(0.1);
  EXPECT_EQ((large + small) + small, large + (small + small));
  EXPECT_EQ(small * 3, small + small + small);
}

TEST(HardwareCost, AddsScalesAndMultipliesToEnergyDelay) {
  HardwareCost cost{Cycles(10), Picojoules(2.5)};
  cost += HardwareCost{Cycles(5), Picojoules(0.5)};
  EXPECT_EQ(cost, (HardwareCost{Cycles(15), Picojoules(3.0)}));
  EXPECT_EQ(cost * 2, cost + cost);
  EXPECT_DOUBLE_EQ(cost.energy_delay_product().value(), 45.0);
  EXPECT_LT(Cycles(14), cost.latency);
}

TEST(HardwareCost, OverflowThrowsInsteadOfWrapping) {
  EXPECT_THROW(Cycles(INT64_MAX) + Cycles(1), Error);
  EXPECT_THROW(Cycles(INT64_MAX / 2) * 3, Error);
  EXPECT_THROW(Picojoules(1e17), Error);
  EXPECT_THROW(Picojoules(0.0 / 0.0), Error);
}

}  // namespace
}  // namespace paretoformer::accel_sim
