#include "accel_sim/hardware/area.hpp"

#include <gtest/gtest.h>

#include "accel_sim/hardware/target.hpp"

namespace paretoformer::accel_sim {
namespace {

// The published layout: 116k + 544k + 146k um2, and 52k that are neither these nor the CPU.
TEST(Area, IsThePublishedOneOfThePublishedLayout) {
  const Area published = area(find_target("gemmini_cnn"));  // 16 x 16, 256 and 64 KiB
  EXPECT_NEAR(published.array, 0.116, 1e-9);
  EXPECT_NEAR(published.scratchpad, 0.544, 1e-9);
  EXPECT_NEAR(published.accumulator, 0.146, 1e-9);
  EXPECT_NEAR(published.total(), 0.858, 1e-9);
  EXPECT_EQ(published.nonlinear_units, 0);
}

// By hand: 16 x 16 PEs 0.116; 64 KiB of scratchpad 0.544 / 4 = 0.136; 256 KiB of accumulator
// 4 x 0.146 = 0.584; control 0.052: 0.888 mm2, and 14 % of that are 0.12432.
TEST(Area, TheUnitsAddFourteenPercentToTheSurveysAccelerator) {
  Target target = find_target("gemmini_transformer");
  EXPECT_NEAR(area(target).nonlinear_units, 0.12432, 1e-9);
  EXPECT_NEAR(area(target).total(), 0.888 * 1.14, 1e-9);
  target.nonlinear_units = NonlinearUnits::kHost;
  EXPECT_NEAR(area(target).total(), 0.888, 1e-9);
}

// By hand: 8 x 8 PEs 0.116 / 4 = 0.029; 32 KiB of scratchpad 0.544 / 8 = 0.068; 16 KiB of
// accumulator 0.146 / 4 = 0.0365; control 0.052; half of the lanes 0.06216.
TEST(Area, OfASmallOneByHand) {
  Target target = find_target("gemmini_transformer");
  target.array_size = 8;
  target.scratchpad_kib = 32;
  target.accumulator_kib = 16;
  EXPECT_NEAR(area(target).total(), 0.029 + 0.068 + 0.0365 + 0.052 + 0.06216, 1e-9);
}

}  // namespace
}  // namespace paretoformer::accel_sim
