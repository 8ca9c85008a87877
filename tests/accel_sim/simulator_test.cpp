#include "accel_sim/simulator.hpp"

#include <gtest/gtest.h>

#include "accel_sim/engines/fast_engine.hpp"
#include "accel_sim/lowering/program.hpp"

namespace paretoformer::accel_sim {
namespace {

Operator scores() {
  return matmul(128, 64, 512, RightOperand::kTransposedActivations, Activation::kSoftmax);
}

EngineResult run_cold(const Operator& op, const Target& target) {
  const Program program = lower(op, target);
  MemorySystem memory(target, program.bytes, CacheState::kCold);
  return run_fast_engine(program, target, memory);
}

TEST(Simulator, FusedSoftmaxIsThePartOfTheNormaliser) {
  const Target target = find_target("gemmini_transformer");
  const EngineResult both = run_cold(scores(), target);
  const SimulationReport product = simulate(scores(), target);
  const SimulationReport softmax = simulate(softmax_of(scores()), target);
  EXPECT_EQ(product.breakdown + softmax.breakdown, both.breakdown);
  EXPECT_EQ(product.cost.latency + softmax.cost.latency, Cycles(both.cycles));
  EXPECT_EQ(product.breakdown.normaliser, 0);
  EXPECT_EQ(softmax.breakdown.total(), both.breakdown.normaliser);
  AccessCounts accesses = product.accesses + softmax.accesses;
  accesses.pe_register -= statistics(scores()).macs;  // which the engine does not count
  accesses.macs = 0;
  EXPECT_EQ(accesses, both.accesses);
  // Two passes of the normaliser read every score.
  EXPECT_EQ(softmax.accesses.accumulator, 2 * 128 * 512);
}

// 64 x 128 times 128 x 64 with LayerNorm. Its parts are the whole run: two passes of the normaliser
// read every sum.
TEST(Simulator, AFusedLayerNormIsAPartOfTheRun) {
  const Target target = find_target("gemmini_transformer");
  const Operator op = matmul(64, 128, 64, RightOperand::kWeights, Activation::kLayerNorm);
  const EngineResult whole = run_cold(op, target);
  const SimulationReport product = simulate(op, target);
  const SimulationReport norm = simulate(layer_norm_of(op), target);
  EXPECT_EQ(product.breakdown + norm.breakdown, whole.breakdown);
  AccessCounts accesses = product.accesses + norm.accesses;
  accesses.pe_register -= statistics(op).macs;  // which the engine does not count
  accesses.macs = 0;
  EXPECT_EQ(accesses, whole.accesses);
  EXPECT_EQ(norm.accesses.accumulator, 2 * 64 * 64);
  // Weights and input come in, the LayerNorm goes out.
  EXPECT_EQ(whole.accesses.dram_bytes, 64 * 128 + 128 * 64 + 64 * 64);
}

// Cycles of a fused run, with its softmax, the same call before it.
std::int64_t warm_cycles(const Operator& scores, const Target& target) {
  EngineOptions options;
  options.state = CacheState::kWarm;
  return (simulate(scores, target, options).cost.latency +
          simulate(softmax_of(scores), target, options).cost.latency)
      .value();
}

Target survey_memories(Tiling tiling) {
  Target target = find_target("gemmini_soc");
  target.scratchpad_kib = 64;
  target.accumulator_kib = 256;
  target.tiling = tiling;
  return target;
}

// The library puts all 128 rows into one tile, whose softmax nothing overlaps with: 12.4 to 13.3
// thousand cycles in RTL, 10.1 in tiles of 64 rows, 9.2 to 9.4 of 32, 10.1 of 16.
TEST(Simulator, OptimalTilesOfScoresLetTheSoftmaxOverlap) {
  const Operator op =
      matmul(128, 64, 128, RightOperand::kTransposedActivations, Activation::kSoftmax);
  const Target greedy = survey_memories(Tiling::kGreedy);
  const Target optimal = survey_memories(Tiling::kOptimal);
  EXPECT_EQ(compile_with_mapper(op, greedy).schedule, (MatmulTile{8, 4, 8}));
  const Call call = compile_with_mapper(op, optimal);
  EXPECT_EQ(call.schedule, (MatmulTile{2, 4, 8}));
  EXPECT_EQ(call.search_steps, -1);
  EXPECT_EQ(compile_with_mapper(softmax_of(op), optimal).schedule, call.schedule);
  EXPECT_NEAR(static_cast<double>(warm_cycles(op, greedy)), 13000, 500);
  EXPECT_NEAR(static_cast<double>(warm_cycles(op, optimal)), 9300, 300);
}

// A row of 768 sums takes 48 of 64 blocks: all of the accumulator is one tile's, of one row of
// blocks, and only its depth is left to choose.
TEST(Simulator, OptimalTilesOfLongRowsTakeAllOfTheAccumulator) {
  Target target = find_target("gemmini_soc");
  target.fusion = Fusion::kOn;
  target.tiling = Tiling::kOptimal;
  const Call call = compile_with_mapper(
      matmul(32, 768, 768, RightOperand::kWeights, Activation::kLayerNorm), target);
  EXPECT_TRUE(call.takes_turns);
  EXPECT_EQ(call.schedule->tile.rows, 1);
  EXPECT_EQ(call.schedule->tile.columns, 48);
}

// 1.446 M cycles in RTL with the library's tiles of 80 columns, 1.186 M with tiles of 64, which
// share no lines.
TEST(Simulator, OptimalTilesOfTheFfnAreOfWholeLines) {
  Target target = find_target("gemmini_soc");
  target.tiling = Tiling::kOptimal;
  const Operator op = matmul(128, 768, 3072);
  EXPECT_EQ(compile_with_mapper(op, target).schedule->tile.columns, 4);
  EXPECT_NEAR(static_cast<double>(simulated_cost(op, target).latency.value()), 1.186e6, 0.03e6);
}

// 40 positions of a head of 32 in blocks of 32 rows: 32 x 64 times 64 x 32 and 8 x 40 times 40 x
// 40. The normaliser reads 32 rows of 32 words and 8 of 48 twice before they leave.
TEST(Simulator, RowBlocksDoWhatIsSeen) {
  const Target target = find_target("gemmini_transformer");
  const Operator op = matmul(40, 32, 40, RightOperand::kTransposedActivations, Activation::kSoftmax,
                             Bias::kTriangle);
  EXPECT_EQ(simulate(op, target).accesses.macs, 32 * 64 * 32 + 8 * 40 * 40);
  EXPECT_EQ(simulate(softmax_of(op), target).accesses.accumulator, 2 * (32 * 32 + 8 * 48));
}

// 40 positions are three blocks, whose few lines come in another order: 8.3 % apart.
TEST(Simulator, EnginesAgreeOnRowBlocks) {
  for (const int length : {40, 128, 256})
    for (const Tiling tiling : {Tiling::kGreedy, Tiling::kOptimal}) {
      const Operator op = matmul(length, 64, length, RightOperand::kTransposedActivations,
                                 Activation::kSoftmax, Bias::kTriangle);
      const Target target = survey_memories(tiling);
      EngineOptions reference;
      reference.engine = Engine::kReference;
      const auto cycles = [&](const EngineOptions& options) {
        return static_cast<double>((simulate(op, target, options).cost.latency +
                                    simulate(softmax_of(op), target, options).cost.latency)
                                       .value());
      };
      EXPECT_NEAR(cycles({}) / cycles(reference), 1, 0.085) << length;
    }
}

// 256 positions: the mask of each head is 256 KiB of int32 from DRAM. RTL takes 59 to 82 thousand
// cycles with it, and 50 in a call for every block.
TEST(Simulator, RowBlocksAreTheCheaperMaskOfManyPositions) {
  const Architecture network{128, 64, 0, {{2, 256}}};
  const Workload workload{256, Mode::kPrefill, Mask::kCausal};
  Target target = survey_memories(Tiling::kGreedy);
  target.masking = Masking::kBest;
  for (const Call& call : compile_with_mapper(network, workload, target, simulated_prices(target)))
    if (call.role == "attention.scores") {
      EXPECT_EQ(call.op.bias, Bias::kTriangle);
    }
  const auto cycles = [&](Masking masking) {
    target.masking = masking;
    std::int64_t sum = 0;
    for (const OperatorReport& part : simulate_network(network, workload, target))
      sum += part.report.cost.latency.value();
    return sum;
  };
  EXPECT_LT(cycles(Masking::kRowBlocks), cycles(Masking::kBias));
}

TEST(Simulator, NetworksFollowTheSchedule) {
  const Architecture network{96, 16, 1000, {{4, 384}, {2, 384}}};
  const Workload workload{32, Mode::kPrefill};
  for (const Fusion fusion : {Fusion::kOff, Fusion::kOn, Fusion::kBest}) {
    Target target = find_target("gemmini_transformer");
    target.fusion = fusion;
    const auto list = scheduled_operators(network, workload, target, simulated_prices(target));
    const auto reports = simulate(network, workload, target);
    ASSERT_EQ(reports.size(), list.size());
    for (std::size_t i = 0; i < list.size(); ++i) {
      EXPECT_EQ(reports[i].item.op, list[i].op);
      EXPECT_EQ(reports[i].report.cost, simulate(list[i].op, target).cost);
    }
    // In place: as many calls as runs, and about as much in all, less what stays in L2.
    const auto calls = simulate_network(network, workload, target);
    HardwareCost sum, whole;
    std::size_t runs = 0;
    for (const auto& [item, report] : reports)
      sum += report.cost * item.repeat, runs += static_cast<std::size_t>(item.repeat);
    for (const auto& [item, report] : calls) whole += report.cost;
    EXPECT_EQ(calls.size(), runs);
    EXPECT_NEAR(static_cast<double>(whole.latency.value()),
                static_cast<double>(sum.latency.value()),
                0.2 * static_cast<double>(sum.latency.value()));
  }
}

TEST(Simulator, TellsOfEveryCallOfANetwork) {
  const Architecture network{96, 16, 1000, {{4, 384}, {2, 384}}};
  const Workload workload{32, Mode::kPrefill};
  const Target target = find_target("gemmini_transformer");
  std::int64_t next = 0, of = 0;
  const CallsDone count = [&](std::int64_t done, std::int64_t total) {
    EXPECT_EQ(done, next++);
    of = total;
  };
  NetworkOptions options;
  options.done = &count;
  const auto calls = simulate_network(network, workload, target, options);
  EXPECT_EQ(of, std::ssize(calls));
  EXPECT_EQ(next, of + 1);
  next = 0;
  EXPECT_EQ(std::ssize(simulate(network, workload, target, options)), of);
  EXPECT_EQ(next, of + 1);
}

TEST(Simulator, SoftmaxThatIsNotFusedReadsItsScores) {
  Target target = find_target("gemmini_transformer");
  target.accumulator_kib = 48;  // a row of 512 sums of 16 is 32 KiB: more than half
  ASSERT_EQ(compile(scores(), target).fused, Normalisation::kNone);
  const SimulationReport softmax = simulate(softmax_of(scores()), target);
  EXPECT_GE(softmax.accesses.dram_bytes, 128 * 512 * (4 + 1));
  EXPECT_GE(simulate(scores(), target).accesses.dram_bytes, 128 * 512 * 4);
}

TEST(Simulator, TheHostTakesItsCyclesPerElement) {
  Target target = find_target("gemmini_cnn");
  target.host_pj_per_cycle = 2;
  const auto cycles = [&](OperatorKind kind) {
    return simulate(elementwise(kind, 10, 100), target).cost.latency.value();
  };
  EXPECT_EQ(cycles(OperatorKind::kSoftmax), 1000 * (48 + 2 * 35));
  EXPECT_EQ(cycles(OperatorKind::kGelu), 1000 * (50 + 2 * 35));
  EXPECT_EQ(cycles(OperatorKind::kLayerNorm), 1000 * (40 + 2 * 35));
  EXPECT_EQ(cycles(OperatorKind::kResidualAdd), 1000 * 110);
  const SimulationReport report = simulate(elementwise(OperatorKind::kGelu, 10, 100), target);
  EXPECT_EQ(report.breakdown.host, 120000);
  EXPECT_DOUBLE_EQ(report.cost.energy.value(), 2000 * 100.0 + 2 * 120000.0);
}

TEST(Simulator, FusedGeluCostsItsConstants) {
  const SimulationReport gelu =
      simulate(elementwise(OperatorKind::kGelu, 512, 3072), find_target("gemmini_transformer"));
  EXPECT_EQ(gelu.cost.latency, Cycles(4));
  EXPECT_EQ(gelu.cost.energy, Picojoules());
}

TEST(Simulator, UtilisationIsMacsOverCapacity) {
  const Target target;
  const SimulationReport report = simulate(matmul(100, 100, 100), target);
  EXPECT_DOUBLE_EQ(report.utilization(target),
                   1e6 / (256.0 * static_cast<double>(report.cost.latency.value())));
  EXPECT_EQ(SimulationReport().utilization(target), 0);
}

TEST(Simulator, ANetworkIsItsOperatorsInOrder) {
  const Target target = find_target("gemmini_transformer");
  const Architecture network{96, 16, 1000, {{4, 384}, {2, 384}}};
  const Workload workload{32, Mode::kPrefill};
  const auto list = scheduled_operators(network, workload, target);
  const auto reports = simulate(network, workload, target);
  ASSERT_EQ(reports.size(), list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(reports[i].item.role, list[i].role);
    EXPECT_EQ(reports[i].report.cost, simulate(list[i].op, target).cost);
  }
}

// One token against 511 cached ones: weights are read once, and memory is the limit.
TEST(Simulator, DecodingIsBoundByMemory) {
  const Target target = find_target("gemmini_transformer");
  const SimulationReport report = simulate(matmul(1, 768, 3072), target);
  EXPECT_GE(report.cost.latency.value(), 768 * 3072 / 8);
  EXPECT_LT(report.utilization(target), 0.04);
  EXPECT_GT(report.breakdown.load, report.breakdown.total() / 3);
}

// A double-buffered tile of 8x32x8 blocks with everything on time: at least 99 % of the array's
// cycles in the long run.
TEST(Simulator, FullRateWhenTheMemoryKeepsUp) {
  Target target;
  target.accumulator_kib = 128;
  target.dram_bytes_per_cycle = 64;
  target.dram_page_miss_cycles = 0;
  EXPECT_GT(simulate(matmul(1024, 1024, 1024), target).utilization(target), 0.99);
}

}  // namespace
}  // namespace paretoformer::accel_sim
