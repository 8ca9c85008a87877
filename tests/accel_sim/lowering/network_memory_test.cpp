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

Architecture network() {
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
  const Architecture n = network();
  const NetworkMemory memory = memory_of(n, workload, target);
  std::map<std::string, Placement> placements;
  for (const TransformerOperator& item : transformer_operators(n, workload))
    if (item.layer == layer || item.layer < 0)
      for (int i = 0; i < item.repeat; ++i)
        placements[std::string(item.role) + " " + std::to_string(i)] = memory.placement(item, i);
  return placements;
}

TEST(NetworkMemory, EveryCallReadsWhatAnEarlierOneWrote) {
  const auto p = placements({48, Mode::kPrefill}, 0, find_target("gemmini_transformer"));
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
  const Architecture n = network();
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

TEST(NetworkMemory, DecodingAppendsToTheCachedKeysAndValues) {
  const auto p = placements({48, Mode::kDecode}, 1, find_target("gemmini_transformer"));
  // One head of width 32 in the second layer: the 48th of rows of 32 bytes.
  EXPECT_EQ(p.at("attention.qkv 1").result.address,
            p.at("attention.scores 0").right.address + 47 * 32);
  EXPECT_EQ(p.at("attention.qkv 2").result.address,
            p.at("attention.context 0").right.address + 47 * 32);
}

TEST(NetworkMemory, MatricesOfACallAndWeightsOfAllDoNotOverlap) {
  const Architecture n = network();
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
  const Architecture n = network();
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
  for (const TransformerOperator& item : transformer_operators(network(), workload))
    runs += static_cast<std::size_t>(item.repeat);
  const auto reports = simulate_network(network(), workload, target);
  EXPECT_EQ(reports.size(), runs);
  for (const OperatorReport& each : reports) EXPECT_EQ(each.item.repeat, 1);
}

// The first call finds the caches cold and its matrices as packed as if it were alone.
TEST(SimulatedNetwork, TheFirstCallCostsWhatItCostsAlone) {
  const Target target = find_target("gemmini_transformer");
  const Workload workload{48, Mode::kPrefill};
  Architecture layers = network();
  layers.vocabulary = 0;
  const auto whole = simulate_network(layers, workload, target);
  EXPECT_EQ(whole[0].report.cost, simulated_cost(whole[0].item.op, target));
}

// 6 KiB of activations stay in an L2 of 512 KiB: the projections need nothing from DRAM but their
// weights, 128 x 128, and write 48 x 128 results there, in whole lines. Alone they would fetch
// their 48 x 128 inputs as well.
TEST(SimulatedNetwork, FindsInL2WhatTheCallBeforeWrote) {
  const Target target = find_target("gemmini_transformer");
  Architecture lines = network();
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
  Architecture wide = network();
  wide.model_width = 256;
  wide.head_width = 64;
  wide.layers = {{4, 512}, {2, 1024}};
  const Workload workload{192, Mode::kPrefill};
  const double whole = static_cast<double>(cycles(simulate_network(wide, workload, target)));
  const double sum = static_cast<double>(cycles(simulate(wide, workload, target)));
  EXPECT_NEAR(whole / sum, 1, 0.01);
}

TEST(SimulatedNetwork, EnginesAgree) {
  for (const char* preset : {"gemmini_transformer", "gemmini_cnn"})
    for (const Mode mode : {Mode::kPrefill, Mode::kDecode}) {
      const Target target = find_target(preset);
      NetworkOptions reference;
      reference.engine = Engine::kReference;
      const double fast =
          static_cast<double>(cycles(simulate_network(network(), {48, mode}, target)));
      const double exact =
          static_cast<double>(cycles(simulate_network(network(), {48, mode}, target, reference)));
      EXPECT_NEAR(fast / exact, 1, 0.03) << preset;
    }
}

TEST(SimulatedNetwork, EnginesAgreeOnAFusedOne) {
  Target target = find_target("gemmini_transformer");
  target.fusion = Fusion::kOn;
  NetworkOptions reference;
  reference.engine = Engine::kReference;
  for (const Mode mode : {Mode::kPrefill, Mode::kDecode}) {
    const auto calls = simulate_network(network(), {48, mode}, target);
    const double exact =
        static_cast<double>(cycles(simulate_network(network(), {48, mode}, target, reference)));
    EXPECT_NEAR(static_cast<double>(cycles(calls)) / exact, 1, 0.03);
    EXPECT_TRUE(std::any_of(calls.begin(), calls.end(), [](const OperatorReport& call) {
      return call.item.op.activation == Activation::kAddLayerNorm;
    }));
  }
}

// Width 4, two heads of width 2, FFN 8, three positions.
TEST(PeakMemory, ByHand) {
  Architecture n{4, 2, 0, {{2, 8}}};
  const Workload prefill{3, Mode::kPrefill};
  Target target = find_target("gemmini_transformer");
  // Weights: projections 4 x 4*4, FFN 2 x 4*8, three LayerNorms of 4. Biases: q, k, v and output
  // 4 x 4, FFN 8 + 4, LayerNorms 3 x 4; four bytes each.
  const std::int64_t parameters = 64 + 64 + 12 + 4 * (16 + 12 + 12);
  // At the scores: residual stream, q, k and v of 3*4 each, and scores of two heads, 3*3 each. More
  // than 5 x 12 at the projections (with the LayerNorm's result) or 2 x 12 + 3*8 in the FFN.
  EXPECT_EQ(peak_memory(n, prefill, target), parameters + 48 + 18);
  EXPECT_EQ(peak_memory(n, prefill, {}), parameters + 48 + 18);
  // A mask of 3*3 int32.
  EXPECT_EQ(peak_memory(n, {3, Mode::kPrefill, Mask::kCausal, true}, target),
            parameters + 48 + 18 + 36);
  // A cache of keys and values, 2 x 3*4; then rows are one: FFN 2 x 4 + 8, scores only 4 + 4 + 6.
  EXPECT_EQ(peak_memory(n, {3, Mode::kDecode}, target), parameters + 24 + 16);
  // Scores of four bytes.
  target.dataflow = Dataflow::kOutputStationary;
  EXPECT_EQ(peak_memory(n, prefill, target), parameters + 48 + 4 * 18);
  // The embedding twice, 10*4, and three position vectors. Logits, 3*10, are no peak here ...
  n.vocabulary = 10;
  EXPECT_EQ(peak_memory(n, prefill, {}), parameters + 80 + 12 + 48 + 18);
  // ... but 3*100 are, with the LayerNorm's result.
  n.vocabulary = 100;
  EXPECT_EQ(peak_memory(n, prefill, {}), parameters + 800 + 12 + 12 + 300);
}

using Bytes = std::vector<bool>;
void mark(Bytes& bytes, const Matrix& m, std::int64_t rows, std::int64_t columns) {
  for (std::int64_t i = 0; i < rows; ++i)
    for (std::int64_t j = 0; j < columns * m.element_bytes; ++j)
      bytes[static_cast<std::size_t>(m.address + i * m.stride + j)] = true;
}

// Parameters from the list of operators; activations by following every byte of the simulator's own
// placement from the last operator back to the first.
std::int64_t peak_of_placements(const Architecture& n, const Workload& workload,
                                const Target& target) {
  const NetworkMemory memory = memory_of(n, workload, target);
  const Bytes none(static_cast<std::size_t>(memory.bytes()));
  Bytes alive = none, weights = none, cache = none, mask = none;
  std::int64_t parameters = 0;
  std::vector<Bytes> held;
  const auto list = scheduled_operators(n, workload, target);
  for (auto item = list.rbegin(); item != list.rend(); ++item) {
    const Operator& op = item->op;
    const bool matmul = op.kind == OperatorKind::kMatmul;
    const bool transposed = op.right == RightOperand::kTransposedActivations;
    const bool projection = matmul && op.right == RightOperand::kWeights;
    const bool cached = matmul && !projection && workload.mode == Mode::kDecode;
    if (projection)
      parameters +=
          item->repeat * op.columns * (op.inner + (item->role == "language_model_head" ? 0 : 4));
    if (op.kind == OperatorKind::kLayerNorm) parameters += 5 * op.columns;
    if (op.kind == OperatorKind::kEmbedding)
      parameters += (n.vocabulary + workload.sequence_length) * op.columns;
    if (op.kind == OperatorKind::kLayerNorm || op.kind == OperatorKind::kResidualAdd)
      if (matmul_of(op)) continue;  // a part of the matmul's run
    if (item->role == "attention.scores" && op.bias != Bias::kNone)
      mark(mask, memory.placement(*item, 0).bias, op.rows, op.columns);
    Bytes read = none, written = none;
    for (int i = 0; i < item->repeat; ++i) {
      const Placement p = memory.placement(*item, i);
      if (op.activation == Activation::kAddLayerNorm) {
        mark(read, p.addend, op.rows, op.columns);
        mark(written, p.sum, op.rows, op.columns);
      }
      const std::int64_t right_rows = !matmul ? op.rows : transposed ? op.columns : op.inner;
      const std::int64_t right_columns = matmul && transposed ? op.inner : op.columns;
      if (op.kind == OperatorKind::kEmbedding) {
        mark(weights, p.left, n.vocabulary, op.columns);  // the table
      } else {
        mark(read, p.left, op.rows, matmul ? op.inner : op.columns);
        Bytes& right = projection ? weights : cached ? cache : read;
        mark(right, p.right, right_rows, right_columns);
      }
      mark(written, p.result, op.rows, op.columns);
    }
    held.push_back(none);
    for (std::size_t i = 0; i < none.size(); ++i) {
      held.back()[i] = alive[i] || read[i] || written[i];
      alive[i] = read[i] || (alive[i] && !written[i]);
    }
  }
  std::int64_t most = 0;
  for (Bytes& bytes : held) {
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = bytes[i] && !weights[i] && !cache[i];
    most = std::max<std::int64_t>(most, std::count(bytes.begin(), bytes.end(), true));
  }
  return parameters + std::count(cache.begin(), cache.end(), true) +
         std::count(mask.begin(), mask.end(), true) + most;
}

TEST(PeakMemory, IsThatOfTheSimulatorsPlacement) {
  Target sums = find_target("gemmini_transformer");
  sums.dataflow = Dataflow::kOutputStationary;
  Target fused = find_target("gemmini_transformer"), apart = fused;
  fused.fusion = Fusion::kOn;
  apart.fusion = Fusion::kOff;
  Random random(1);
  for (int i = 0; i < 16; ++i) {
    const auto draw = [&](int most) { return 1 + static_cast<int>(random.below(most)); };
    Architecture n{8 * draw(6), 8, 4 * draw(60), {}};
    for (int layers = draw(3); layers > 0; --layers) n.layers.push_back({draw(4), 8 * draw(12)});
    for (Mode mode : {Mode::kPrefill, Mode::kDecode})
      for (const Target& target :
           {find_target("gemmini_transformer"), find_target("gemmini_cnn"), sums, fused, apart}) {
        const Mask mask = i % 2 == 0 ? Mask::kNone : Mask::kCausal;
        const Workload workload{draw(48), mode, mask, i % 3 == 0};
        ASSERT_EQ(peak_memory(n, workload, target), peak_of_placements(n, workload, target))
            << describe(n) << " of vocabulary " << n.vocabulary << " at "
            << workload.sequence_length;
      }
  }
}

TEST(PeakMemory, EveryGeneAddsToIt) {
  const Architecture n{96, 32, 200, {{2, 128}, {1, 256}}};
  for (Mode mode : {Mode::kPrefill, Mode::kDecode}) {
    const Workload workload{48, mode};
    const Target target = find_target("gemmini_transformer");
    const auto expect_more = [&](const auto& change) {
      Architecture larger = n;
      change(larger);
      EXPECT_GT(peak_memory(larger, workload, target), peak_memory(n, workload, target));
    };
    expect_more([](Architecture& a) { a.model_width += 16; });
    expect_more([](Architecture& a) { a.layers[0].heads += 1; });
    expect_more([](Architecture& a) { a.layers[0].ffn_width += 16; });
    expect_more([](Architecture& a) { a.layers.push_back({1, 16}); });
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
