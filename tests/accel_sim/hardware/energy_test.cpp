#include "accel_sim/hardware/energy.hpp"

#include <gtest/gtest.h>

namespace paretoformer::accel_sim {
namespace {

Hardware round_numbers() {
  Hardware hardware;
  hardware.array_size = 16;
  hardware.scratchpad_kib = 64;
  hardware.accumulator_kib = 32;
  hardware.mac_pj = 1;
  hardware.pe_register_pj = 2;
  hardware.scratchpad_pj = 3;
  hardware.scratchpad_pj_per_kib = 0.25;
  hardware.accumulator_pj = 4;
  hardware.accumulator_pj_per_column_kib = 0.5;
  hardware.l2_pj_per_byte = 7;
  hardware.dram_pj_per_byte = 100;
  hardware.static_pj_per_cycle = 1000;
  hardware.host_pj_per_cycle = 10000;
  return hardware;
}

TEST(AccessEnergies, GrowWithTheMemories) {
  const AccessEnergies each(round_numbers());
  EXPECT_EQ(each.scratchpad, 3 + 0.25 * 64);
  EXPECT_EQ(each.accumulator, 4 + 0.5 * 32 / 16);  // per column of the array
}

TEST(Energy, IsTheSumWorkedByHand) {
  const Hardware hardware = round_numbers();
  const AccessCounts counts{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(energy(counts, Cycles(7), Cycles(8), hardware).value(),
            1 * 1 + 2 * 2 + 3 * 19 + 4 * 5 + 5 * 7 + 6 * 100 + 7 * 1000 + 8 * 10000);
  EXPECT_EQ(energy({}, Cycles(0), Cycles(0), hardware).value(), 0);
}

TEST(AccessCounts, AddAndMultiplyEveryCount) {
  const AccessCounts counts{1, 2, 3, 4, 5, 6};
  EXPECT_EQ(counts + counts * 2, (AccessCounts{3, 6, 9, 12, 15, 18}));
}

}  // namespace
}  // namespace paretoformer::accel_sim
