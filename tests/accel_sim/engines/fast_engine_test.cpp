#include "accel_sim/engines/fast_engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <vector>

#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/engines/reference_engine.hpp"
#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/compile.hpp"
#include "tests/accel_sim/engines/lane.hpp"

namespace paretoformer::accel_sim {
namespace {

// Round numbers, no caches to hit, no pages to open.
Target plain_hardware() {
  Target target;
  target.call_overhead_cycles = 130;  // 100 before, 30 of fence after
  target.loop_issue_cycles = 50;
  target.tile_search_cycles = target.tile_guess_cycles = target.tile_search_step_cycles =
      target.result_issue_cycles = 0;
  target.bus_latency_cycles = 5;
  target.l2_hit_cycles = 10;
  target.dram_latency_cycles = 20;
  target.dram_page_miss_cycles = 0;
  target.dram_bytes_per_cycle = 64;  // a line a cycle
  target.l2_misses_in_flight = 1000;
  target.requests_in_flight = 64;
  target.write_latency_cycles = 30;
  return target;
}

EngineResult run_fast(const Operator& op, const Target& target, Trace* trace = nullptr) {
  return run_fast_engine(lower(op, target), target, trace);
}

// 16x64 times 64x64, one tile; the rows of all matrices are whole lines.
// Host: 100 cycles of prologue, 50 to issue the loop: configured at 150.
// Loads, five mvins of 16 rows of a line each, in the order weights, left, three times weights: the
//   first starts at 154 (one cycle to emit it, three through the reservation station). Its first
//   data is on the bus 5 + 10 cycles later, at 169, and takes 16 * 4 beats, to 233; the pipeline
//   takes 7 more. The next ones start 16 cycles apart, but the bus brings them 64 cycles apart.
// Array: left is there at 304, seen at 307; the first weights are preloaded alone, to 323. Until
//   496 rows of weights come in, one a cycle (four blocks in the four beats of a line), and take
//   the port of the bank that the weights are read from; then 16 blocks of 16 cycles follow without
//   a gap, to 752.
// Results: the last row is written 3 + 2 * 16 cycles after, at 787.
// Store: 790; a row of four blocks is read in 4 * 26/16 = 6.5 cycles, sixteen to 894. The first one
//   reaches the writer 12 cycles later, at 809, which takes 7 for each, three to collect its blocks
//   and four beats: the last one is sent at 809 + 15 * 7 + 4 = 918, acknowledged 30 cycles later,
//   at 948; the fence ends at 978.
TEST(FastEngine, OneTileByHand) {
  Trace trace;
  const EngineResult result = run_fast(matmul(16, 64, 64), plain_hardware(), &trace);
  const std::vector<TraceSpan> loads = lane(trace, Lane::kLoad);
  ASSERT_EQ(loads.size(), 5U);
  for (std::size_t i = 0; i < loads.size(); ++i) {
    EXPECT_EQ(loads[i].begin, 154 + 16 * static_cast<std::int64_t>(i));
    EXPECT_EQ(loads[i].end, 240 + 64 * static_cast<std::int64_t>(i));
  }
  const std::vector<TraceSpan> computes = lane(trace, Lane::kExecute);
  ASSERT_EQ(computes.size(), 1U);
  EXPECT_EQ(computes[0].begin, 323);
  EXPECT_EQ(computes[0].end, 752);
  const std::vector<TraceSpan> stores = lane(trace, Lane::kStore);
  ASSERT_EQ(stores.size(), 1U);
  EXPECT_EQ(stores[0].begin, 790);
  EXPECT_EQ(stores[0].end, 894);
  EXPECT_EQ(result.cycles, 978);

  EXPECT_EQ(result.breakdown.host, 150 + 30);
  EXPECT_EQ(result.breakdown.load, 307 - 150 + 496 - 323);
  EXPECT_EQ(result.breakdown.pipeline, 16 + 35);
  EXPECT_EQ(result.breakdown.array, 256);
  EXPECT_EQ(result.breakdown.writeback, 948 - 787);
  EXPECT_EQ(result.breakdown.total(), 978);

  // Five mvins write 16 x 64 bytes each; 16 blocks of left and of weights are read.
  EXPECT_EQ(result.accesses.scratchpad, 5 * 1024 + 2 * 16 * 256);
  EXPECT_EQ(result.accesses.pe_register, 16 * 256);
  // Four blocks of results are written, and three times read and written, then read once more.
  EXPECT_EQ(result.accesses.accumulator, 4 * 256 * (1 + 2 * 3 + 1));
  EXPECT_EQ(result.accesses.l2_bytes, 5 * 1024 + 1024);
  EXPECT_EQ(result.accesses.dram_bytes, 5 * 1024 + 1024);
}

// A block times a block onto a block of int8 sums, all rows in lines of their own. The sums are
// loaded first, at 154: 16 rows pass the scaling units in 4 cycles each from 169 to 233, and the
// pipeline takes 7 more. Weights (from 170) and left (from 186) follow on the bus, a beat a row: to
// 249 and 265, done at 256 and 272, seen at 275. Preloaded to 291, fed to 307, written at 342.
// Accumulator: 256 sums come in, are read and written with the products, and read to leave.
TEST(FastEngine, SumsAreThereBeforeTheFirstProduct) {
  Tile tile;
  tile.rows = tile.inner = tile.columns = 16;
  tile.sums = {0, 64, 1};
  tile.left = {1024, 64, 1};
  tile.right = {2048, 64, 1};
  tile.result = {3072, 64, 1};
  tile.load_sums = tile.accumulate = true;
  Trace trace;
  const EngineResult result = run_fast_engine({{tile}, 4096, 100}, plain_hardware(), &trace);
  const std::vector<TraceSpan> loads = lane(trace, Lane::kLoad);
  ASSERT_EQ(loads.size(), 3U);
  for (std::size_t i = 0; i < loads.size(); ++i) {
    EXPECT_EQ(loads[i].begin, 154 + 16 * static_cast<std::int64_t>(i));
    EXPECT_EQ(loads[i].end, 240 + 16 * static_cast<std::int64_t>(i));
  }
  const std::vector<TraceSpan> computes = lane(trace, Lane::kExecute);
  ASSERT_EQ(computes.size(), 1U);
  EXPECT_EQ(computes[0].begin, 291);
  EXPECT_EQ(computes[0].end, 307);
  EXPECT_EQ(lane(trace, Lane::kStore).front().begin, 342 + 3);
  EXPECT_EQ(result.accesses.accumulator, 256 * (1 + 2 + 1));

  // Of int32 a row is four beats as well: no difference. With both inputs in the scratchpad the
  // sums are what is waited for, seen at 243.
  tile.sums = {0, 64, 4};
  EXPECT_EQ(run_fast_engine({{tile}, 4096, 100}, plain_hardware()).cycles, result.cycles);
  tile.load_left = tile.load_right = false;
  trace.clear();
  run_fast_engine({{tile}, 4096, 100}, plain_hardware(), &trace);
  EXPECT_EQ(lane(trace, Lane::kExecute).front().begin, 243 + 16);
}

// 128x2048 times 2048x64 in eight tiles: each adds to the sums of the one before, and its loads
// overlap with that one's computes. Rows come in every fourth cycle at most: on a bus that brings
// one a cycle, the loads of the next tile but one would starve the last computes of a tile.
TEST(FastEngine, TheNextTileLoadsWhileThisOneComputes) {
  const Operator op = matmul(128, 2048, 64);
  Target target = plain_hardware();
  target.bus_bytes_per_cycle = 4;
  target.array_size = 16;
  Trace trace;
  const EngineResult result =
      run_fast_engine(lower(op, target, MatmulTile{8, 16, 4}), target, &trace);
  const std::int64_t bus = (128 * 2048 + 2048 * 64) / 4;  // cycles: more than the array needs
  EXPECT_EQ(result.breakdown.array, 8 * 128 * 4 * 16);
  EXPECT_LT(result.cycles, bus + bus / 4);
  EXPECT_EQ(lane(trace, Lane::kStore).size(), 8U);  // of the last tile alone
}

// Transposed keys pass the array once more, 16 cycles for each of 4 x 4 blocks of weights.
TEST(FastEngine, TransposedWeightsTakeAPassOfTheirOwn) {
  const Target target = plain_hardware();
  const EngineResult plain = run_fast(matmul(128, 64, 64, RightOperand::kActivations), target);
  const EngineResult transposed =
      run_fast(matmul(128, 64, 64, RightOperand::kTransposedActivations), target);
  EXPECT_EQ(transposed.breakdown.array - plain.breakdown.array, 16 * 16);
}

// The same bank for left and weights: a turn each. With two banks both lie in the only one of a
// half.
TEST(FastEngine, OperandsInOneBankTakeTurns) {
  Target target = plain_hardware();
  const EngineResult apart = run_fast(matmul(128, 64, 64), target);
  target.scratchpad_banks = 2;
  const EngineResult together = run_fast(matmul(128, 64, 64), target);
  EXPECT_EQ(together.breakdown.array - apart.breakdown.array, 4 * 4 * 16);
}

// The turns go on where the left operand has no rows any more: a block of weights takes 2 * 16
// cycles however few there are.
TEST(FastEngine, OperandsInOneBankTakeTurnsForASingleRow) {
  Target target = plain_hardware();
  const EngineResult apart = run_fast(matmul(1, 64, 64), target);
  target.scratchpad_banks = 2;
  const EngineResult together = run_fast(matmul(1, 64, 64), target);
  EXPECT_EQ(together.breakdown.array - apart.breakdown.array, 4 * 4 * 16);
}

// The host issues a loop in 1000 cycles and the array needs 8 * 4 * 4 * 16 for a tile: both take
// turns, but for one loop of which the commands wait in the queue.
TEST(FastEngine, ASlowHostIsTheBottleneck) {
  Target target = plain_hardware();
  target.loop_issue_cycles = 10000;
  const Operator op = matmul(128, 64, 640);
  const EngineResult result = run_fast_engine(lower(op, target, MatmulTile{8, 4, 4}), target);
  EXPECT_GE(result.cycles, 10 * 10000);
  EXPECT_LT(result.cycles, 10 * 10000 + 5000);
  EXPECT_GT(result.breakdown.host, result.cycles / 2);
}

// Three passes over a row of 64 blocks read it three times, the maximum at half the speed, two rows
// at a time; the normaliser's 256 cycles a row are far more than the matmul's.
TEST(FastEngine, SoftmaxGoesThroughThePassesOfTheNormaliser) {
  Target target = plain_hardware();
  target.nonlinear_units = NonlinearUnits::kOnChip;
  target.accumulator_kib = 256;
  const Operator scores =
      matmul(32, 16, 1024, RightOperand::kTransposedActivations, Activation::kSoftmax);
  const EngineResult result = run_fast(scores, target);
  EXPECT_GE(result.breakdown.normaliser, 32 * (2 * 64 + 64 + 64));
  // 16 mvouts of 3 more cycles a pass, and the divisions at the end of two of them.
  EXPECT_LE(result.breakdown.normaliser, 32 * (2 * 64 + 64 + 64 + 3 * 16 * 4 + 40));
  EXPECT_EQ(result.breakdown.writeback, 0);
}

// Norm commands come from the host one by one: a row of 64 values takes a config_norm and an mvout
// a pass.
TEST(FastEngine, LayerNormIsAsSlowAsTheHostIssuesIt) {
  Target target = plain_hardware();
  target.nonlinear_units = NonlinearUnits::kOnChip;
  target.norm_command_cycles = 150;
  target.norm_config_cycles = 250;
  const EngineResult result = run_fast(elementwise(OperatorKind::kLayerNorm, 32, 64), target);
  EXPECT_GE(result.cycles, 32 * 3 * (150 + 250));
  EXPECT_LE(result.cycles, 32 * 3 * (150 + 250) + 3000);
}

// Of 32 x 64 int8 the host issues two mvins, four times each, and in three passes an mvout and a
// config for every row.
TEST(FastEngine, ALayerNormOfInt8ReadsItFourTimes) {
  Target target = plain_hardware();
  target.nonlinear_units = NonlinearUnits::kOnChip;
  target.norm_mvin_cycles = 1000;
  const EngineResult result = run_fast(of_int8(OperatorKind::kLayerNorm, 32, 64), target);
  constexpr int kHost = 32 * 3 * (kRowMvoutCycles + kConfigIssueCycles) + 2 * 4 * 1000;
  EXPECT_GE(result.cycles, kHost);
  EXPECT_LE(result.cycles, kHost + 3000);
  // Written, three times read and written, and read in three passes.
  EXPECT_EQ(result.accesses.accumulator, 32 * 64 * (1 + 3 * 2 + 3));
  // From DRAM once, from L2 four times; written once.
  EXPECT_EQ(result.accesses.dram_bytes, 2 * 32 * 64);
  EXPECT_EQ(result.accesses.l2_bytes, 5 * 32 * 64);
}

// Of 32 x 128 the positions come in by four mvins, each token's row by two, and four mvouts leave.
TEST(FastEngine, AnEmbeddingOfInt8IssuesItsRowsOneByOne) {
  Target target = plain_hardware();
  target.norm_mvin_cycles = 1000;
  const EngineResult result = run_fast(of_int8(OperatorKind::kEmbedding, 32, 128), target);
  constexpr int kHost = (4 + 32 * 2) * 1000 + 4 * kRowMvoutCycles;
  EXPECT_GE(result.cycles, kHost);
  EXPECT_LE(result.cycles, kHost + 2000);
  // Written, then read and written for the sum, then read.
  EXPECT_EQ(result.accesses.accumulator, 32 * 128 * (1 + 2 + 1));
  EXPECT_EQ(result.accesses.dram_bytes, 3 * 32 * 128);
}

// 256 x 256 bytes in and out over a bus of 16 a cycle; nothing is scaled.
TEST(FastEngine, AGeluOfInt8IsAsSlowAsTheBus) {
  Target target = plain_hardware();
  target.nonlinear_units = NonlinearUnits::kOnChip;
  const EngineResult result = run_fast(of_int8(OperatorKind::kGelu, 256, 256), target);
  EXPECT_GE(result.cycles, 256 * 256 / target.bus_bytes_per_cycle);
  EXPECT_LT(result.cycles,
            run_fast(elementwise(OperatorKind::kResidualAdd, 256, 256), target).cycles);
  EXPECT_EQ(result.accesses.accumulator, 2 * 256 * 256);
  EXPECT_EQ(result.accesses.l2_bytes, 2 * 256 * 256);
}

// Both operands go through scaling units of 4 values a cycle.
TEST(FastEngine, ResidualAddIsBoundByItsScalingUnits) {
  const Target target = plain_hardware();
  const EngineResult result =
      run_fast_engine(lower(elementwise(OperatorKind::kResidualAdd, 256, 256), target), target);
  EXPECT_GE(result.cycles, 2 * 256 * 256 / 4);
  EXPECT_LE(result.cycles, 2 * 256 * 256 / 4 + 2000);
  EXPECT_EQ(result.accesses.accumulator, 256 * 256 * (1 + 2 + 1));
}

// With its operands in L2, 16 x 64 of a tile take 64 cycles to be loaded, 64 to be added, in which
// nothing can be read from their bank, and 112 to leave: in one tile, one after the other. Measured
// on the RTL of a public Gemmini SoC, a call that was made before; 64 x 256 are two tiles, of which
// one leaves while the other is loaded.
TEST(FastEngine, AResidualAddInL2TakesAsLongAsInRtl) {
  struct Measured {
    int rows, columns, cycles;
  };
  const Target target = find_target("gemmini_soc");
  for (const auto& [rows, columns, cycles] :
       {Measured{16, 16, 224}, Measured{16, 64, 400}, Measured{32, 64, 637}, Measured{64, 64, 1117},
        Measured{64, 128, 2077}, Measured{64, 256, 3694}}) {
    Call call = compile(elementwise(OperatorKind::kResidualAdd, rows, columns), target);
    call.scaled = false;
    const Program program = lower(call, target);
    MemorySystem memory(target, program.bytes);
    run_fast_engine(program, target, memory);
    const auto fast = static_cast<double>(run_fast_engine(program, target, memory).cycles);
    const auto reference =
        static_cast<double>(run_reference_engine(program, target, memory).cycles);
    // Of one block 9 cycles are not accounted for.
    const double most = std::max(0.015 * cycles, 10.0);
    EXPECT_NEAR(fast, cycles, most) << rows << " x " << columns;
    EXPECT_NEAR(reference, cycles, most) << rows << " x " << columns;
  }
}

// RTL of a public SoC, everything in L2: from the first request of the DMA to its last answer.
TEST(FastEngine, AMatmulInL2TakesAsLongAsInRtl) {
  struct Measured {
    int rows, inner, columns;
    MatmulTile tile;  // blocks
    int cycles;
  };
  const Target target = find_target("gemmini_soc");
  for (const auto& [rows, inner, columns, tile, cycles] :
       {Measured{64, 112, 96, {4, 7, 6}, 4528}, Measured{64, 112, 320, {4, 7, 8}, 10809},
        Measured{64, 320, 112, {4, 20, 7}, 12624}, Measured{128, 64, 128, {4, 4, 8}, 5743},
        Measured{128, 64, 128, {8, 4, 4}, 5679}, Measured{128, 64, 128, {5, 4, 6}, 5366}}) {
    const Program program = lower(matmul(rows, inner, columns), target, MatmulSchedule(tile));
    MemorySystem memory(target, program.bytes);
    run_fast_engine(program, target, memory);
    Trace fast, reference;
    const std::int64_t ends[] = {
        run_fast_engine(program, target, memory, &fast).cycles,
        run_reference_engine(program, target, memory, kDefaultCycleLimit, &reference).cycles};
    EXPECT_NEAR(ends[0] - kFenceCycles - lane(fast, Lane::kLoad).front().begin, cycles,
                0.02 * cycles)
        << rows << " x " << inner << " x " << columns << ", tiles of " << tile.rows;
    EXPECT_NEAR(ends[1] - kFenceCycles - lane(reference, Lane::kLoad).front().begin, cycles,
                0.02 * cycles)
        << rows << " x " << inner << " x " << columns << ", tiles of " << tile.rows;
  }
}

// The host issues a preload and a compute per block, at 20 cycles each.
TEST(FastEngine, OutputStationaryIsAsSlowAsTheHostIssuesIt) {
  Target target = plain_hardware();
  target.dataflow = Dataflow::kOutputStationary;
  target.command_issue_cycles = 20;
  const EngineResult slow = run_fast(matmul(128, 128, 128), target);
  EXPECT_GE(slow.cycles, 8 * 8 * 8 * 40);
  EXPECT_EQ(slow.breakdown.array, 8 * 8 * 8 * 16);
  target.command_issue_cycles = 1;
  EXPECT_LT(run_fast(matmul(128, 128, 128), target).cycles, slow.cycles * 6 / 10);
  // Sums stay in the array: a block of results is written once.
  EXPECT_EQ(slow.accesses.accumulator, 8 * 8 * 256 * 2);
}

TEST(FastEngine, TheTraceChangesNothing) {
  Trace trace;
  const Operator op = matmul(200, 300, 100);
  const EngineResult traced = run_fast(op, plain_hardware(), &trace);
  const EngineResult silent = run_fast(op, plain_hardware());
  EXPECT_EQ(traced.cycles, silent.cycles);
  EXPECT_EQ(traced.breakdown, silent.breakdown);
  std::int64_t computing = 0;
  for (const TraceSpan& span : lane(trace, Lane::kExecute)) computing += span.end - span.begin;
  // While it computes, the array may wait for the port of the scratchpad.
  EXPECT_GE(computing, silent.breakdown.array);
  EXPECT_LE(computing, silent.breakdown.array + silent.breakdown.load);
}

}  // namespace
}  // namespace paretoformer::accel_sim
