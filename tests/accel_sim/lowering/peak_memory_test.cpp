#include "accel_sim/lowering/peak_memory.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "accel_sim/lowering/network_memory.hpp"
#include "support/random.hpp"

namespace paretoformer::accel_sim {
namespace {

PeakMemory peak_memory_of(const Architecture& network, const Workload& workload,
                          const std::optional<Target>& target) {
  const std::vector<Call> calls = compile(transformer_operators(network, workload), target);
  PeakMemory memory = peak_memory(calls, workload, network.model_width);
  if (network.vocabulary == 0) memory += unused_final_norm(network.model_width);
  return memory;
}

std::int64_t peak_of(const Architecture& network, const Workload& workload,
                     const std::optional<Target>& target) {
  return peak_memory_of(network, workload, target).bytes();
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
  EXPECT_EQ(peak_of(n, prefill, {}), parameters + 48 + 18);
  // More are the sums of 3*4 int32 that a LayerNorm on the chip reads, with the residual stream
  // before and after its residual add.
  EXPECT_EQ(peak_of(n, prefill, target), parameters + 48 + 24);
  // A mask of 3*3 int32. Biases are there whether they are priced or not.
  EXPECT_EQ(peak_of(n, {3, Mode::kPrefill, Mask::kCausal, true}, target),
            parameters + 48 + 24 + 36);
  // A cache of keys and values, 2 x 3*4; then rows are one: FFN 2 x 4 + 8, scores only 4 + 4 + 6,
  // but the sums 16 + 2 x 4.
  EXPECT_EQ(peak_of(n, {3, Mode::kDecode}, {}), parameters + 24 + 16);
  EXPECT_EQ(peak_of(n, {3, Mode::kDecode}, target), parameters + 24 + 24);
  // Scores of four bytes.
  target.dataflow = Dataflow::kOutputStationary;
  EXPECT_EQ(peak_of(n, prefill, target), parameters + 48 + 4 * 18);
  // The embedding twice, 10*4, and three position vectors. Logits, 3*10, are no peak here ...
  n.vocabulary = 10;
  EXPECT_EQ(peak_of(n, prefill, {}), parameters + 80 + 12 + 48 + 18);
  // ... but 3*100 are, with the LayerNorm's result.
  n.vocabulary = 100;
  EXPECT_EQ(peak_of(n, prefill, {}), parameters + 800 + 12 + 12 + 300);
}

// 40 x 40 int32, or for blocks of 32 rows 32 x 32 and 64 x 32 bytes.
TEST(PeakMemory, OfAMaskByHand) {
  const Architecture n{64, 32, 0, {{2, 128}}};
  const Workload workload{40, Mode::kPrefill, Mask::kCausal};
  Target target = find_target("gemmini_transformer");
  EXPECT_EQ(peak_memory_of(n, workload, target).mask, 6400);
  target.masking = Masking::kRowBlocks;
  EXPECT_EQ(peak_memory_of(n, workload, target).mask, 1024 + 2048);
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
  const NetworkMemory memory(n, workload, target, compile(n, workload, target));
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
    if (op.kind == OperatorKind::kLayerNorm && matmul_of(op)) continue;  // of the matmul's run
    if (item->role == "attention.scores" && op.bias != Bias::kNone)
      mark(mask, memory.placement(*item, 0).bias, op.rows, op.columns);
    Bytes read = none, written = none;
    for (int i = 0; i < item->repeat; ++i) {
      const Placement p = memory.placement(*item, i);
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
        ASSERT_EQ(peak_of(n, workload, target), peak_of_placements(n, workload, target))
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
      EXPECT_GT(peak_of(larger, workload, target), peak_of(n, workload, target));
    };
    expect_more([](Architecture& a) { a.model_width += 16; });
    expect_more([](Architecture& a) { a.layers[0].heads += 1; });
    expect_more([](Architecture& a) { a.layers[0].ffn_width += 16; });
    expect_more([](Architecture& a) { a.layers.push_back({1, 16}); });
  }
}

TEST(PeakMemory, StoresEveryParameter) {
  for (const int vocabulary : {0, 200}) {
    const Architecture n{96, 32, vocabulary, {{2, 128}, {1, 256}}};
    // q, k, v and output; FFN; LayerNorms.
    const std::int64_t biases = 3 * (64 + 32) + 2 * 96 + 128 + 256 + 2 * 96 + 5 * 96;
    const std::int64_t parameters = parameter_count(n, vocabulary > 0 ? 48 : 0) + 3 * biases;
    EXPECT_EQ(peak_memory_of(n, {48, Mode::kPrefill}, {}).stored, parameters + 96 * vocabulary);
    const std::int64_t cache = 2 * 48 * (64 + 32);
    EXPECT_EQ(peak_memory_of(n, {48, Mode::kDecode}, {}).stored,
              parameters + 96 * vocabulary + cache);
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
