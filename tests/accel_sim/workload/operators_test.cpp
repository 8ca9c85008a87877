#include "accel_sim/workload/operators.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unordered_set>

#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

const TransformerOperator& find(const std::vector<TransformerOperator>& list, std::string_view role,
                                int layer = 0) {
  for (const TransformerOperator& item : list)
    if (item.role == role && item.layer == layer) return item;
  throw Error("no such role");
}

TEST(TransformerOperators, OneLayerInOrder) {
  const Architecture architecture{96, 16, 0, {{4, 384}}};
  const auto list = transformer_operators(architecture, {32, Mode::kPrefill});
  std::vector<std::string_view> roles;
  for (const TransformerOperator& item : list) roles.push_back(item.role);
  EXPECT_THAT(roles, testing::ElementsAre("attention.norm", "attention.qkv", "attention.scores",
                                          "attention.softmax", "attention.context",
                                          "attention.output", "attention.residual", "ffn.norm",
                                          "ffn.up", "ffn.gelu", "ffn.down", "ffn.residual"));
  // Four heads of 16: projections 96 -> 64.
  EXPECT_EQ(find(list, "attention.qkv").op, matmul(32, 96, 64));
  EXPECT_EQ(find(list, "attention.qkv").repeat, 3);
  EXPECT_EQ(find(list, "attention.scores").op,
            matmul(32, 16, 32, RightOperand::kTransposedActivations, Activation::kSoftmax));
  EXPECT_EQ(find(list, "attention.scores").repeat, 4);
  EXPECT_EQ(find(list, "attention.context").op, matmul(32, 32, 16, RightOperand::kActivations));
  EXPECT_EQ(find(list, "attention.output").op, matmul(32, 64, 96));
  EXPECT_EQ(find(list, "ffn.up").op,
            matmul(32, 96, 384, RightOperand::kWeights, Activation::kGelu));
  EXPECT_EQ(find(list, "ffn.down").op, matmul(32, 384, 96));
}

TEST(TransformerOperators, VocabularyAddsEmbeddingFinalNormAndHead) {
  const auto list = transformer_operators({96, 16, 1000, {{4, 384}}}, {32, Mode::kPrefill});
  EXPECT_EQ(list.size(), 12U + 3U);
  EXPECT_EQ(list.front().op, elementwise(OperatorKind::kEmbedding, 32, 96));
  EXPECT_EQ(list.back().op, matmul(32, 96, 1000));
}

TEST(TransformerOperators, DecodeComputesOneTokenAgainstAllCachedOnes) {
  const auto list = transformer_operators({96, 16, 1000, {{4, 384}}}, {32, Mode::kDecode});
  EXPECT_EQ(find(list, "attention.qkv").op, matmul(1, 96, 64));
  EXPECT_EQ(find(list, "attention.scores").op.columns, 32);
  EXPECT_EQ(find(list, "attention.softmax").op, softmax_of(find(list, "attention.scores").op));
  EXPECT_EQ(find(list, "attention.context").op, matmul(1, 32, 16, RightOperand::kActivations));
  EXPECT_EQ(list.back().op, matmul(1, 96, 1000));
}

TEST(TransformerOperators, EqualLayersAndHeadsGiveEqualKeys) {
  const Architecture six{768, 64, 0, std::vector<Layer>(6, {12, 3072})};
  std::unordered_set<Operator, OperatorHash> keys;
  const auto list = transformer_operators(six, {512, Mode::kPrefill});
  EXPECT_EQ(list.size(), 72U);
  for (const TransformerOperator& item : list) keys.insert(item.op);
  // norm, q/k/v = output projection, scores, softmax, context, residual, up, gelu, down.
  EXPECT_EQ(keys.size(), 9U);
}

// Two heads: both have the mask, 32 x 32 numbers. A decoded token may see all.
TEST(TransformerOperators, ACausalMaskIsABiasOfAllScores) {
  const Architecture architecture{96, 16, 1000, {{2, 384}}};
  const auto plain = transformer_operators(architecture, {32, Mode::kPrefill});
  auto masked = transformer_operators(architecture, {32, Mode::kPrefill, Mask::kCausal});
  ASSERT_EQ(masked.size(), plain.size());
  const Operator scores = find(masked, "attention.scores").op;
  EXPECT_EQ(scores, matmul(32, 16, 32, RightOperand::kTransposedActivations, Activation::kSoftmax,
                           Bias::kFull));
  EXPECT_EQ(find(masked, "attention.softmax").op, softmax_of(scores));
  for (std::size_t i = 0; i < plain.size(); ++i) {
    masked[i].op.bias = Bias::kNone;
    EXPECT_EQ(masked[i].op, plain[i].op) << plain[i].role;
  }
  const auto token = transformer_operators(architecture, {32, Mode::kDecode, Mask::kCausal});
  EXPECT_EQ(find(token, "attention.scores").op.bias, Bias::kNone);
}

TEST(TransformerOperators, BiasesAreRowsOfTheLayersMatmuls) {
  const auto list =
      transformer_operators({96, 16, 1000, {{2, 384}}}, {32, Mode::kPrefill, Mask::kNone, true});
  for (const TransformerOperator& item : list) {
    const bool has = item.role == "attention.qkv" || item.role == "attention.output" ||
                     item.role == "ffn.up" || item.role == "ffn.down";
    EXPECT_EQ(item.op.bias, has ? Bias::kRow : Bias::kNone) << item.role;
  }
}

// LayerNorms read their rows four times, GELUs once, and products leave without activation; the
// embedding adds positions, and logits are sums.
TEST(TransformerOperators, OfInt8) {
  const Architecture network{64, 16, 50, {{2, 128}}};
  Workload workload{32};
  workload.nonlinear_inputs = NonlinearInputs::kInt8;
  int norms = 0;
  for (const TransformerOperator& item : transformer_operators(network, workload)) {
    if (item.op.kind == OperatorKind::kLayerNorm) {
      ++norms;
      EXPECT_EQ(item.op, of_int8(OperatorKind::kLayerNorm, 32, 64));
    }
    if (item.role == "ffn.gelu") {
      EXPECT_EQ(describe(item.op), "gelu - - 32 1 128");
    }
    if (item.role == "ffn.up") {
      EXPECT_EQ(item.op.activation, Activation::kNone);
    }
    EXPECT_EQ(operator_from_text(describe(item.op)), item.op);
    if (reads_int8(item.op)) {
      EXPECT_FALSE(matmul_of(item.op));
    }
  }
  EXPECT_EQ(norms, 3);
  const auto list = transformer_operators(network, workload);
  EXPECT_EQ(list.front().op, of_int8(OperatorKind::kEmbedding, 32, 64));
  EXPECT_EQ(list.back().op, matmul(32, 64, 50, RightOperand::kWeights, Activation::kSums));
  EXPECT_EQ(describe(of_int8(OperatorKind::kLayerNorm, 8, 64)), "layer_norm - - 8 4 64");
  for (const char* text : {"layer_norm - - 8 3 64", "gelu - - 8 2 64", "softmax - - 8 1 64"})
    EXPECT_THROW(operator_from_text(text), InputError) << text;
}

TEST(TransformerOperators, RejectsSizesThatNobodyMeans) {
  const Architecture small{96, 16, 0, {{4, 384}}};
  EXPECT_THROW(transformer_operators(small, {0, Mode::kPrefill}), InputError);
  EXPECT_THROW(transformer_operators(small, {1 << 21, Mode::kPrefill}), InputError);
  EXPECT_THROW(transformer_operators({96, 1 << 20, 0, {{2, 384}}}, {32, Mode::kPrefill}),
               InputError);
}

TEST(OperatorStatistics, ByHand) {
  // 2x3 times 3x4: 24 MACs; as projection 48 FLOPs; between activations (2*3-1)*8 = 40;
  // 6 + 12 + 8 bytes.
  EXPECT_EQ(statistics(matmul(2, 3, 4)).macs, 24);
  EXPECT_EQ(statistics(matmul(2, 3, 4)).flops, 48);
  EXPECT_EQ(statistics(matmul(2, 3, 4)).bytes, 26);
  EXPECT_EQ(statistics(matmul(2, 3, 4, RightOperand::kActivations)).flops, 40);
  EXPECT_EQ(statistics(elementwise(OperatorKind::kSoftmax, 2, 5)).flops, 40);
  EXPECT_EQ(statistics(elementwise(OperatorKind::kSoftmax, 2, 5)).bytes, 20);
  EXPECT_EQ(statistics(elementwise(OperatorKind::kResidualAdd, 2, 5)).bytes, 30);
}

// 2x3 times 3x5: 2*5 results, 6 + 15 + 10 bytes. A row of bias is 5 int32, a full one 10.
TEST(OperatorStatistics, ABiasByHand) {
  Operator op = matmul(2, 3, 5, RightOperand::kActivations);
  EXPECT_EQ(bias_bytes(op), 0);
  EXPECT_EQ(statistics(op).bytes, 31);
  EXPECT_EQ(statistics(op).flops, 2 * 30 - 10);
  op.bias = Bias::kRow;
  EXPECT_EQ(bias_bytes(op), 20);
  EXPECT_EQ(statistics(op).bytes, 31 + 20);
  EXPECT_EQ(statistics(op).flops, 2 * 30);  // an addition more for each result
  EXPECT_EQ(statistics(op).macs, 30);
  op.bias = Bias::kFull;
  EXPECT_EQ(statistics(op).bytes, 31 + 40);
  EXPECT_TRUE(loads_bias(op));
  op.bias = Bias::kTriangle;  // products instead
  EXPECT_FALSE(loads_bias(op));
  EXPECT_EQ(bias_bytes(op), 0);
}

std::int64_t macs_of(const Architecture& network, const Workload& workload) {
  std::int64_t sum = 0;
  for (const TransformerOperator& item : transformer_operators(network, workload))
    sum += macs(item);
  return sum;
}

TEST(Macs, ByHand) {
  // Width 4, two heads of width 2, FFN 8, three positions. Projections 4 x 3*4*4, scores and
  // context 2 x 2 x 3*2*3, FFN 2 x 3*4*8; a vocabulary of 10 adds 3*4*10.
  Architecture network{4, 2, 0, {{2, 8}}};
  EXPECT_EQ(macs_of(network, {3, Mode::kPrefill}), 192 + 72 + 192);
  // One row instead of three.
  EXPECT_EQ(macs_of(network, {3, Mode::kDecode}), 64 + 24 + 64);
  network.vocabulary = 10;
  EXPECT_EQ(macs_of(network, {3, Mode::kPrefill}), 456 + 120);
  // 2^60 each.
  const Operator huge = matmul(1 << 20, 1 << 20, 1 << 20);
  EXPECT_EQ(macs({"", 0, 7, huge}), std::int64_t{7} << 60);
  EXPECT_THROW(macs({"", 0, 8, huge}), Error);
}

TEST(OperatorText, RoundTripsAndRejects) {
  const auto list = transformer_operators({96, 16, 1000, {{4, 384}}}, {32, Mode::kPrefill});
  for (const TransformerOperator& item : list)
    EXPECT_EQ(operator_from_text(describe(item.op)), item.op) << describe(item.op);
  for (const Activation activation : {Activation::kSums, Activation::kLayerNorm})
    EXPECT_NO_THROW(
        operator_from_text(describe(matmul(8, 16, 32, RightOperand::kWeights, activation))));
  const Operator fused = matmul(8, 16, 32, RightOperand::kWeights, Activation::kLayerNorm);
  EXPECT_EQ(operator_from_text(describe(layer_norm_of(fused))), layer_norm_of(fused));
  EXPECT_EQ(matmul_of(layer_norm_of(fused)), fused);
  EXPECT_EQ(matmul_of(list.front().op), std::nullopt);
  EXPECT_EQ(describe(matmul(512, 768, 3072, RightOperand::kWeights, Activation::kGelu)),
            "matmul weights gelu 512 768 3072");
  const Operator scores =
      matmul(8, 16, 8, RightOperand::kTransposedActivations, Activation::kSoftmax, Bias::kFull);
  EXPECT_EQ(describe(scores), "matmul transposed_activations softmax 8 16 8 full_bias");
  Operator blocks = scores;
  blocks.bias = Bias::kTriangle;
  EXPECT_EQ(describe(blocks), "matmul transposed_activations softmax 8 16 8 triangle");
  for (const Operator& op :
       {scores, softmax_of(scores), blocks, softmax_of(blocks),
        matmul(8, 16, 32, RightOperand::kWeights, Activation::kRelu, Bias::kRow)})
    EXPECT_EQ(operator_from_text(describe(op)), op) << describe(op);
  EXPECT_EQ(matmul_of(softmax_of(scores)), scores);
  for (const char* text : {"matmul transposed_activations softmax 8 16 16 triangle",
                           "matmul weights - 8 8 8 triangle",
                           "matmul weights - 1 2 3 bias",
                           "matmul weights - 1 2 3 row_bias 4",
                           "softmax - - 1 0 3 row_bias",
                           "",
                           "matmul",
                           "matmul weights - 1 2",
                           "matmul weights - 1 2 3 4",
                           "matmul - - 1 2 3",
                           "matmul weights - 0 2 3",
                           "softmax - - 1 2 3",
                           "softmax weights - 1 0 3",
                           "layer_norm weights - 1 2 3",
                           "residual_add weights layer_norm 1 2 3",
                           "sofmax - - 1 0 3",
                           "matmul weights - a 2 3",
                           "matmul weights - 1048577 2 3",
                           "matmul weights - 1 1048577 3",
                           "gelu - - 1 0 2147483647"})
    EXPECT_THROW(operator_from_text(text), InputError) << text;
}

}  // namespace
}  // namespace paretoformer::accel_sim
