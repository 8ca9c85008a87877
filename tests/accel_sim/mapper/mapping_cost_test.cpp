#include "accel_sim/mapper/mapping_cost.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "accel_sim/closed_form/analytical_model.hpp"
#include "accel_sim/mapper/library_rule.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

Target without_operand_reuse() {
  Target target;
  target.operand_reuse = false;
  return target;
}

// A line takes 8 cycles of the bus and nothing else.
Target with_plain_lines() {
  Target target = without_operand_reuse();
  target.dram_page_miss_cycles = target.l2_releases_in_flight = 0;
  return target;
}

// The case worked by hand in mapping_cost.hpp.
TEST(MappingCost, IsAsWorkedByHand) {
  Target target = with_plain_lines();
  const Workpiece work = matmul_workpiece(32, 32, 64);
  Mapping mapping;
  mapping.tile = {32, 1, 16, 32, 1, 1};
  mapping.inner = {32, 1, 16, 16, 1, 1};
  mapping.order = {kQ, kR, kS, kP, kC, kK};
  ASSERT_TRUE(is_valid(mapping, work, target));
  const MappingCost cost = MappingCostModel(work, target)(mapping);
  EXPECT_EQ(cost.dram_bytes, 21504);
  EXPECT_EQ(cost.compute, 256);
  EXPECT_NEAR(cost.memory, 672, 3);  // of 2 KiB L2 loses 0.4 %
  // The first 16 columns of 32 rows of inputs and 16 rows of weights, a line each; sums; the last
  // tile's 32 x 32 results at 26 cycles per block; the call, its first loop, DRAM and array.
  EXPECT_NEAR(cost.cycles,
              cost.memory + (32 + 16) * 8 + 512 + 640 + 4 * 26 + 262 + 128 + 20 + 65 + 35, 1e-9);
  // MACs; 8 blocks of weights and 256 rows of 16 words through the array; 1024 + 2048 bytes loaded;
  // sums twice per row, and 2048 out, in and out.
  const AccessEnergies each(target);
  EXPECT_DOUBLE_EQ(cost.energy_pj, 65536 * each.mac + (65536 + 8 * 256) * each.pe_register +
                                       (256 * 16 + 8 * 256 + 3072) * each.scratchpad +
                                       (2 * 256 * 16 + 3 * 2048) * each.accumulator +
                                       21504 * each.dram_byte);

  // With K innermost the sums stay, and the inputs are read for both tiles of columns.
  mapping.order = {kQ, kR, kS, kP, kK, kC};
  EXPECT_EQ(MappingCostModel(work, target)(mapping).dram_bytes, 2 * 1024 + 2048 + 2048);
  // Unless both of their tiles stay in the two halves.
  target.operand_reuse = true;
  EXPECT_EQ(MappingCostModel(work, target)(mapping).dram_bytes, 1024 + 2048 + 2048);
}

// The same with weights of four bits: a row of a tile has 16 bytes, and its 16 rows have one of
// multipliers: 4 tiles of 17 * 16 B. What is in the scratchpad, and the array, is as with int8.
TEST(MappingCost, OfFourBitsIsAsWorkedByHand) {
  Target target = with_plain_lines();
  target.int4_weights = true;
  const Workpiece work = matmul_workpiece(32, 32, 64, 4);
  Mapping mapping;
  mapping.tile = {32, 1, 16, 32, 1, 1};
  mapping.inner = {32, 1, 16, 16, 1, 1};
  mapping.order = {kQ, kR, kS, kP, kC, kK};
  const MappingCost int4 = MappingCostModel(work, target)(mapping);
  const MappingCost int8 = MappingCostModel(matmul_workpiece(32, 32, 64), target)(mapping);
  EXPECT_EQ(int4.dram_bytes, 1024 + 4 * 17 * 16 + 16384 + 2048);
  EXPECT_EQ(int4.compute, int8.compute);
  // 17 lines of weights, 16 of inputs and 32 of results take the DRAM 520 cycles. L2 takes longer:
  // inputs, weights as they are in the scratchpad and 64 B of multipliers at 16 B a cycle, 2 cycles
  // for each line, and 64 times 5 for 32 B of results each.
  EXPECT_NEAR(int4.memory, (1024 + 2048 + 64) / 16.0 + (17 + 16 + 32) * 2 + 64 * 5, 3);
  EXPECT_NEAR(int8.energy_pj - int4.energy_pj, (2048 - 4 * 17 * 16) * target.dram_pj_per_byte,
              1e-6);
  // A command of 8 rows brings the multipliers of the 16 that its rows belong to; one of 32 rows
  // brings two rows of them.
  target.array_size = 8;
  mapping.inner = {32, 1, 8, 8, 1, 1};
  EXPECT_EQ(MappingCostModel(work, target)(mapping).dram_bytes, 1024 + 4 * 18 * 16 + 16384 + 2048);
  target.array_size = 32;
  mapping.tile[kC] = 32;
  mapping.inner = {32, 1, 32, 32, 1, 1};
  EXPECT_EQ(MappingCostModel(work, target)(mapping).dram_bytes, 1024 + 2 * 34 * 16 + 2048);
}

// 128 columns of four bits are a line, so that a tile of 64 shares it with the next one; a command
// asks for 64 columns, of either precision.
TEST(MappingCost, LoadsOfFourBitsAreBoundByTheScratchpadsPort) {
  Target target = with_plain_lines();
  target.int4_weights = true;
  target.dram_bytes_per_cycle = 1024;
  target.dram_latency_cycles = target.l2_hit_cycles = target.bus_latency_cycles = 0;
  const MatmulTile tile{1, 16, 8};
  const auto memory = [&](int bits) {
    const Workpiece work = matmul_workpiece(16, 4096, 512, bits);
    return MappingCostModel(work, target)(library_mapping(tile, work, target)).memory;
  };
  // A row of 16 weights a cycle, and every 16 rows one of multipliers, 32 in a beat; inputs, 16 a
  // beat.
  EXPECT_GE(memory(8), 4096 * 512 / 16 + 4 * 16 * 4096 / 16);
  EXPECT_NEAR(memory(4) - memory(8), 4096 / 16 * 512 / 32, 1e-6);
}

// Rows of 1000 bytes of which a tile has 512: 8 whole lines and, for 7 of the 8 alignments that a
// row can have, a ninth, which the other tile shares. When that one comes, all others of the tile
// and the inputs did, so that L2 still has e^-2 of them.
TEST(MappingCost, RowsThatAreNotAlignedTouchALineMore) {
  const Workpiece work = matmul_workpiece(1, 2048, 1000);
  const Target target = with_plain_lines();
  const Mapping mapping = library_mapping({1, 4, 32}, work, target);
  const double rows = 2048 * 1000 / 512.0;
  const double lost = 1 - std::exp(-(1024000 + 2048) / 524288.0);
  const double shared = rows * (8 + 7 / 8.0) - 2048 * 1000 / 64.0;
  // And 32 lines of inputs, the second time from L2, and 16 of results, of which 2 are whole.
  EXPECT_NEAR(MappingCostModel(work, target)(mapping).memory, (32000 + shared * lost + 32 + 14) * 8,
              10);
}

// 768 rows of weights 3072 bytes, 48 lines, apart lie in every 16th of 1024 sets: as if each line
// took the place of 16, 768 KiB in all. Of lines that two tiles of 80 columns share L2 of 512 KiB
// therefore loses 78 %; 16 bytes more from row to row, and it keeps two thirds. DRAM is half as
// fast as usual, so that it takes longer than L2.
TEST(MappingCost, RowsThatMeetInFewSetsLoseTheLinesTheyShare) {
  Target target = with_plain_lines();
  target.dram_bytes_per_cycle = 4;
  const auto memory_of = [&](int columns) {
    const Workpiece work = matmul_workpiece(80, 768, columns);
    return MappingCostModel(work, target)(library_mapping({5, 48, 5}, work, target)).memory;
  };
  EXPECT_GT(memory_of(3072), 1.2 * memory_of(3088));
}

// What L2 and the last-level cache keep does not wait for DRAM pages again.
TEST(MappingCost, CachesSavePages) {
  const Workpiece work = matmul_workpiece(512, 3072, 768);
  Target target;
  const Mapping mapping = library_mapping({5, 51, 5}, work, target);
  const double without = MappingCostModel(work, target)(mapping).memory;
  target.last_level_kib = 4096;
  const double last_level = MappingCostModel(work, target)(mapping).memory;
  target.l2_kib = 4096;
  const double large_l2 = MappingCostModel(work, target)(mapping).memory;
  EXPECT_LT(last_level, without);
  EXPECT_LE(large_l2, last_level);
}

// 32 x 16 times 16 x 128 in four tiles of 16 x 16 x 64, 64 cycles of the array each. Either tile of
// weights has 16 rows of a line each, 8 cycles of the bus a line: 128 cycles, of which one tile's
// 64 are hidden. When they come again L2 gives them in 64.
TEST(MappingCost, AnOperandThatChangesComesInABurst) {
  Target target = with_plain_lines();
  target.dram_latency_cycles = 0;
  const Workpiece work = matmul_workpiece(32, 16, 128);
  Mapping mapping;
  mapping.tile = {16, 1, 16, 64, 1, 1};
  mapping.inner = {16, 1, 16, 16, 1, 1};
  // Weights stay while two tiles of rows pass, and come once.
  mapping.order = {kQ, kR, kS, kC, kK, kP};
  ASSERT_TRUE(is_valid(mapping, work, target));
  const MappingCostModel model(work, target);
  EXPECT_EQ(model(mapping).compute, 4 * 64);
  EXPECT_NEAR(model(mapping).stall, 2 * (128 - 64), 1);
  // The other way round they come with every tile.
  mapping.order = {kQ, kR, kS, kC, kP, kK};
  EXPECT_NEAR(model(mapping).stall, 2 * (128 - 64), 1);
  // Tiles of 32 rows hide all.
  mapping.tile[kP] = mapping.inner[kP] = 32;
  EXPECT_EQ(model(mapping).stall, 0);
}

// 256 KiB have 256 blocks in a bank. 128 x 640 inputs are 320 blocks, whose last rows lie in the
// half's second bank, where the 160 blocks of weights lie as well: 16 cycles more for each block of
// weights.
TEST(MappingCost, WeightsInTheBankOfTheInputsTakeTurns) {
  const Workpiece work = matmul_workpiece(128, 640, 64);
  const MappingCost cost =
      MappingCostModel(work, Target())(library_mapping({8, 40, 4}, work, Target()));
  const Workpiece narrow = matmul_workpiece(128, 448, 64);  // 224 blocks: the first bank
  const MappingCost none =
      MappingCostModel(narrow, Target())(library_mapping({8, 28, 4}, narrow, Target()));
  Target wide;
  wide.scratchpad_kib = 4096;
  const MappingCost apart = MappingCostModel(work, wide)(library_mapping({8, 40, 4}, work, wide));
  EXPECT_NEAR(cost.stall - apart.stall, 160 * 16, 1e-6);
  EXPECT_LT(none.stall, cost.stall);
}

TEST(MappingCost, HalosOfAConvolutionAreLoadedForEachTile) {
  // 4 x 4 outputs of a 3 x 3 kernel, 8 channels each way; tiles of 2 rows: 4 of 6 x 6 inputs each.
  const Workpiece work{{4, 4, 8, 8, 3, 3}, 1};
  Mapping mapping;
  mapping.tile = {2, 4, 8, 8, 3, 3};
  mapping.inner = {2, 4, 8, 8, 1, 1};
  const MappingCost cost = MappingCostModel(work, without_operand_reuse())(mapping);
  EXPECT_EQ(cost.dram_bytes, 2 * 4 * 6 * 8 + 9 * 64 + 16 * 8);
  EXPECT_EQ(cost.compute, 2 * 9 * 16);  // 8 outputs a time take 16 cycles
}

TEST(MappingCost, RaggedTilesCountWhatTheyHold) {
  // 100 rows in tiles of 48, 48 and 4; 4 rows take 16 cycles. Every element crosses the bus once.
  const Workpiece work = matmul_workpiece(100, 24, 40);
  const Mapping mapping = library_mapping({3, 2, 3}, work, Target());
  const MappingCost cost = MappingCostModel(work, Target())(mapping);
  EXPECT_EQ(cost.dram_bytes, 100 * 24 + 24 * 40 + 100 * 40);
  EXPECT_EQ(cost.compute, 2 * 3 * (48 + 48 + 16));
}

// The analytical model, which takes operand reuse for granted, counts the library's tile in the
// same way.
TEST(MappingCost, AgreesWithTheAnalyticalModelOnTheGreedyRule) {
  for (const char* preset : {"gemmini_cnn", "gemmini_transformer"}) {
    Target target = find_target(preset);
    target.int4_weights = true;
    for (const auto& [m, k, n] : {std::array{512, 768, 768},
                                  {512, 768, 3072},
                                  {128, 64, 128},
                                  {512, 3072, 768},
                                  {512, 64, 512}}) {
      for (const int bits : {kInt8Bits, 4}) {
        const Workpiece work = matmul_workpiece(m, k, n, bits);
        const MappingCost greedy = MappingCostModel(work, target)(greedy_mapping(work, target));
        const AnalyticalEstimate estimate = analytical_estimate(matmul_of(work), target);
        EXPECT_EQ(greedy.compute, static_cast<double>(estimate.latency.compute.value()));
        EXPECT_EQ(greedy.dram_bytes, static_cast<double>(estimate.accesses.dram_bytes));
        EXPECT_NEAR(greedy.energy_pj, estimate.cost.energy.value(), 1);
      }
    }
  }
}

TEST(MappingCost, RefusesFourBitsWhereNothingUnpacksThem) {
  EXPECT_THROW(MappingCostModel(matmul_workpiece(16, 16, 16, 4), Target()), InputError);
}

TEST(MappingCost, RefusesOutputStationaryArrays) {
  Target target;
  target.dataflow = Dataflow::kOutputStationary;
  EXPECT_THROW(MappingCostModel(matmul_workpiece(16, 16, 16), target), InputError);
}

}  // namespace
}  // namespace paretoformer::accel_sim
