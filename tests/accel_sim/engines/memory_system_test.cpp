#include "accel_sim/engines/memory_system.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace paretoformer::accel_sim {
namespace {

TEST(RequestBytes, AreTheSmallestAlignedPowersOfTwo) {
  EXPECT_EQ(request_bytes(0, 64, 16), 64);
  EXPECT_EQ(request_bytes(0, 16, 16), 16);
  EXPECT_EQ(request_bytes(8, 16, 16), 32);   // bytes 8 to 23 cross a beat
  EXPECT_EQ(request_bytes(24, 16, 16), 64);  // 24 to 39 cross the middle of the line
  EXPECT_EQ(request_bytes(32, 32, 16), 32);
  EXPECT_EQ(request_bytes(60, 4, 16), 16);
}

// The greedy rule of the RTL, spelled out: at every step, of 16, 32 and 64 bytes the smallest
// aligned window that covers most of what is left.
TEST(RequestBytes, FollowTheGreedyRuleOfTheStreamReader) {
  for (int start = 0; start < 64; ++start)
    for (int bytes = 1; bytes <= 128; ++bytes) {
      int address = start, left = bytes;
      while (left > 0) {
        int best_size = 0, best_useful = 0;
        for (int size : {16, 32, 64}) {
          const int useful = std::min(size - address % size, left);
          if (useful > best_useful) best_useful = useful, best_size = size;
        }
        EXPECT_EQ(best_useful, std::min(64 - address % 64, left));
        EXPECT_EQ(best_size, request_bytes(address % 64, best_useful, 16));
        address += best_useful;
        left -= best_useful;
      }
    }
}

TEST(LineCache, HoldsWhatWasBroughtInAndNothingElse) {
  LineCache cache(512, Replacement::kOldest, 100);
  EXPECT_FALSE(cache.lookup(7));
  EXPECT_TRUE(cache.lookup(7));
  EXPECT_FALSE(cache.lookup(8));
}

TEST(LineCache, OfNoCapacityHoldsNothing) {
  LineCache cache(0, Replacement::kOldest, 100);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(cache.lookup(7));
}

TEST(LineCache, GivesUpTheOldest) {
  LineCache cache(1, Replacement::kOldest, 100);  // 16 lines
  for (int line = 0; line < 16; ++line) EXPECT_FALSE(cache.lookup(line));
  for (int line = 0; line < 16; ++line) EXPECT_TRUE(cache.lookup(line)) << line;
  EXPECT_FALSE(cache.lookup(16));
  EXPECT_FALSE(cache.lookup(0));
  EXPECT_TRUE(cache.lookup(15));
}

// Each fill evicts one line of 1024 at random: after f more fills a line is still there with
// probability (1 - 1/1024)^f, about exp(-f/1024).
TEST(LineCache, RandomReplacementForgetsExponentially) {
  constexpr int kLines = 1024;
  for (const int fills : {256, 1024, 2048}) {
    LineCache cache(64, Replacement::kRandom, 4 * kLines);
    for (int line = 0; line < kLines; ++line) cache.lookup(line);
    for (int line = 0; line < fills; ++line) cache.lookup(kLines + line);
    double survivors = 0, expected = 0;
    for (int line = 0; line < kLines; ++line) {
      survivors += cache.holds(line) ? 1 : 0;
      expected += std::exp(-(kLines - 1.0 - line + fills) / kLines);
    }
    // Three standard deviations of a binomial of 1024 are below 48.
    EXPECT_NEAR(survivors, expected, 48) << fills;
  }
}

Hardware plain_hardware() {
  Hardware hardware;
  hardware.last_level_kib = 4096;
  hardware.l2_misses_in_flight = 2;
  hardware.dram_bytes_per_cycle = 8;
  hardware.dram_latency_cycles = 50;
  hardware.dram_page_miss_cycles = 20;
  hardware.dram_page_bytes = 1024;  // 16 lines
  hardware.dram_banks = 2;
  return hardware;
}

TEST(MemorySystem, MissesByHand) {
  MemorySystem memory(plain_hardware(), 1 << 20);
  // The page is opened in 20 cycles, the data comes 50 later; the bus is taken for 64 / 8 cycles.
  EXPECT_EQ(memory.fetch(0, 100).data, 100 + 20 + 50);
  // The same page: behind the first line on the bus (from 120 to 128).
  EXPECT_EQ(memory.fetch(1, 100).data, 128 + 50);
  // Two miss registers: this one waits for the first, until 170. Then the bus is free.
  const MemorySystem::Fetch third = memory.fetch(2, 100);
  EXPECT_EQ(third.accepted, 170);
  EXPECT_EQ(third.data, 170 + 50);
  // Another page, in the other bank.
  EXPECT_EQ(memory.fetch(16, 300).data, 300 + 20 + 50);
  // A third page, in the first bank again.
  EXPECT_EQ(memory.fetch(32, 400).data, 400 + 20 + 50);
  EXPECT_EQ(memory.fetches(), 5);
}

TEST(MemorySystem, LinesOfTheLastLevelNeedNoPage) {
  MemorySystem memory(plain_hardware(), 1 << 20);
  memory.fetch(0, 0);
  memory.fetch(32, 1000);  // closes the page of line 0
  EXPECT_EQ(memory.fetch(0, 2000).data, 2000 + 50);
}

TEST(MemorySystem, BandwidthsThatDoNotDivideALine) {
  Hardware hardware = plain_hardware();
  hardware.dram_page_miss_cycles = 0;
  hardware.dram_bytes_per_cycle = 6;  // 10 2/3 cycles a line
  hardware.l2_misses_in_flight = 1000;
  MemorySystem memory(hardware, 1 << 20);
  std::int64_t data = 0;
  for (int line = 0; line < 301; ++line) data = memory.fetch(line, 0).data;
  EXPECT_EQ(data, 3200 + 50);  // behind 300 lines
}

}  // namespace
}  // namespace paretoformer::accel_sim
