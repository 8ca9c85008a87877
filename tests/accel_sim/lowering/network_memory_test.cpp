#include "accel_sim/lowering/network_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::accel_sim {
namespace {

Architecture placed_network() {
  Architecture network;
  network.model_width = 96;
  network.head_width = 32;
  network.vocabulary = 200;
  network.layers = {{3, 128}, {1, 256}};
  return network;
}

// The bytes from the first to the last of a matrix of that many rows and columns.
struct Extent {
  std::int64_t begin, end;
  bool overlaps(const Extent& other) const { return begin < other.end && other.begin < end; }
};
Extent extent(const Matrix& m, std::int64_t rows, std::int64_t columns) {
  return {m.address, m.address + (rows - 1) * m.stride + columns * m.element_bytes};
}

NetworkMemory memory_of(const Architecture& network, const Workload& workload,
                        const Target& target) {
  return {network, workload, target, compile(network, workload, target)};
}

std::map<std::string, Placement> placements(const Workload& workload, int layer,
                                            const Target& target) {
  const Architecture n = placed_network();
  const NetworkMemory memory = memory_of(n, workload, target);
  std::map<std::string, Placement> placements;
  for (const TransformerOperator& item : transformer_operators(n, workload))
    if (item.layer == layer || item.layer < 0)
      for (int i = 0; i < item.repeat; ++i)
        placements[std::string(item.role) + " " + std::to_string(i)] = memory.placement(item, i);
  return placements;
}

TEST(NetworkMemory, EveryCallReadsWhatAnEarlierOneWrote) {
  const auto p = placements({48, Mode::kPrefill}, 0, find_target("gemmini_cnn"));
  const auto reads = [&](const std::string& reader, Matrix Placement::*operand,
                         const std::string& writer) {
    EXPECT_EQ((p.at(reader).*operand).address, p.at(writer).result.address) << reader;
  };
  reads("attention.norm 0", &Placement::left, "embedding 0");
  for (const char* projection : {"attention.qkv 0", "attention.qkv 1", "attention.qkv 2"})
    reads(projection, &Placement::left, "attention.norm 0");
  reads("attention.scores 0", &Placement::left, "attention.qkv 0");
  reads("attention.scores 0", &Placement::right, "attention.qkv 1");
  reads("attention.context 0", &Placement::right, "attention.qkv 2");
  for (const char* head : {" 0", " 1", " 2"})
    reads(std::string("attention.context") + head, &Placement::left,
          std::string("attention.scores") + head);
  reads("attention.output 0", &Placement::left, "attention.context 0");
  reads("attention.residual 0", &Placement::left, "embedding 0");
  reads("attention.residual 0", &Placement::right, "attention.output 0");
  reads("ffn.norm 0", &Placement::left, "attention.residual 0");
  reads("ffn.up 0", &Placement::left, "ffn.norm 0");
  reads("ffn.down 0", &Placement::left, "ffn.up 0");
  reads("ffn.residual 0", &Placement::left, "attention.residual 0");
  reads("ffn.residual 0", &Placement::right, "ffn.down 0");
  reads("final.norm 0", &Placement::left, "ffn.residual 0");
  reads("language_model_head 0", &Placement::left, "final.norm 0");
  // Head 2 of three of width 32: 64 bytes into rows of 96.
  EXPECT_EQ(p.at("attention.scores 2").left.address, p.at("attention.qkv 0").result.address + 64);
  EXPECT_EQ(p.at("attention.scores 2").left.stride, 96);
}

// A LayerNorm on the chip reads the int32 sums of the matmul before, as in transformer.c.
TEST(NetworkMemory, LayerNormsOnTheChipReadSums) {
  const Target target = find_target("gemmini_transformer");
  const Architecture n = placed_network();
  const NetworkMemory memory = memory_of(n, {48, Mode::kPrefill}, target);
  std::map<std::string, Placement> p;
  for (const TransformerOperator& item : scheduled_operators(n, {48, Mode::kPrefill}, target))
    if (item.layer <= 0) p[std::string(item.role)] = memory.placement(item, 0);
  for (const auto& [norm, matmul] :
       {std::pair{"ffn.norm", "attention.output"}, std::pair{"final.norm", "ffn.down"}}) {
    const Matrix& sums = p.at(matmul).result;
    EXPECT_EQ(sums.element_bytes, 4);
    EXPECT_EQ(sums.stride, 4 * n.model_width);
    EXPECT_EQ(p.at(norm).left.address, sums.address);
    EXPECT_EQ(p.at(norm).left.stride, sums.stride);
  }
  EXPECT_EQ(p.at("ffn.residual").right.address, p.at("ffn.down").result.address);
  EXPECT_EQ(p.at("ffn.residual").right.element_bytes, 1);
  EXPECT_EQ(p.at("ffn.up").left.address, p.at("ffn.norm").result.address);
}

// In int8, LayerNorms read the residual stream, and GELUs work in place.
TEST(NetworkMemory, LayerNormsOfInt8ReadTheStream) {
  const Workload workload{48, Mode::kPrefill, Mask::kNone, false, NonlinearInputs::kInt8};
  const auto p = placements(workload, 0, find_target("gemmini_transformer"));
  EXPECT_EQ(p.at("attention.norm 0").left.address, p.at("embedding 0").result.address);
  EXPECT_EQ(p.at("ffn.norm 0").left.address, p.at("attention.residual 0").result.address);
  EXPECT_EQ(p.at("final.norm 0").left.address, p.at("ffn.residual 0").result.address);
  for (const char* norm : {"attention.norm 0", "ffn.norm 0", "final.norm 0"})
    EXPECT_EQ(p.at(norm).left.element_bytes, 1);
  EXPECT_EQ(p.at("attention.output 0").result.element_bytes, 1);
  EXPECT_EQ(p.at("ffn.gelu 0").left.address, p.at("ffn.up 0").result.address);
  EXPECT_EQ(p.at("ffn.gelu 0").result.address, p.at("ffn.down 0").left.address);
}

// The host's softmax puts int8 probabilities where the scores were; the accelerator's own, when
// rows are too long to be fused, reads sums of four bytes each and writes elsewhere.
TEST(NetworkMemory, ScoresThatAreNotFusedAreSums) {
  Target target = find_target("gemmini_transformer");
  target.dataflow = Dataflow::kOutputStationary;
  const auto sums = placements({48, Mode::kPrefill}, 0, target);
  EXPECT_EQ(sums.at("attention.scores 0").result.stride, 48 * 4);
  EXPECT_EQ(sums.at("attention.softmax 0").left.address,
            sums.at("attention.scores 0").result.address);
  EXPECT_EQ(sums.at("attention.softmax 0").result.stride, 48);
  EXPECT_EQ(sums.at("attention.context 0").left.address,
            sums.at("attention.softmax 0").result.address);
  target.nonlinear_units = NonlinearUnits::kHost;
  const auto host = placements({48, Mode::kPrefill}, 0, target);
  EXPECT_EQ(host.at("attention.softmax 0").result.address,
            host.at("attention.scores 0").result.address);
}

// All heads and layers read one mask of 48 x 48 int32; every matmul of a layer has a row of its
// own, behind all that there is without them: 9216 bytes of mask and, of layers with three heads of
// 32 and FFN of 128, or one and 256, 4 x 384 + 512 + 384 and 3 x 128 + 384 + 1024 + 384.
TEST(NetworkMemory, MaskAndBiasesFollowAllElse) {
  const Architecture n = placed_network();
  const Target target = find_target("gemmini_transformer");
  const Workload plain{48, Mode::kPrefill}, workload{48, Mode::kPrefill, Mask::kCausal, true};
  const std::int64_t before = memory_of(n, plain, target).bytes();
  EXPECT_EQ(memory_of(n, workload, target).bytes(), before + 9216 + 2432 + 2176);
  std::vector<Extent> rows;
  for (int layer : {0, 1}) {
    const auto p = placements(workload, layer, target), without = placements(plain, layer, target);
    for (const auto& [name, placement] : p) {
      EXPECT_EQ(placement.left.address, without.at(name).left.address) << name;
      EXPECT_EQ(placement.result.address, without.at(name).result.address) << name;
    }
    EXPECT_EQ(p.at("attention.scores 0").bias.stride, 48 * 4);
    for (const auto& [name, placement] : p)
      if (name.starts_with("attention.scores")) {
        EXPECT_EQ(placement.bias.address, p.at("attention.scores 0").bias.address) << name;
      }
    const int a = layer == 0 ? 96 : 32, ffn = layer == 0 ? 128 : 256;
    for (const auto& [name, columns] :
         {std::pair("attention.qkv 0", a), std::pair("attention.qkv 1", a),
          std::pair("attention.qkv 2", a), std::pair("attention.output 0", 96),
          std::pair("ffn.up 0", ffn), std::pair("ffn.down 0", 96)}) {
      const Matrix& bias = p.at(name).bias;
      EXPECT_EQ(bias.stride, 0) << name;
      const Extent row = extent(bias, 1, columns);
      EXPECT_GE(row.begin, before);
      for (const Extent& other : rows) EXPECT_FALSE(other.overlaps(row)) << name;
      rows.push_back(row);
    }
  }
}

// Instead of the mask, 32 x 32 of identity and 64 x 32 of triangle, for heads of 32 and rows as far
// apart as queries and keys are: 96 bytes in the first layer, 32 in the second. A third layer as
// wide as the first has the same.
TEST(NetworkMemory, ConstantsOfRowBlocksLieAsQueriesAndKeysDo) {
  Architecture n = placed_network();
  n.layers.push_back(n.layers[0]);
  Target target = find_target("gemmini_transformer");
  const std::int64_t before = memory_of(n, {48, Mode::kPrefill}, target).bytes();
  target.masking = Masking::kRowBlocks;
  const Workload workload{48, Mode::kPrefill, Mask::kCausal};
  const NetworkMemory memory = memory_of(n, workload, target);
  EXPECT_EQ(memory.bytes(), before + (32 + 64) * 96 + (32 + 64) * 32);
  std::vector<Placement> scores;  // the last head's of each layer
  for (const TransformerOperator& item : scheduled_operators(n, workload, target))
    if (item.role == "attention.scores")
      scores.push_back(memory.placement(item, static_cast<int>(item.repeat) - 1));
  ASSERT_EQ(scores.size(), 3U);
  for (const Placement& each : scores) {
    EXPECT_EQ(each.identity.stride, each.left.stride);
    EXPECT_EQ(each.triangle.stride, each.right.stride);
  }
  EXPECT_EQ(scores[0].identity.address, before);
  EXPECT_EQ(scores[0].triangle.address, before + 32 * 96);
  EXPECT_EQ(scores[1].identity.address, before + (32 + 64) * 96);
  EXPECT_EQ(scores[2].triangle.address, scores[0].triangle.address);
}

TEST(NetworkMemory, DecodingAppendsToTheCachedKeysAndValues) {
  const auto p = placements({48, Mode::kDecode}, 1, find_target("gemmini_transformer"));
  // One head of width 32 in the second layer: the 48th of rows of 32 bytes.
  EXPECT_EQ(p.at("attention.qkv 1").result.address,
            p.at("attention.scores 0").right.address + 47 * 32);
  EXPECT_EQ(p.at("attention.qkv 2").result.address,
            p.at("attention.context 0").right.address + 47 * 32);
}

TEST(NetworkMemory, MatricesOfACallAndWeightsOfAllDoNotOverlap) {
  const Architecture n = placed_network();
  const Workload workload{48, Mode::kPrefill};
  const NetworkMemory memory = memory_of(n, workload, find_target("gemmini_transformer"));
  std::vector<Extent> weights;
  for (const TransformerOperator& item : transformer_operators(n, workload)) {
    if (item.op.kind != OperatorKind::kMatmul) continue;
    for (int i = 0; i < item.repeat; ++i) {
      const Placement p = memory.placement(item, i);
      const bool transposed = item.op.right == RightOperand::kTransposedActivations;
      const Extent left = extent(p.left, item.op.rows, item.op.inner);
      const Extent right = extent(p.right, transposed ? item.op.columns : item.op.inner,
                                  transposed ? item.op.inner : item.op.columns);
      const Extent result = extent(p.result, item.op.rows, item.op.columns);
      EXPECT_FALSE(left.overlaps(right) || left.overlaps(result) || right.overlaps(result))
          << item.role;
      for (const Extent& each : {left, right, result}) {
        EXPECT_GE(each.begin, 0);
        EXPECT_LE(each.end, memory.bytes());
      }
      if (item.op.right != RightOperand::kWeights) continue;
      for (const Extent& other : weights) EXPECT_FALSE(other.overlaps(right)) << item.role;
      weights.push_back(right);
    }
  }
  EXPECT_EQ(weights.size(), 2 * 6 + 1u);
}

TEST(NetworkMemory, AnAddressSpaceThatIsTooLargeIsRefused) {
  const Architecture n = placed_network();
  // Scores of 65536 x 65536 are 4 GiB.
  EXPECT_THROW(memory_of(n, {65536, Mode::kPrefill}, Target()), InputError);
}

std::int64_t cycles(const std::vector<OperatorReport>& reports, std::string_view role = "") {
  std::int64_t cycles = 0;
  for (const OperatorReport& each : reports)
    if (role.empty() || each.item.role == role)
      cycles += each.report.cost.latency.value() * each.item.repeat;
  return cycles;
}

TEST(SimulatedNetwork, HasACallForEveryRun) {
  const Target target = find_target("gemmini_transformer");
  const Workload workload{48, Mode::kPrefill};
  std::size_t runs = 0;
  for (const TransformerOperator& item : transformer_operators(placed_network(), workload))
    runs += static_cast<std::size_t>(item.repeat);
  const auto reports = simulate_network(placed_network(), workload, target);
  EXPECT_EQ(reports.size(), runs);
  for (const OperatorReport& each : reports) EXPECT_EQ(each.item.repeat, 1);
}

// The first call finds the caches cold and its matrices as packed as if it were alone.
TEST(SimulatedNetwork, TheFirstCallCostsWhatItCostsAlone) {
  const Target target = find_target("gemmini_transformer");
  const Workload workload{48, Mode::kPrefill};
  Architecture layers = placed_network();
  layers.vocabulary = 0;
  const auto whole = simulate_network(layers, workload, target);
  const double alone =
      static_cast<double>(simulated_cost(whole[0].item.op, target).latency.value());
  // Where its lines lie among L2's sets is different.
  EXPECT_NEAR(static_cast<double>(whole[0].report.cost.latency.value()), alone, 0.01 * alone);
}

// 6 KiB of activations stay in an L2 of 512 KiB: the projections need nothing from DRAM but their
// weights, 128 x 128, and write 48 x 128 results there, in whole lines. Alone they would fetch
// their 48 x 128 inputs as well.
TEST(SimulatedNetwork, FindsInL2WhatTheCallBeforeWrote) {
  const Target target = find_target("gemmini_transformer");
  Architecture lines = placed_network();
  lines.model_width = 128;
  lines.head_width = 64;
  lines.layers = {{2, 128}};
  const auto whole = simulate_network(lines, {48, Mode::kPrefill}, target);
  std::vector<std::int64_t> traffic;
  for (const OperatorReport& each : whole)
    if (each.item.role == "attention.qkv") traffic.push_back(each.report.accesses.dram_bytes);
  ASSERT_EQ(traffic.size(), 3u);
  // Random replacement may have taken a few lines.
  for (std::int64_t bytes : traffic) {
    EXPECT_GE(bytes, 128 * 128 + 48 * 128);
    EXPECT_LE(bytes, 128 * 128 + 48 * 128 + 10 * 64);
  }
  const Operator alone = matmul(48, 128, 128);
  EXPECT_GE(simulate(alone, target).accesses.dram_bytes, 128 * 128 + 2 * 48 * 128);
}

// Without a cache to speak of and with pages that cost nothing to open, calls do not know of each
// other: only where heads lie in their lines is left.
TEST(SimulatedNetwork, IsTheSumOfItsCallsWhenNothingIsKept) {
  Target target = find_target("gemmini_transformer");
  target.l2_kib = 16;
  target.dram_page_miss_cycles = 0;
  Architecture wide = placed_network();
  wide.model_width = 256;
  wide.head_width = 64;
  wide.layers = {{4, 512}, {2, 1024}};
  const Workload workload{192, Mode::kPrefill};
  const double whole = static_cast<double>(cycles(simulate_network(wide, workload, target)));
  const double sum = static_cast<double>(cycles(simulate(wide, workload, target)));
  EXPECT_NEAR(whole / sum, 1, 0.01);
}

// Of a single row every operator waits for its weights, an mvin at a time; there the fast engine is
// up to 14 % slower than the reference, and nearer to RTL.
constexpr double kOneRow = 0.08;

TEST(SimulatedNetwork, EnginesAgree) {
  for (const char* preset : {"gemmini_transformer", "gemmini_cnn"})
    for (const Mode mode : {Mode::kPrefill, Mode::kDecode}) {
      const Target target = find_target(preset);
      NetworkOptions reference;
      reference.engine = Engine::kReference;
      const double fast =
          static_cast<double>(cycles(simulate_network(placed_network(), {48, mode}, target)));
      const double exact = static_cast<double>(
          cycles(simulate_network(placed_network(), {48, mode}, target, reference)));
      EXPECT_NEAR(fast / exact, 1, mode == Mode::kDecode ? kOneRow : 0.03) << preset;
    }
}

TEST(SimulatedNetwork, EnginesAgreeOnAQuantisedOne) {
  const Target target = find_target("gemmini_transformer");
  NetworkOptions reference;
  reference.engine = Engine::kReference;
  for (const Mode mode : {Mode::kPrefill, Mode::kDecode}) {
    Workload workload = kSupernetWorkload;
    workload.sequence_length = 48;
    workload.mode = mode;
    const auto calls = simulate_network(placed_network(), workload, target);
    const double exact = static_cast<double>(
        cycles(simulate_network(placed_network(), workload, target, reference)));
    // Projections of its widths wait for their weights, too: up to 11 % slower.
    EXPECT_NEAR(static_cast<double>(cycles(calls)) / exact, 1,
                mode == Mode::kDecode ? kOneRow : 0.05);
  }
}

TEST(SimulatedNetwork, EnginesAgreeOnAFusedOne) {
  Target target = find_target("gemmini_transformer");
  target.fusion = Fusion::kOn;
  NetworkOptions reference;
  reference.engine = Engine::kReference;
  for (const Mode mode : {Mode::kPrefill, Mode::kDecode}) {
    const auto calls = simulate_network(placed_network(), {48, mode}, target);
    const double exact = static_cast<double>(
        cycles(simulate_network(placed_network(), {48, mode}, target, reference)));
    EXPECT_NEAR(static_cast<double>(cycles(calls)) / exact, 1,
                mode == Mode::kDecode ? kOneRow : 0.03);
    EXPECT_TRUE(std::any_of(calls.begin(), calls.end(), [](const OperatorReport& call) {
      return call.item.op.activation == Activation::kLayerNorm;
    }));
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
