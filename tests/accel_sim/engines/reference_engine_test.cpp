#include "accel_sim/engines/reference_engine.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "tests/accel_sim/engines/lane.hpp"

namespace paretoformer::accel_sim {
namespace {

// Nothing but the accelerator and its memory: no prologue, no time to issue a loop, no DRAM pages.
Target bare() {
  Target target;
  target.call_overhead_cycles = 0;
  target.tile_search_cycles = target.tile_guess_cycles = target.tile_search_step_cycles =
      target.result_issue_cycles = 0;
  target.loop_issue_cycles = 0;
  target.dram_page_miss_cycles = 0;
  target.dram_latency_cycles = 70;
  target.l2_hit_cycles = 22;
  return target;
}

EngineResult run_reference(const Operator& op, const Target& target, Trace* trace = nullptr,
                           std::optional<MatmulTile> tile = std::nullopt) {
  return run_reference_engine(lower(op, target, tile), target, kDefaultCycleLimit, trace);
}

// 16 x 16 times 16 x 16 on a 16 x 16 array.
TEST(ReferenceEngine, OneBlockByHand) {
  Trace trace;
  Target target = bare();
  target.requests_in_flight = 64;  // so that none waits for a register
  const EngineResult result = run_reference(matmul(16, 16, 16), target, &trace);
  const auto loads = lane(trace, Lane::kLoad);
  const auto computes = lane(trace, Lane::kExecute);
  const auto stores = lane(trace, Lane::kStore);
  ASSERT_EQ(loads.size(), 2u);
  ASSERT_EQ(computes.size(), 1u);
  ASSERT_EQ(stores.size(), 1u);
  // The loop is configured in cycle 1, its first mvin emitted in 2 and started 3 later. Its 16 rows
  // are a request each; four share a line. They come to L2 4 cycles later; the lines miss in cycles
  // 9, 13, 17 and 21, and follow each other at 8 cycles per line of DRAM bandwidth from 9 on: the
  // last is back at 9 + 3 * 8 + 70 = 103, a beat and 7 cycles later the mvin is complete.
  EXPECT_EQ(loads[0].begin, 5);
  EXPECT_EQ(loads[0].end, 103 + 1 + 7);
  // The second follows when the requests of the first are issued; its lines queue behind.
  EXPECT_EQ(loads[1].begin, 5 + 16);
  EXPECT_EQ(loads[1].end, 9 + 7 * 8 + 70 + 1 + 7);
  // The weights are preloaded 3 cycles after, in 16; then 16 rows are fed.
  EXPECT_EQ(computes[0].begin, 143 + 3 + 16);
  EXPECT_EQ(computes[0].end, 143 + 3 + 16 + 16);
  // The last result is written 35 cycles after that; a row of the accumulator is read in 26/16.
  EXPECT_EQ(stores[0].begin, 178 + 35 + 3);
  EXPECT_EQ(stores[0].end, 216 + 26);
  // Its last line is touched by row 12, which is read in cycle 237, leaves the pipeline in 250,
  // takes a beat and 4 cycles to L2, misses and is fetched (70), and acknowledged 4 cycles later,
  // all of which is known in the cycle after. Its four lines come 20 cycles apart in all, as long
  // as twelve rows take, but DRAM takes 8 for each: the last waits 4 cycles for the others.
  EXPECT_EQ(result.cycles, 250 + 1 + 4 + 4 + 70 + 4 + 1);

  EXPECT_EQ(result.breakdown.array, 16);
  EXPECT_EQ(result.breakdown.pipeline, 16 + 35);
  EXPECT_EQ(result.breakdown.writeback, result.cycles - 178 - 35);
  EXPECT_EQ(result.breakdown.total(), result.cycles);
  // Operands and results of 256 elements, once in and once out of their memories.
  EXPECT_EQ(result.accesses.scratchpad, 4 * 256);
  EXPECT_EQ(result.accesses.accumulator, 2 * 256);
  EXPECT_EQ(result.accesses.pe_register, 256);
  EXPECT_EQ(result.accesses.l2_bytes, 3 * 256);
  // The four lines of the results are written in parts, so that they are fetched first.
  EXPECT_EQ(result.accesses.dram_bytes, 4 * 256);
}

// What the host does before and after is added: the prologue, the issue of the loop, of which one
// cycle is the configuration above, and the fence.
TEST(ReferenceEngine, HostIsAdded) {
  const EngineResult without = run_reference(matmul(16, 16, 16), bare());
  Target target = bare();
  target.call_overhead_cycles = 650;
  target.loop_issue_cycles = 60;
  const EngineResult with = run_reference(matmul(16, 16, 16), target);
  EXPECT_EQ(with.cycles, without.cycles + 650 + 60 - 1);
  EXPECT_EQ(with.breakdown.host - without.breakdown.host, 650 + 60 - 1);
}

// Weights that are stored transposed take one more pass of 16 cycles through the array per block.
TEST(ReferenceEngine, TransposedWeightsPassTheArrayTwice) {
  constexpr RightOperand kTransposed = RightOperand::kTransposedActivations;
  const Target target = bare();
  EXPECT_EQ(run_reference(matmul(16, 16, 16, kTransposed), target).cycles,
            run_reference(matmul(16, 16, 16), target).cycles + 16);
  // Once per block of weights and tile: 4 x 8 blocks, and two tiles of at most 5 blocks of rows.
  const EngineResult plain = run_reference(matmul(128, 64, 128), target);
  const EngineResult transposed = run_reference(matmul(128, 64, 128, kTransposed), target);
  const std::int64_t weights = 2 * 4 * 8;
  EXPECT_NEAR(static_cast<double>(transposed.breakdown.array - plain.breakdown.array),
              static_cast<double>(weights * 16), 0.15 * weights * 16);
}

// Operands of one bank take turns: a scratchpad of two banks whose half, one bank, holds both.
TEST(ReferenceEngine, WeightsInTheBankOfTheOtherOperandTakeTurns) {
  Target target = bare();
  target.scratchpad_banks = 2;
  const EngineResult shared = run_reference(matmul(16, 16, 64), target);
  const EngineResult apart = run_reference(matmul(16, 16, 64), bare());
  // Four blocks: the first is preloaded by itself, the next three while the one before is fed.
  EXPECT_EQ(shared.cycles, apart.cycles + 3 * 16);
}

// A mvout from the bank that is being accumulated into waits until the computes pause.
TEST(ReferenceEngine, AccumulationKeepsStoresOut) {
  const auto first_store_and_last_compute = [](int inner) {
    Trace trace;
    Target target = bare();
    target.accumulator_kib = 256;
    run_reference(matmul(128, inner, 128), target, &trace, MatmulTile{8, inner / 16, 8});
    return std::pair{lane(trace, Lane::kStore).front().end, lane(trace, Lane::kExecute).back().end};
  };
  // One block deep, results are written once, and those of the first four columns leave while the
  // others are computed.
  const auto [early, computed] = first_store_and_last_compute(16);
  EXPECT_LT(early, computed);
  const auto [late, accumulated] = first_store_and_last_compute(128);
  EXPECT_GT(late, accumulated);
}

// Eight tiles of 64 x 512 x 64 that need 8192 cycles of the array each: the operands of one are
// loaded while another is computed, and only the first load, the last results and the host add to
// the time of the array.
TEST(ReferenceEngine, DoubleBufferingHidesLoadsAndStores) {
  const EngineResult result =
      run_reference(matmul(256, 512, 128), bare(), nullptr, MatmulTile{4, 32, 4});
  EXPECT_GE(result.breakdown.array, 8 * 4 * 32 * 4 * 16);
  EXPECT_GT(result.load_busy, result.cycles / 3);
  EXPECT_LT(result.cycles - result.breakdown.array, result.load_busy / 2);
}

// A row of 16 blocks is four mvouts of four blocks: 18/16 cycles a block and 5 each, and 3 from the
// completion of one to the start of the next.
TEST(ReferenceEngine, NormaliserPassesOneRowAfterAnother) {
  Target target = bare();
  target.nonlinear_units = NonlinearUnits::kOnChip;
  target.norm_command_cycles = 0;
  Trace trace;
  run_reference(elementwise(OperatorKind::kLayerNorm, 4, 256), target, &trace);
  const auto stores = lane(trace, Lane::kStore);
  constexpr int kRow = 4, kPass = 2 * kRow, kPair = 3 * kPass;
  ASSERT_EQ(stores.size(), 2u * kPair);
  EXPECT_EQ(stores[kPair].end - stores[kPair].begin, 5);
  EXPECT_EQ(stores[kPair + 1].begin - stores[kPair].begin, 5 + 3);
  // With the config_norm in between, which is complete when it is issued.
  EXPECT_EQ(stores[kPair + kRow].begin - stores[kPair].begin, 4 * 8 + 1);
  // The mean of the first row takes 23 cycles, less than the sums of the second; its standard
  // deviation takes 52 from its last variance on.
  EXPECT_EQ(stores[kPair + kPass].begin - stores[kPair].begin, 2 * (4 * 8 + 1));
  EXPECT_EQ(stores[kPair + 2 * kPass].begin - stores[kPair + kPass + kRow - 1].end, 52);
}

TEST(ReferenceEngine, CycleLimitShowsTheQueues) {
  const Target target;
  const Program program = lower(matmul(128, 128, 128), target);
  try {
    run_reference_engine(program, target, 2000);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("more than 2000 cycles"));
    EXPECT_THAT(error.what(), testing::HasSubstr("load: 8 of 8 entries"));
    EXPECT_THAT(error.what(), testing::HasSubstr("requests in flight"));
    EXPECT_THAT(error.what(), testing::HasSubstr("array: "));
    EXPECT_THAT(error.what(), testing::HasSubstr("writer: "));
  }
}

TEST(ReferenceEngine, SimulatorRunsIt) {
  const Target target;
  const Operator op = matmul(64, 64, 64);
  EngineOptions options;
  options.engine = Engine::kReference;
  options.state = CacheState::kEmpty;
  EXPECT_EQ(simulate(op, target, options).cost.latency.value(), run_reference(op, target).cycles);
  options.cycle_limit = 100;
  EXPECT_THROW(simulate(op, target, options), Error);
}

}  // namespace
}  // namespace paretoformer::accel_sim
