#include "accel_sim/lowering/compile.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "accel_sim/closed_form/analytical_model.hpp"
#include "accel_sim/lowering/network_memory.hpp"
#include "accel_sim/simulator.hpp"
#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr Workload kWorkload{64, Mode::kPrefill};

Target with(Fusion fusion, Target target = find_target("gemmini_transformer")) {
  target.fusion = fusion;
  return target;
}

Architecture scheduled_network() { return {128, 32, 100, {{2, 256}, {1, 512}}}; }

constexpr Workload kMasked{64, Mode::kPrefill, Mask::kCausal};

std::vector<std::string> operators(const Target& target, const OperatorPricer& price = {},
                                   const Workload& workload = kWorkload) {
  std::vector<std::string> texts;
  for (const TransformerOperator& item :
       scheduled_operators(scheduled_network(), workload, target, price))
    texts.push_back(std::string(item.role) + ": " + describe(item.op));
  return texts;
}

// Every operator's price is so many cycles and picojoules: 1, but for a fused matmul.
OperatorPricer fused_costs(int cycles) {
  return [cycles](const Operator& op) {
    const bool fused = op.activation == Activation::kSoftmax || op.kind != OperatorKind::kMatmul
                           ? op.inner > 0
                           : op.activation == Activation::kLayerNorm;
    const int alone = op.kind == OperatorKind::kLayerNorm ? 2 : 1;
    const std::int64_t cost = fused && op.kind == OperatorKind::kMatmul ? cycles
                              : fused                                   ? 0
                                                                        : alone;
    return HardwareCost{Cycles(cost), Picojoules::from_femtojoules(1000 * cost)};
  };
}

// 8 KiB of accumulator are 8 blocks of 16 x 16 sums, half of them 4; half the scratchpad is 128
// blocks of operands.
Target small_accumulator(Fusion fusion = Fusion::kLibrary) {
  Target target = with(fusion);
  target.accumulator_kib = 8;
  return target;
}

Operator scores_of_width(int columns) {
  return matmul(32, 32, columns, RightOperand::kTransposedActivations, Activation::kSoftmax);
}

TEST(Compile, HostComputesWhatTheChipCannot) {
  const Target host = find_target("gemmini_cnn");
  for (const OperatorKind kind : {OperatorKind::kSoftmax, OperatorKind::kLayerNorm,
                                  OperatorKind::kGelu, OperatorKind::kResidualAdd})
    EXPECT_EQ(compile(elementwise(kind, 8, 8), host).runs_in, RunsIn::kHost);
  const Call scores = compile(scores_of_width(64), host);
  EXPECT_EQ(scores.runs_in, RunsIn::kOwnProgram);
  EXPECT_EQ(scores.fused, Normalisation::kNone);
  EXPECT_EQ(scores.result_bytes, 1);
  EXPECT_EQ(compile(softmax_of(scores_of_width(64)), host).runs_in, RunsIn::kHost);
  EXPECT_EQ(compile(elementwise(OperatorKind::kEmbedding, 8, 8), host).runs_in,
            RunsIn::kOwnProgram);
}

TEST(Compile, AGeluOnTheChipIsInItsMatmulsStores) {
  EXPECT_EQ(compile(elementwise(OperatorKind::kGelu, 8, 8), small_accumulator()).runs_in,
            RunsIn::kStores);
}

TEST(Compile, WhatReadsInt8IsAPassOfItsOwn) {
  const Call norm =
      compile(of_int8(OperatorKind::kLayerNorm, 8, 64), small_accumulator(Fusion::kOn));
  EXPECT_EQ(norm.runs_in, RunsIn::kOwnProgram);
  EXPECT_EQ(norm.operand_bytes, 1);
  EXPECT_EQ(norm.reads, 4);
  EXPECT_EQ(
      compile(elementwise(OperatorKind::kLayerNorm, 8, 64), small_accumulator()).operand_bytes, 4);
  const Call gelu = compile(of_int8(OperatorKind::kGelu, 8, 64), small_accumulator());
  EXPECT_EQ(gelu.runs_in, RunsIn::kOwnProgram);
  EXPECT_EQ(gelu.reads, 1);
  for (const OperatorKind kind : {OperatorKind::kLayerNorm, OperatorKind::kGelu})
    EXPECT_EQ(compile(of_int8(kind, 8, 64), find_target("gemmini_cnn")).runs_in, RunsIn::kHost);
  // Rows of 16 blocks do not fit; a GELU's may be cut.
  EXPECT_EQ(compile(of_int8(OperatorKind::kLayerNorm, 8, 256), small_accumulator()).runs_in,
            RunsIn::kHost);
  EXPECT_EQ(compile(of_int8(OperatorKind::kGelu, 8, 256), small_accumulator()).runs_in,
            RunsIn::kOwnProgram);
}

// No LayerNorm is fused, no product leaves as sums or activated, whatever fusion says, but for the
// logits.
TEST(Compile, AQuantisedNetworkKeepsLayerNormAndGeluApart) {
  const Architecture network{64, 16, 50, {{2, 128}, {4, 64}}};
  Workload workload = kSupernetWorkload;
  workload.sequence_length = 32;
  for (const Fusion fusion : {Fusion::kLibrary, Fusion::kOn, Fusion::kOff}) {
    Target target = find_target("gemmini_transformer");
    target.fusion = fusion;
    int norms = 0, gelus = 0;
    for (const Call& call : compile(network, workload, target)) {
      norms += call.op == of_int8(OperatorKind::kLayerNorm, 32, 64);
      gelus += call.op.kind == OperatorKind::kGelu && reads_int8(call.op);
      if (call.op.kind != OperatorKind::kMatmul || call.role == "attention.scores") continue;
      const bool head = call.role == "language_model_head";
      EXPECT_EQ(call.op.activation, head ? Activation::kSums : Activation::kNone) << call.role;
      EXPECT_EQ(call.result_bytes, head ? 4 : 1) << call.role;
    }
    EXPECT_EQ(norms, 5);
    EXPECT_EQ(gelus, 2);
  }
}

// Rows of 4 blocks fit half the accumulator, one row of blocks at a time, both inner blocks at
// once.
TEST(Compile, ASoftmaxWhoseRowsFitIsAPartOfItsScoresRun) {
  const Operator op = scores_of_width(64);
  const Call scores = compile(op, small_accumulator());
  EXPECT_EQ(scores.runs_in, RunsIn::kOwnProgram);
  EXPECT_EQ(scores.op, op);
  EXPECT_EQ(scores.program, op);
  EXPECT_EQ(scores.fused, Normalisation::kSoftmax);
  EXPECT_EQ(scores.schedule, (MatmulTile{1, 2, 4}));
  EXPECT_FALSE(scores.takes_turns);
  EXPECT_EQ(scores.result_bytes, 1);
  const Call softmax = compile(softmax_of(op), small_accumulator());
  EXPECT_EQ(softmax.runs_in, RunsIn::kFusedRun);
  EXPECT_EQ(softmax.op, softmax_of(op));
  EXPECT_EQ(softmax.program, op);
  EXPECT_EQ(softmax.schedule, scores.schedule);
}

// Rows of 8 blocks take all of it: sums go to DRAM, but where that much may be taken.
TEST(Compile, RowsThatTakeAllOfTheAccumulatorAreNotTheLibrarys) {
  const Operator op = scores_of_width(128);
  const Call apart = compile(op, small_accumulator());
  EXPECT_EQ(apart.fused, Normalisation::kNone);
  EXPECT_EQ(apart.result_bytes, 4);
  EXPECT_EQ(apart.schedule, greedy_tile(op, small_accumulator()));
  const Call softmax = compile(softmax_of(op), small_accumulator());
  EXPECT_EQ(softmax.runs_in, RunsIn::kOwnProgram);
  EXPECT_EQ(softmax.program, softmax.op);
  EXPECT_FALSE(softmax.schedule);
  const Call fused = compile(op, small_accumulator(Fusion::kOn));
  EXPECT_EQ(fused.fused, Normalisation::kSoftmax);
  EXPECT_EQ(fused.schedule, (MatmulTile{1, 2, 8}));
  EXPECT_TRUE(fused.takes_turns);
  EXPECT_EQ(fused.result_bytes, 1);
}

// Rows of 16 blocks: the host's softmax reads int8.
TEST(Compile, RowsTooLongToBeNormalisedAreTheHosts) {
  for (const Fusion fusion : {Fusion::kLibrary, Fusion::kOn}) {
    EXPECT_EQ(compile(softmax_of(scores_of_width(256)), small_accumulator(fusion)).runs_in,
              RunsIn::kHost);
    EXPECT_EQ(compile(scores_of_width(256), small_accumulator(fusion)).fused, Normalisation::kNone);
    EXPECT_EQ(compile(scores_of_width(256), small_accumulator(fusion)).result_bytes, 1);
  }
}

TEST(Compile, AFusedLayerNormIsAPartOfTheRun) {
  const Operator op = matmul(32, 32, 64, RightOperand::kWeights, Activation::kLayerNorm);
  EXPECT_EQ(compile(op, small_accumulator()).fused, Normalisation::kLayerNorm);
  EXPECT_EQ(compile(layer_norm_of(op), small_accumulator()).runs_in, RunsIn::kFusedRun);
  EXPECT_EQ(compile(layer_norm_of(op), small_accumulator()).program, op);
}

TEST(Compile, SumsAreOfFourBytes) {
  Operator op = scores_of_width(64);
  op.activation = Activation::kSums;
  EXPECT_EQ(compile(op, small_accumulator()).result_bytes, 4);
  EXPECT_EQ(compile(op, small_accumulator()).fused, Normalisation::kNone);
}

TEST(Compile, AnOperatorByItselfIsInNoLayer) {
  const Call call = compile(matmul(64, 64, 64), small_accumulator());
  EXPECT_EQ(call.role, "");
  EXPECT_EQ(call.layer, -1);
  EXPECT_EQ(call.repeat, 1);
}

TEST(Compile, TheScheduleMayBeGiven) {
  const Operator op = matmul(64, 64, 64);
  EXPECT_EQ(compile(op, small_accumulator()).schedule, greedy_tile(op, small_accumulator()));
  EXPECT_EQ(compile(op, small_accumulator(), MatmulTile{1, 2, 1}).schedule, (MatmulTile{1, 2, 1}));
}

// 27 operators; the products are eleven shapes, scores and context the same in both layers. The
// softmax, which is a part of the scores' run, has their schedule.
TEST(Compile, ANetworkIsItsOperatorsEachDecidedOnce) {
  const Target target = with(Fusion::kLibrary);
  int asked = 0;
  const MatmulScheduler ones = [&](const Call& librarys) {
    ++asked;
    if (librarys.fused == Normalisation::kNone) {
      EXPECT_EQ(librarys.schedule, greedy_tile(librarys.program, target));
      return MatmulTile{1, 1, 1};
    }
    EXPECT_EQ(librarys.schedule, whole_row_tile(librarys.program, target));
    return MatmulTile{1, 1, 4};
  };
  const std::vector<Call> calls = compile(scheduled_network(), kWorkload, target, {}, ones);
  EXPECT_EQ(asked, 11);
  const auto list = scheduled_operators(scheduled_network(), kWorkload, target);
  ASSERT_EQ(calls.size(), list.size());
  for (std::size_t i = 0; i < list.size(); ++i) {
    EXPECT_EQ(calls[i].role, list[i].role);
    EXPECT_EQ(calls[i].layer, list[i].layer);
    EXPECT_EQ(calls[i].repeat, list[i].repeat);
    EXPECT_EQ(calls[i].op, list[i].op);
    EXPECT_EQ(calls[i].runs_in, compile(list[i].op, target).runs_in);
    if (calls[i].schedule) {
      const bool whole_rows = calls[i].fused != Normalisation::kNone;
      EXPECT_EQ(calls[i].schedule, (MatmulTile{1, 1, whole_rows ? 4 : 1}));
    }
  }
  EXPECT_EQ(calls[4].schedule, calls[3].schedule);
  EXPECT_EQ(calls[4].role, "attention.softmax");
  EXPECT_EQ(calls[4].runs_in, RunsIn::kFusedRun);
  EXPECT_EQ(calls[4].program, calls[3].op);
}

// A LayerNorm follows every output projection and FFN down: they leave sums for it.
TEST(Compile, TheLibraryFusesNoLayerNorm) {
  std::vector<std::string> texts;
  for (TransformerOperator& item : transformer_operators(scheduled_network(), kWorkload)) {
    if (item.role == "attention.output" || item.role == "ffn.down")
      item.op.activation = Activation::kSums;
    texts.push_back(std::string(item.role) + ": " + describe(item.op));
  }
  EXPECT_EQ(operators(with(Fusion::kLibrary)), texts);
}

// Layer 0: heads of 32, FFN 256; layer 1: one head, FFN 512. The first LayerNorm has nothing before
// it; the second layer's follows the first one's FFN, the final one the second's.
TEST(Compile, OnFusesEveryPair) {
  EXPECT_EQ(
      operators(with(Fusion::kOn)),
      (std::vector<std::string>{"embedding: embedding - - 64 0 128",
                                "attention.norm: layer_norm - - 64 0 128",
                                "attention.qkv: matmul weights - 64 128 64",
                                "attention.scores: matmul transposed_activations softmax 64 32 64",
                                "attention.softmax: softmax transposed_activations - 64 32 64",
                                "attention.context: matmul activations - 64 64 32",
                                "attention.output: matmul weights layer_norm 64 64 128",
                                "attention.residual: residual_add - - 64 0 128",
                                "ffn.norm: layer_norm weights layer_norm 64 64 128",
                                "ffn.up: matmul weights gelu 64 128 256",
                                "ffn.gelu: gelu - - 64 0 256",
                                "ffn.down: matmul weights layer_norm 64 256 128",
                                "ffn.residual: residual_add - - 64 0 128",
                                "attention.norm: layer_norm weights layer_norm 64 256 128",
                                "attention.qkv: matmul weights - 64 128 32",
                                "attention.scores: matmul transposed_activations softmax 64 32 64",
                                "attention.softmax: softmax transposed_activations - 64 32 64",
                                "attention.context: matmul activations - 64 64 32",
                                "attention.output: matmul weights layer_norm 64 32 128",
                                "attention.residual: residual_add - - 64 0 128",
                                "ffn.norm: layer_norm weights layer_norm 64 32 128",
                                "ffn.up: matmul weights gelu 64 128 512",
                                "ffn.gelu: gelu - - 64 0 512",
                                "ffn.down: matmul weights layer_norm 64 512 128",
                                "ffn.residual: residual_add - - 64 0 128",
                                "final.norm: layer_norm weights layer_norm 64 512 128",
                                "language_model_head: matmul weights - 64 128 100"}));
}

TEST(Compile, OffSendsScoresAsSums) {
  std::vector<std::string> texts = operators(with(Fusion::kLibrary));
  for (std::string& text : texts) {
    if (text.starts_with("attention.scores"))
      text = "attention.scores: matmul transposed_activations sums 64 32 64";
    if (text.starts_with("attention.softmax")) text = "attention.softmax: softmax - - 64 0 64";
  }
  EXPECT_EQ(operators(with(Fusion::kOff)), texts);
}

TEST(Compile, BestNeedsPrices) {
  EXPECT_THROW(operators(with(Fusion::kBest)), Error);
  EXPECT_NO_THROW(operators(with(Fusion::kOn)));
}

// Scores and softmax by themselves cost 1 + 1; matmul, residual add and LayerNorm 1 + 1 + 2, with a
// fused LayerNorm 1 more than the matmul.
TEST(Compile, BestTakesTheLowerEnergyDelayProductAndDoesWithoutFusionWhenEqual) {
  const Target best = with(Fusion::kBest);
  EXPECT_EQ(operators(best, fused_costs(1)), operators(with(Fusion::kOn)));
  EXPECT_EQ(operators(best, fused_costs(3)), operators(with(Fusion::kOff)));
  const std::vector<std::string> two = operators(best, fused_costs(2));
  for (std::size_t i = 0; i < two.size(); ++i) {
    const bool scores = two[i].starts_with("attention.s");
    EXPECT_EQ(two[i], operators(with(scores ? Fusion::kOff : Fusion::kOn))[i]);
  }
}

TEST(Compile, NothingToChooseWithoutNormaliserOrRoom) {
  Target stationary = find_target("gemmini_transformer"), small_accumulator = stationary;
  stationary.dataflow = Dataflow::kOutputStationary;
  small_accumulator.array_size = 128;
  small_accumulator.accumulator_kib = 128;  // two blocks, 256 columns
  Architecture wide = scheduled_network();
  wide.model_width = 512;
  const Workload longer{512, Mode::kPrefill};
  for (const Target& target : {find_target("gemmini_cnn"), stationary, small_accumulator})
    for (Fusion fusion : {Fusion::kOn, Fusion::kBest}) {
      const auto plain = scheduled_operators(wide, longer, with(Fusion::kOff, target));
      const auto list = scheduled_operators(wide, longer, with(fusion, target), fused_costs(1));
      ASSERT_EQ(list.size(), plain.size());
      for (std::size_t i = 0; i < list.size(); ++i) EXPECT_EQ(list[i].op, plain[i].op);
    }
}

Target masked(Masking masking, Fusion fusion = Fusion::kLibrary) {
  Target target = with(fusion);
  target.masking = masking;
  return target;
}

// Scores and softmax of a masked network: so they begin, and so they end.
void expect_scores(const std::vector<std::string>& texts, const std::string& scores,
                   const std::string& softmax) {
  int found = 0;
  for (const std::string& text : texts) {
    if (!text.starts_with("attention.s")) continue;
    ++found;
    EXPECT_EQ(text, text.starts_with("attention.scores") ? "attention.scores: " + scores
                                                         : "attention.softmax: " + softmax);
  }
  EXPECT_EQ(found, 4);
}

constexpr const char* kBiased = "matmul transposed_activations softmax 64 32 64 full_bias";
constexpr const char* kBiasedSoftmax = "softmax transposed_activations - 64 32 64 full_bias";
constexpr const char* kBlocks = "matmul transposed_activations softmax 64 32 64 triangle";
constexpr const char* kBlocksSoftmax = "softmax transposed_activations - 64 32 64 triangle";

TEST(Masking, IsABiasOrRowBlocks) {
  expect_scores(operators(masked(Masking::kBias), {}, kMasked), kBiased, kBiasedSoftmax);
  for (const Fusion fusion : {Fusion::kLibrary, Fusion::kOn})
    expect_scores(operators(masked(Masking::kRowBlocks, fusion), {}, kMasked), kBlocks,
                  kBlocksSoftmax);
  // A softmax by itself works on whole rows.
  expect_scores(operators(masked(Masking::kRowBlocks, Fusion::kOff), {}, kMasked),
                "matmul transposed_activations sums 64 32 64 full_bias", "softmax - - 64 0 64");
}

TEST(Masking, WithoutAMaskThereIsNothingToChoose) {
  for (const Masking masking : {Masking::kRowBlocks, Masking::kBest})
    EXPECT_EQ(operators(masked(masking)), operators(masked(Masking::kBias)));
}

// Heads of 8 have no room for the triangle of a block of 16.
TEST(Masking, NarrowHeadsHaveNoRowBlocks) {
  Architecture narrow = scheduled_network();
  narrow.head_width = 8;
  const auto list = scheduled_operators(narrow, kMasked, masked(Masking::kRowBlocks));
  EXPECT_EQ(list[3].op.bias, Bias::kFull);
}

// A run with a bias costs 2 and its softmax 1, together 3; row blocks cost 2, 3 and 4.
TEST(Masking, BestTakesTheLowerEnergyDelayProductAndTheBiasWhenEqual) {
  const auto chosen = [](int cycles) {
    const OperatorPricer price = [cycles](const Operator& op) {
      const std::int64_t cost = op.kind != OperatorKind::kMatmul ? 1
                                : op.bias == Bias::kTriangle     ? cycles - 1
                                : op.bias == Bias::kFull         ? 2
                                                                 : 1;
      return HardwareCost{Cycles(cost), Picojoules::from_femtojoules(1000 * cost)};
    };
    return operators(masked(Masking::kBest), price, kMasked);
  };
  expect_scores(chosen(2), kBlocks, kBlocksSoftmax);
  expect_scores(chosen(3), kBiased, kBiasedSoftmax);
  expect_scores(chosen(4), kBiased, kBiasedSoftmax);
  EXPECT_THROW(operators(masked(Masking::kBest), {}, kMasked), Error);
}

// Scores and softmax by themselves cost 1 + 1, and fused ones 3. A program for Gemmini has no
// softmax by itself, though the simulated accelerator executes it.
TEST(Compile, OfAQuantisedNetworkBestIsWhatAProgramCanHave) {
  Workload quantised = kMasked;
  quantised.nonlinear_inputs = NonlinearInputs::kInt8;
  const Target best = with(Fusion::kBest);
  expect_scores(operators(best, fused_costs(3), kMasked),
                "matmul transposed_activations sums 64 32 64 full_bias", "softmax - - 64 0 64");
  expect_scores(operators(best, fused_costs(3), quantised), kBiased, kBiasedSoftmax);
  // Nothing is left to choose, so that no price is asked for.
  expect_scores(operators(best, {}, quantised), kBiased, kBiasedSoftmax);
  const Call softmax = compile(elementwise(OperatorKind::kSoftmax, 64, 64), best);
  EXPECT_EQ(obstacle_to_execution(softmax, best), "");
  EXPECT_TRUE(obstacle_to_export(softmax, best).ends_with("fusion that is not off"));
}

// Rows of 128 scores take all of a small_accumulator accumulator. No program can have them in
// either form.
TEST(Compile, OfAQuantisedNetworkBestIsByPriceWhereNoProgramCanBe) {
  Workload quantised{128, Mode::kPrefill, Mask::kCausal};
  quantised.nonlinear_inputs = NonlinearInputs::kInt8;
  const auto chosen = [&](int cycles) {
    return operators(small_accumulator(Fusion::kBest), fused_costs(cycles), quantised);
  };
  EXPECT_EQ(chosen(1), operators(small_accumulator(Fusion::kOn), {}, quantised));
  EXPECT_EQ(chosen(3), operators(small_accumulator(Fusion::kOff), {}, quantised));
  EXPECT_NE(chosen(1), chosen(3));
}

// However cheap row blocks are, also to a part of the network, and none is priced for it.
TEST(Masking, OfAQuantisedNetworkBestIsTheBias) {
  Workload quantised = kMasked;
  quantised.nonlinear_inputs = NonlinearInputs::kInt8;
  const Target best = masked(Masking::kBest);
  const OperatorPricer price = [](const Operator& op) {
    const std::int64_t cost = op.bias == Bias::kTriangle ? 1 : 1000;
    return HardwareCost{Cycles(cost), Picojoules::from_femtojoules(cost)};
  };
  expect_scores(operators(best, price, kMasked), kBlocks, kBlocksSoftmax);
  expect_scores(operators(best, price, quantised), kBiased, kBiasedSoftmax);
  for (const Operator& op : operators_to_schedule(scheduled_network(), quantised, best))
    EXPECT_NE(op.bias, Bias::kTriangle);
  std::vector<TransformerOperator> part = transformer_operators(scheduled_network(), quantised);
  part.erase(part.begin(), part.begin() + 2);  // with the embedding, the LayerNorm before it
  for (const Call& call : compile(part, best, price)) EXPECT_NE(call.op.bias, Bias::kTriangle);
  // What is asked for by name is priced.
  expect_scores(operators(masked(Masking::kRowBlocks), {}, quantised), kBlocks, kBlocksSoftmax);
}

TEST(Masking, EveryOperatorThatMayBePricedIsListed) {
  const Target best = masked(Masking::kBest, Fusion::kBest);
  const std::vector<Operator> known = operators_to_schedule(scheduled_network(), kMasked, best);
  const OperatorPricer price = [&](const Operator& op) {
    EXPECT_NE(std::find(known.begin(), known.end(), op), known.end()) << describe(op);
    return analytical_cost(op, best);
  };
  scheduled_operators(scheduled_network(), kMasked, best, price);
  EXPECT_NE(std::find(known.begin(), known.end(), operator_from_text(kBlocks)), known.end());
}

// 40 positions in blocks of 32: 32 rows over 32 keys, 8 rows over 40. The identity is 32 x 32, the
// triangle has 32 columns for 2 x 32 keys.
TEST(RowBlocks, ByHand) {
  const Operator op = matmul(40, 64, 40, RightOperand::kTransposedActivations, Activation::kSoftmax,
                             Bias::kTriangle);
  const Call call = compile(op, find_target("gemmini_transformer"));
  EXPECT_EQ(call.schedule, (MatmulTile{2, 4, 3}));
  EXPECT_EQ(call.search_steps, -1);
  const std::vector<RowBlock> blocks = row_blocks(call);
  ASSERT_EQ(blocks.size(), 2U);
  EXPECT_EQ(blocks[0].rows, 32);
  EXPECT_EQ(blocks[0].columns, 32);
  EXPECT_EQ(blocks[1].first, 32);
  EXPECT_EQ(blocks[1].rows, 8);
  EXPECT_EQ(blocks[1].columns, 40);
  EXPECT_EQ(triangle_bytes(call), 32 * 32 + 64 * 32);
}

// What a pair costs from its matmul on.
HardwareCost pair_cost(const std::vector<TransformerOperator>& list, std::size_t i, int operators,
                       const OperatorPricer& price) {
  HardwareCost total;
  for (int n = 0; n < operators; ++n) total += price(list[i + static_cast<std::size_t>(n)].op);
  return total;
}

// For every network of a sample, on memories of several sizes: the pair of the best schedule has
// the energy-delay product of the better of the two others, which differ somewhere.
TEST(Compile, BestIsNoWorseThanEitherPairByPair) {
  int fused = 0, apart = 0;
  Random random(1);
  for (int n = 0; n < 30; ++n) {
    Target target = with(Fusion::kBest);
    target.accumulator_kib = 32 << random.below(4);
    target.scratchpad_kib = 32 << random.below(4);
    target.norm_command_cycles = static_cast<int>(random.below(12));
    const OperatorPricer price = [&](const Operator& op) {
      return n % 3 == 0 ? simulated_cost(op, target) : analytical_cost(op, target);
    };
    Architecture sample{256 + 32 * static_cast<int>(random.below(16)), 32, 0, {}};
    for (int layers = 0; layers < 2; ++layers)
      sample.layers.push_back({1 + static_cast<int>(random.below(4)), 512 << random.below(3)});
    const Workload workload{1 + static_cast<int>(random.below(200)),
                            random.chance(0.2) ? Mode::kDecode : Mode::kPrefill};
    const auto schedule = [&](Fusion fusion) {
      return scheduled_operators(sample, workload, with(fusion, target), price);
    };
    const auto off = schedule(Fusion::kOff), on = schedule(Fusion::kOn),
               best = schedule(Fusion::kBest);
    ASSERT_EQ(best.size(), off.size());
    for (std::size_t i = 0; i < best.size(); ++i) {
      EXPECT_EQ(best[i].role, off[i].role);
      const bool scores = best[i].role == "attention.scores";
      if (!scores && best[i].role != "attention.output" && best[i].role != "ffn.down") continue;
      const int operators = scores ? 2 : i + 2 < best.size() ? 3 : 2;
      const auto edp = [&](const auto& list) {
        return pair_cost(list, i, operators, price).energy_delay_product();
      };
      EXPECT_EQ(edp(best), std::min(edp(off), edp(on))) << describe(off[i].op);
      if (off[i].op == on[i].op) continue;
      ++(best[i].op == on[i].op ? fused : apart);
    }
  }
  EXPECT_GT(fused, 10);
  EXPECT_GT(apart, 10);
}

TEST(Compile, EveryOperatorThatMayBePricedIsListed) {
  const Target best = with(Fusion::kBest);
  std::vector<Operator> known = operators_to_schedule(scheduled_network(), kWorkload, best);
  const OperatorPricer price = [&](const Operator& op) {
    EXPECT_NE(std::find(known.begin(), known.end(), op), known.end()) << describe(op);
    return analytical_cost(op, best);
  };
  scheduled_operators(scheduled_network(), kWorkload, best, price);
  EXPECT_EQ(operators_to_schedule(scheduled_network(), kWorkload, with(Fusion::kLibrary)).size(),
            27U);
}

}  // namespace
}  // namespace paretoformer::accel_sim
