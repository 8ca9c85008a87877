#include "accel_sim/hardware/line_cost.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>

#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {
namespace {

// Of the engines' memory, full of clean lines and with pages open: per line in a row.
double measured(Hardware hardware) {
  hardware.dram_page_miss_cycles = 0;
  const int turn =
      hardware.l2_banks * (hardware.l2_misses_in_flight + hardware.l2_releases_in_flight);
  const int steps = 4 * turn;  // to settle, and as many to count
  const int others = 16 * hardware.l2_kib * (1024 / kLineBytes);
  MemorySystem memory(hardware, (2 * std::int64_t{steps} + others) * kLineBytes);
  for (int i = 0; i < others; ++i) memory.fetch(2 * steps + i, 0);
  memory.begin_call();
  std::int64_t time = 0, half = 0, data = 0;
  for (int i = 0; i < 2 * steps; ++i) {
    const MemorySystem::Access fetch = memory.fetch(i, time);
    time = fetch.accepted + 1;
    data = fetch.ready;
    if (i + 1 == steps) half = data;
  }
  return static_cast<double>(data - half) / steps;
}

TEST(LineCost, IsThatOfTheEnginesMemoryOnThePresets) {
  for (const char* preset :
       {"gemmini_cnn", "gemmini_transformer", "gemmini_dosa", "gemmini_soc", "survey_analytical"}) {
    SCOPED_TRACE(preset);
    const Target target = find_target(preset);
    const LineCost cost(target);
    EXPECT_NEAR(cost.fetched, measured(target), 1e-3);
  }
}

// By hand: 15 lines of 8 cycles, and the gap from an acknowledgement to the next data.
TEST(LineCost, AcknowledgementsLetTheBusRunDry) {
  Target target;
  EXPECT_DOUBLE_EQ(LineCost(target).fetched, (15 * 8 + 1 + 65 - 8) / 15.0);
  // A gap of 23 cycles, in which 7 are released, the first at once, the last 5 cycles before its
  // end.
  target.dram_latency_cycles = 30;
  EXPECT_DOUBLE_EQ(LineCost(target).fetched, ((7 + 5) * 8 + 23) / 12.0);
  target.l2_releases_in_flight = 0;
  EXPECT_DOUBLE_EQ(LineCost(target).fetched, 8);
  target.dram_latency_cycles = 130;  // over 10 miss registers
  EXPECT_DOUBLE_EQ(LineCost(target).fetched, 13);
}

// Other memories, except where the bus hardly keeps up with the miss registers.
TEST(LineCost, FollowsTheEnginesMemory) {
  const auto expect_near = [](const Target& target) {
    EXPECT_NEAR(LineCost(target).fetched / measured(target), 1, 0.02);
  };
  for (const int releases : {0, 1, 2, 8, 12}) {
    Target target;
    target.l2_releases_in_flight = releases;
    expect_near(target);
  }
  for (const int misses : {2, 5, 20}) {
    Target target;
    target.l2_misses_in_flight = misses;
    expect_near(target);
  }
  for (const int latency : {20, 30, 130, 200}) {
    Target target;
    target.dram_latency_cycles = latency;
    expect_near(target);
  }
  for (const int banks : {1, 2, 4})
    for (const double bandwidth : {4, 8, 16, 64}) {
      Target target;
      target.l2_banks = banks;
      target.dram_bytes_per_cycle = bandwidth;
      expect_near(target);
    }
}

}  // namespace
}  // namespace paretoformer::accel_sim
