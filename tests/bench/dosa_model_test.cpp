#include "bench/dosa_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

namespace paretoformer::accel_sim {
namespace {

Mapping mapping_of(const PerDimension<int>& tile, int channels, int columns,
                   const PerDimension<std::uint8_t>& order) {
  Mapping mapping;
  mapping.tile = tile;
  mapping.inner[kC] = channels;
  mapping.inner[kK] = columns;
  mapping.order = order;
  return mapping;
}

// 4 x 4 times 4 x 4 on an array of 2: tiles of 2 x 4 x 2, C whole; order P, K, inputs stay while K
// goes on. MACs 64. Weights come for every tile of P: 2 x 16; inputs once: 16; results once: 16.
// DRAM 64 words in 8 cycles. Blocks of weights stay for 2 outputs: 32 preloads. Scratchpad: 32
// preloads + 64 / 2 inputs + 48 loaded = 112, at 4 a cycle 28. Accumulator: 2 x 64 / 2 - 16 + 16 =
// 64, at 4 a cycle 16. Array: 64 / 4 = 16.
TEST(DosaModel, ByHand) {
  const DosaCost cost = dosa_cost(
      matmul_workpiece(4, 4, 4), mapping_of({2, 1, 4, 2, 1, 1}, 2, 2, {kQ, kC, kR, kS, kP, kK}), 2);
  EXPECT_EQ(cost.scratchpad_bytes, 2 * 4 + 4 * 2);
  EXPECT_EQ(cost.column_words, 2);
  EXPECT_EQ(cost.scratchpad, 112);
  EXPECT_EQ(cost.accumulator, 64);
  EXPECT_EQ(cost.cycles, 28);
  EXPECT_NEAR(cost.fixed_pj, 0.5608 * 64 + 0.48746 * (64 + 32) + 100 * 64, 1e-9);
}

// Rows of the data set of DOSA's repository (ucb-bar/dosa, data/timeloop_dataset), which Timeloop
// and Accelergy made: cycles to the last one, energies as far as DOSA's fit of the memories' goes.
struct TimeloopRow {
  PerDimension<int> extent;
  int stride;
  PerDimension<int> tile;
  int channels, columns;  // in the array
  PerDimension<std::uint8_t> order;
  DosaHardware hardware;
  double cycles, energy_uj;
};
const TimeloopRow kRows[] = {
    {{56, 56, 256, 256, 1, 1},
     1,
     {1, 7, 64, 8, 1, 1},
     32,
     4,
     {kR, kS, kQ, kC, kK, kP},
     {32, 256, 8},
     3979264,
     4183.370468},
    {{14, 14, 512, 1024, 1, 1},
     2,
     {2, 2, 128, 32, 1, 1},
     16,
     32,
     {kR, kS, kC, kQ, kP, kK},
     {128, 256, 8},
     3415104,
     3257.942597},
    {{512, 1, 512, 512, 1, 1},
     1,
     {64, 1, 128, 32, 1, 1},
     8,
     8,
     {kQ, kR, kS, kP, kC, kK},
     {64, 64, 256},
     2146304,
     686.40408},
    {{7, 7, 32, 1024, 3, 3},
     1,
     {7, 1, 1, 64, 1, 3},
     1,
     16,
     {kP, kS, kC, kK, kR, kQ},
     {64, 2048, 256},
     1246912,
     1267.36},
    {{54, 54, 64, 64, 3, 3},
     1,
     {18, 3, 4, 4, 3, 3},
     1,
     1,
     {kR, kS, kC, kK, kQ, kP},
     {2, 1024, 64},
     108895104,
     5343.6},
    {{56, 56, 128, 256, 1, 1},
     1,
     {28, 14, 64, 1, 1, 1},
     1,
     1,
     {kR, kS, kK, kP, kQ, kC},
     {2, 2048, 32},
     102760448,
     21924.548537},
    {{28, 28, 256, 512, 3, 3},
     1,
     {4, 1, 4, 16, 3, 3},
     1,
     16,
     {kR, kS, kC, kQ, kP, kK},
     {32, 128, 1},
     58593024,
     34983.113135},
    {{56, 56, 256, 256, 3, 3},
     1,
     {28, 56, 32, 16, 3, 1},
     2,
     4,
     {kQ, kR, kP, kK, kS, kC},
     {16, 1024, 512},
     231211008,
     29088.864524},
    {{28, 28, 512, 256, 1, 1},
     1,
     {14, 2, 8, 16, 1, 1},
     2,
     4,
     {kR, kS, kP, kK, kC, kQ},
     {16, 512, 8},
     14425600,
     4038.987912},
    {{14, 14, 16, 512, 3, 3},
     1,
     {2, 1, 1, 16, 1, 1},
     1,
     2,
     {kQ, kP, kS, kK, kC, kR},
     {16, 4, 1},
     7275520,
     921.614533},
    {{14, 14, 128, 256, 3, 3},
     1,
     {14, 1, 1, 1, 1, 1},
     1,
     1,
     {kP, kK, kQ, kC, kR, kS},
     {4, 8, 32},
     57802752,
     6664.398009},
    {{7, 7, 1024, 2048, 1, 1},
     2,
     {7, 1, 4, 32, 1, 1},
     1,
     1,
     {kP, kR, kS, kK, kC, kQ},
     {2, 8, 512},
     115555328,
     12532.127625},
    {{108, 108, 3, 64, 3, 3},
     2,
     {108, 6, 1, 2, 1, 3},
     1,
     1,
     {kP, kS, kR, kK, kQ, kC},
     {64, 1024, 2048},
     20901888,
     2972.259209},
    {{112, 112, 3, 64, 6, 6},
     2,
     {2, 16, 1, 4, 6, 1},
     1,
     1,
     {kR, kC, kK, kQ, kP, kS},
     {2, 128, 1024},
     87506944,
     11014.7},
};

TEST(DosaModel, SaysWhatTimeloopSays) {
  for (const TimeloopRow& row : kRows) {
    const Workpiece work{row.extent, row.stride};
    const DosaCost cost = dosa_cost(
        work, mapping_of(row.tile, row.channels, row.columns, row.order), row.hardware.array_size);
    EXPECT_NEAR(cost.cycles, row.cycles, 1) << row.cycles;
    EXPECT_NEAR(cost.energy_pj(row.hardware) * 1e-6 / row.energy_uj, 1, 0.002) << row.cycles;
    EXPECT_TRUE(cost.fits(row.hardware)) << row.cycles;
  }
}

std::vector<int> divisors(int number) {
  std::vector<int> result;
  for (int d = 1; d <= number; ++d)
    if (number % d == 0) result.push_back(d);
  return result;
}

// Every mapping: all tiles, all spatial factors, all orders.
std::vector<DosaCost> all_mappings(const Workpiece& work, int array_size) {
  std::vector<PerDimension<int>> tiles{{}};
  for (int d = 0; d < kDimensions; ++d) {
    std::vector<PerDimension<int>> longer;
    for (PerDimension<int> tile : tiles)
      for (const int divisor : divisors(work.extent[d])) {
        tile[d] = divisor;
        longer.push_back(tile);
      }
    tiles = longer;
  }
  std::vector<DosaCost> costs;
  for (const PerDimension<int>& tile : tiles)
    for (const int channels : divisors(tile[kC]))
      for (const int columns : divisors(tile[kK])) {
        if (std::max(channels, columns) > array_size) continue;
        PerDimension<std::uint8_t> order{kP, kQ, kC, kK, kR, kS};
        do {
          costs.push_back(dosa_cost(work, mapping_of(tile, channels, columns, order), array_size));
        } while (std::next_permutation(order.begin(), order.end()));
      }
  return costs;
}

TEST(DosaModel, BestTotalIsThatOfAllMappings) {
  const std::vector<Workpiece> works{
      {{4, 2, 3, 4, 1, 2}, 1}, matmul_workpiece(6, 4, 8), {{2, 3, 4, 2, 3, 1}, 2}};
  const std::vector<int> counts{3, 1, 2};
  // Memories small enough that tiles do not fit, and large enough for energy to be a choice.
  for (const DosaHardware& hardware :
       {DosaHardware{2, 1, 1}, DosaHardware{4, 1, 1}, DosaHardware{4, 64, 512}}) {
    const int size = hardware.array_size;
    std::vector<std::vector<DosaCost>> found, all;
    for (const Workpiece& work : works) {
      found.push_back(dosa_mappings(work, size));
      all.push_back(all_mappings(work, size));
    }
    // Of equal cycles only the lowest energy may count: few enough to try all combinations.
    std::vector<std::vector<DosaTotal>> choices;
    for (const std::vector<DosaCost>& costs : all) {
      std::vector<DosaTotal> points;
      for (const DosaCost& cost : costs)
        if (cost.fits(hardware)) points.push_back({cost.cycles, cost.energy_pj(hardware)});
      std::sort(points.begin(), points.end(), [](const DosaTotal& a, const DosaTotal& b) {
        return std::pair(a.cycles, a.energy_pj) < std::pair(b.cycles, b.energy_pj);
      });
      std::vector<DosaTotal> front;
      for (const DosaTotal& point : points)
        if (front.empty() || point.energy_pj < front.back().energy_pj) front.push_back(point);
      choices.push_back(front);
    }
    double lowest = std::numeric_limits<double>::infinity();
    for (const DosaTotal& a : choices[0])
      for (const DosaTotal& b : choices[1])
        for (const DosaTotal& c : choices[2])
          lowest = std::min(
              lowest,
              (counts[0] * a.cycles + counts[1] * b.cycles + counts[2] * c.cycles) *
                  (counts[0] * a.energy_pj + counts[1] * b.energy_pj + counts[2] * c.energy_pj));
    EXPECT_NEAR(best_total(found, counts, hardware).edp() / lowest, 1, 1e-12);
  }
}

TEST(DosaModel, WhatDoesNotFitIsNoTotal) {
  DosaCost large;
  large.scratchpad_bytes = 1025;
  EXPECT_TRUE(std::isinf(best_total({{large}}, {1}, {16, 1, 1}).edp()));
  large.scratchpad_bytes = 1024;
  EXPECT_FALSE(std::isinf(best_total({{large}}, {1}, {16, 1, 1}).edp()));
}

TEST(DosaModel, RandomMappingsFitAndAreNoBetterThanTheBest) {
  const Workpiece work{{14, 14, 32, 48, 3, 3}, 1};
  const DosaHardware hardware{8, 4, 8};
  Random random(1);
  const auto drawn = random_dosa_mappings(work, hardware, 2000, random);
  ASSERT_EQ(drawn.size(), 2000u);
  const double best = best_total({dosa_mappings(work, 8)}, {1}, hardware).edp();
  for (const DosaCost& cost : drawn) {
    EXPECT_TRUE(cost.fits(hardware));
    EXPECT_GE(cost.cycles * cost.energy_pj(hardware), best * (1 - 1e-12));
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
