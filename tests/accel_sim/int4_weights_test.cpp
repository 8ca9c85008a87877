// Weights of four bits on their way in: what lies in DRAM, which rows come, what they take, and
// what all of that is on whole operators and networks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "accel_sim/closed_form/analytical_model.hpp"
#include "accel_sim/engines/dma.hpp"
#include "accel_sim/engines/fast_engine.hpp"
#include "accel_sim/engines/reference_engine.hpp"
#include "accel_sim/lowering/instructions.hpp"
#include "accel_sim/lowering/network_memory.hpp"
#include "accel_sim/lowering/peak_memory.hpp"
#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer::accel_sim {
namespace {

using ::testing::HasSubstr;

Operator int4_matmul(int rows, int inner, int columns) {
  return matmul(rows, inner, columns, RightOperand::kInt4Weights);
}

Target with_int4(const char* preset = "gemmini_transformer") {
  Target target = find_target(preset);
  target.int4_weights = true;
  return target;
}

TEST(Int4Weights, TakeHalfAByteAndASixteenthOfThatForMultipliers) {
  const Operator op = int4_matmul(32, 40, 29);
  EXPECT_EQ(describe(op), "matmul int4_weights - 32 40 29");
  EXPECT_EQ(operator_from_text(describe(op)), op);
  // Rows of 15 bytes: 40 of weights, 3 of multipliers.
  EXPECT_EQ(right_bytes(op), 43 * 15);
  const OperatorStatistics eight = statistics(matmul(32, 40, 29)), four = statistics(op);
  EXPECT_EQ(four.macs, eight.macs);
  EXPECT_EQ(four.flops, eight.flops);
  EXPECT_EQ(four.bytes, eight.bytes - 40 * 29 + 43 * 15);
}

TEST(Int4Weights, AreThoseOfALayersMatricesAlone) {
  const Architecture network{32, 16, 100, {{2, 64}, {2, 64, 4}}};
  for (const NonlinearInputs inputs : {NonlinearInputs::kSums, NonlinearInputs::kInt8}) {
    Workload workload = kSupernetWorkload;
    workload.nonlinear_inputs = inputs;
    int matrices = 0;
    for (const TransformerOperator& item : transformer_operators(network, workload))
      if (item.op.right == RightOperand::kInt4Weights) {
        EXPECT_EQ(item.layer, 1);
        ++matrices;
      }
    EXPECT_EQ(matrices, 4);  // q, k and v are one item
  }
}

TEST(Int4Weights, NeedHardwareThatUnpacksThem) {
  const Target plain = find_target("gemmini_transformer");
  try {
    compile(int4_matmul(8, 8, 8), plain);
    FAIL() << "no InputError";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("expected int4_weights true"));
  }
  EXPECT_NO_THROW(compile(int4_matmul(8, 8, 8), with_int4()));
}

// Files and hashes of other hardware do not speak of it.
TEST(Int4Weights, AreInTheFilesOfHardwareThatHasThem) {
  Target target = find_target("gemmini_transformer");
  EXPECT_FALSE(to_json(target).contains("int4_weights"));
  const std::uint64_t before = target_hash(target);
  target.int4_weights = true;
  const Json json = to_json(target);
  EXPECT_TRUE(json.at("int4_weights"));
  EXPECT_NE(target_hash(target), before);
  EXPECT_EQ(target_from_json(JsonNode(json, "t")), target);
}

// The mvins of the right operand of one tile.
std::vector<Mvin> mvins_of(const Tile& tile, const Target& target) {
  std::vector<Mvin> mvins;
  LoadSequence loads(tile, target);
  while (const auto step = loads.next())
    if (step->operand == LoadSequence::Operand::kRight) mvins.push_back(loads.mvin(*step));
  return mvins;
}

// 40 x 100 weights: rows of 50 bytes from address 2048 on (behind 32 x 40 of the left operand), and
// three rows of multipliers behind them. A command moves four blocks of a row: 32 bytes, then 18.
TEST(Int4Weights, ComeInBlocksOfRowsWithTheirMultipliers) {
  const Target target = with_int4();
  const Program program = lower(int4_matmul(32, 40, 100), target);
  ASSERT_EQ(program.tiles.size(), 1u);
  const std::vector<Mvin> mvins = mvins_of(program.tiles[0], target);
  ASSERT_EQ(mvins.size(), 6u);
  constexpr std::int64_t kWeights = 1280, kMultipliers = 1280 + 2048;  // 40 * 50 in whole lines
  for (int row = 0; row < 3; ++row)
    for (int half = 0; half < 2; ++half) {
      const Mvin& mvin = mvins[static_cast<std::size_t>(2 * row + half)];
      EXPECT_EQ(mvin.rows, 16);
      EXPECT_EQ(mvin.rows_beyond, row == 2 ? 8 : 0);
      EXPECT_EQ(mvin.blocks, half == 0 ? 4 : 3);
      EXPECT_EQ(mvin.row_bytes, half == 0 ? 32 : 18);
      EXPECT_EQ(mvin.multiplier_rows, 1);
      EXPECT_EQ(mvin.row_address(0), kMultipliers + row * 50 + half * 32);
      EXPECT_EQ(mvin.row_address(1), kWeights + row * 16 * 50 + half * 32);
      EXPECT_EQ(mvin.row_address(16), kWeights + (row * 16 + 15) * 50 + half * 32);
    }
}

// Groups have 16 rows whatever the array has: 32 rows come with two rows of multipliers, and two
// blocks of 8 rows with the same one each.
TEST(Int4Weights, OfOtherArraysHaveTheSameGroups) {
  Target target = with_int4();
  target.array_size = 32;
  const Program wide = lower(int4_matmul(32, 64, 32), target);
  const std::vector<Mvin> two = mvins_of(wide.tiles[0], target);
  ASSERT_EQ(two.size(), 2u);
  for (const Mvin& mvin : two) EXPECT_EQ(mvin.multiplier_rows, 2);
  EXPECT_EQ(two[1].multipliers - two[0].multipliers, 2 * 16);
  target.array_size = 8;
  const std::vector<Mvin> eight = mvins_of(lower(int4_matmul(8, 32, 8), target).tiles[0], target);
  ASSERT_EQ(eight.size(), 4u);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(eight[i].multiplier_rows, 1);
    EXPECT_EQ(eight[i].first_in_group, i % 2 * 8);
    EXPECT_EQ(eight[i].multipliers - eight[0].multipliers, static_cast<int>(i / 2) * 4);
  }
}

// A tile in the middle of a matrix has the multipliers of its rows and columns.
TEST(Int4Weights, OfLaterTilesHaveTheirOwnMultipliers) {
  const Target target = with_int4();
  const Operator op = int4_matmul(16, 96, 64);
  const Program program = lower(op, target, MatmulTile{1, 3, 2});
  ASSERT_EQ(program.tiles.size(), 4u);  // columns, then inner
  const Matrix all = packed(compile(op, target), target).multipliers;
  for (int tile = 0; tile < 4; ++tile) {
    const std::vector<Mvin> mvins = mvins_of(program.tiles[static_cast<std::size_t>(tile)], target);
    ASSERT_EQ(mvins.size(), 3u);
    for (int i = 0; i < 3; ++i)
      EXPECT_EQ(mvins[static_cast<std::size_t>(i)].multipliers,
                all.at(tile % 2 * 3 + i, tile / 2 * 32).address);
  }
}

// Lines of L2: a request a cycle, 4 + 40 cycles to the first beat, two beats of multipliers, which
// go no further, 16 rows of two beats that become four rows of the scratchpad each, and the
// pipeline of 7.
TEST(Int4Weights, OfAnMvinTakeWhatTheirRowsDo) {
  Hardware hardware;
  hardware.l2_hit_cycles = 40;
  hardware.bus_latency_cycles = 4;
  hardware.requests_in_flight = 64;
  MemorySystem memory(hardware, 1 << 16);
  for (int line = 0; line < 17; ++line) memory.fetch(line, 0);
  memory.begin_call();
  L2Port l2;
  LoadUnit unit(hardware, memory, l2);
  Mvin mvin;
  mvin.stride = 64;
  mvin.rows = 16;
  mvin.row_bytes = 32;
  mvin.blocks = 4;
  mvin.int4 = true;
  mvin.multiplier_rows = 1;
  mvin.multipliers = 16 * 64;
  const LoadUnit::Span span = unit.mvin(mvin, 100);
  EXPECT_EQ(span.end, 100 + 44 + 2 + 16 * 4 + 7);
  EXPECT_EQ(span.local_rows, 64);
  EXPECT_EQ(unit.beats(), 17 * 2);
}

// 16 x 64 times 64 x 64: 16 lines of the left operand, 32 of weights and two of multipliers, four
// rows of 32 bytes; results are written in whole lines.
TEST(Int4Weights, FetchHalfTheLines) {
  for (const Engine engine : {Engine::kFast, Engine::kReference}) {
    EngineOptions options;
    options.engine = engine;
    options.state = CacheState::kEmpty;
    const Target target = with_int4();
    const SimulationReport eight = simulate(matmul(16, 64, 64), target, options);
    const SimulationReport four = simulate(int4_matmul(16, 64, 64), target, options);
    EXPECT_EQ(eight.accesses.dram_bytes, 64 * (16 + 64) + 1024);
    EXPECT_EQ(four.accesses.dram_bytes, 64 * (16 + 32 + 2) + 1024);
    EXPECT_EQ(eight.accesses.l2_bytes, 64 * (16 + 64 + 16));
    EXPECT_EQ(four.accesses.l2_bytes, 64 * (16 + 32 + 2 + 16));
    EXPECT_EQ(four.accesses.scratchpad, eight.accesses.scratchpad);
    EXPECT_EQ(four.accesses.accumulator, eight.accesses.accumulator);
    EXPECT_LT(four.cost.latency, eight.cost.latency);
    EXPECT_LT(four.cost.energy, eight.cost.energy);
  }
}

// As engines_agree_test.cpp does for other operators, with its limits.
TEST(Int4Weights, EnginesAgreeOnThem) {
  double sum = 0;
  constexpr int kCases = 60;
  for (int i = 0; i < kCases; ++i) {
    Random random(77, {static_cast<std::uint64_t>(i)});
    const auto up_to = [&](std::uint64_t most) { return 1 + static_cast<int>(random.below(most)); };
    Target target = with_int4(i % 2 == 0 ? "gemmini_transformer" : "gemmini_soc");
    target.array_size = 8 << random.below(3);
    target.scratchpad_kib = 32 << random.below(4);
    target.requests_in_flight = std::max(target.array_size, target.requests_in_flight);
    if (random.chance(0.1)) target.dataflow = Dataflow::kOutputStationary;
    const Operator op = int4_matmul(up_to(200), up_to(300), up_to(300));
    SCOPED_TRACE(describe(op) + " on " + to_json(target).dump());
    const Program program = lower(op, target);
    const EngineResult fast = run_fast_engine(program, target);
    const EngineResult truth = run_reference_engine(program, target, 50'000'000);
    EXPECT_EQ(fast.accesses.scratchpad, truth.accesses.scratchpad);
    EXPECT_EQ(fast.accesses.accumulator, truth.accesses.accumulator);
    EXPECT_EQ(fast.accesses.l2_bytes, truth.accesses.l2_bytes);
    EXPECT_NEAR(static_cast<double>(fast.accesses.dram_bytes),
                static_cast<double>(truth.accesses.dram_bytes),
                0.03 * static_cast<double>(truth.accesses.dram_bytes));
    const double difference =
        static_cast<double>(fast.cycles) / static_cast<double>(truth.cycles) - 1;
    EXPECT_LE(std::abs(difference), 0.19);
    sum += std::abs(difference);
  }
  EXPECT_LE(sum / kCases, 0.02);
}

TEST(Int4Weights, OfTheClosedFormSaveTheirBytes) {
  const Target target = with_int4();
  const AnalyticalEstimate eight = analytical_estimate(matmul(64, 96, 128), target);
  const AnalyticalEstimate four = analytical_estimate(int4_matmul(64, 96, 128), target);
  // 96 rows of 128 bytes, or 102 of 64.
  EXPECT_EQ(eight.accesses.dram_bytes - four.accesses.dram_bytes, 96 * 128 - 102 * 64);
  EXPECT_EQ(four.accesses.scratchpad, eight.accesses.scratchpad);
  EXPECT_EQ(four.latency.compute, eight.latency.compute);
  EXPECT_EQ(eight.latency.memory.value() - four.latency.memory.value(), (96 * 128 - 102 * 64) / 8);
}

// Width 4, two heads of width 2, FFN 8 (peak_memory_test.cpp): four projections of 4 + 1 rows of 2
// bytes, FFN of 4 + 1 rows of 4 bytes and 8 + 1 rows of 2.
TEST(Int4Weights, OfALayerAreStoredAsTheyArePacked) {
  const Workload workload{3, Mode::kPrefill};
  const auto stored = [&](int bits) {
    const Architecture network{4, 2, 0, {{2, 8, bits}}};
    const std::vector<Call> calls = compile(network, workload, with_int4());
    return peak_memory(calls, workload, 4).stored;
  };
  EXPECT_EQ(stored(8) - stored(4), (64 + 64) - (4 * 10 + 20 + 18));
}

// Matrices of a network do not overlap, and layers with 8 bits lie as before.
TEST(Int4Weights, HavePlacesInANetwork) {
  const Architecture network{32, 16, 0, {{2, 64, 4}, {2, 64}}};
  const Target target = with_int4();
  const Workload workload = kSupernetWorkload;
  const std::vector<Call> calls = compile(network, workload, target);
  const NetworkMemory memory(network, workload, target, calls);
  std::vector<std::pair<std::int64_t, std::int64_t>> spans;
  for (const Call& call : calls)
    if (has_weights(call.op) && call.op.kind == OperatorKind::kMatmul)
      for (int run = 0; run < call.repeat; ++run) {
        const Placement place = memory.placement(call, run);
        EXPECT_EQ(place.right.int4, call.layer == 0);
        EXPECT_EQ(place.right.stride, call.layer == 0 ? call.op.columns / 2 : call.op.columns);
        spans.emplace_back(place.right.address,
                           place.right.address + call.op.inner * place.right.stride);
        if (call.layer == 0)
          spans.emplace_back(
              place.multipliers.address,
              place.multipliers.address + int4_groups(call.op.inner) * place.multipliers.stride);
      }
  EXPECT_EQ(spans.size(), 6u * 3);
  std::sort(spans.begin(), spans.end());
  for (std::size_t i = 1; i < spans.size(); ++i) EXPECT_LE(spans[i - 1].second, spans[i].first);
}

// Layers with four bits are cheaper, and the others cost what they did.
TEST(Int4Weights, OfANetworkChangeTheirLayersAlone) {
  const Workload workload = kSupernetWorkload;
  const Target target = with_int4();
  Architecture network{64, 32, 0, {{2, 256}, {2, 256}}};
  const auto eight = simulate(network, workload, target);
  EXPECT_EQ(eight.size(), simulate(network, workload, find_target("gemmini_transformer")).size());
  network.layers[1].weight_bits = 4;
  const auto mixed = simulate(network, workload, target);
  for (std::size_t i = 0; i < eight.size(); ++i) {
    const HardwareCost before = eight[i].report.cost, after = mixed[i].report.cost;
    if (has_weights(mixed[i].item.op) && mixed[i].item.layer == 1)
      EXPECT_LT(after.energy, before.energy) << i;
    else
      EXPECT_EQ(after, before) << i;
  }
}

// A schedule of the mapper is one of the same matmul, never worse than the library's.
TEST(Int4Weights, AreMappedAsWell) {
  Target target = with_int4();
  const Operator op = int4_matmul(64, 256, 256);
  const auto greedy = simulated_cost(op, target).energy_delay_product();
  target.tiling = Tiling::kOptimal;
  EXPECT_LE(simulated_cost(op, target).energy_delay_product(), greedy);
}

}  // namespace
}  // namespace paretoformer::accel_sim
