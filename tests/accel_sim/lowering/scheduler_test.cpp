#include "accel_sim/lowering/scheduler.hpp"

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

Hardware with(Fusion fusion, Hardware hardware = find_hardware("gemmini_transformer")) {
  hardware.fusion = fusion;
  return hardware;
}

Architecture network() { return {128, 32, 100, {{2, 256}, {1, 512}}}; }

std::vector<std::string> operators(const Hardware& hardware, const OperatorPricer& price = {}) {
  std::vector<std::string> texts;
  for (const TransformerOperator& item : scheduled_operators(network(), kWorkload, hardware, price))
    texts.push_back(std::string(item.role) + ": " + describe(item.op));
  return texts;
}

// Every operator's price is so many cycles and picojoules: 1, but for a fused matmul.
OperatorPricer fused_costs(int cycles) {
  return [cycles](const Operator& op) {
    const bool fused = op.activation == Activation::kSoftmax || op.kind != OperatorKind::kMatmul
                           ? op.inner > 0
                           : op.activation == Activation::kAddLayerNorm;
    const std::int64_t cost = fused && op.kind == OperatorKind::kMatmul ? cycles : fused ? 0 : 1;
    return HardwareCost{Cycles(cost), Picojoules::from_femtojoules(1000 * cost)};
  };
}

TEST(Scheduler, TheLibraryLeavesTheOperatorsAsTheyAre) {
  std::vector<std::string> texts;
  for (const TransformerOperator& item : transformer_operators(network(), kWorkload))
    texts.push_back(std::string(item.role) + ": " + describe(item.op));
  EXPECT_EQ(operators(with(Fusion::kLibrary)), texts);
}

// Layer 0: heads of 32, FFN 256; layer 1: one head, FFN 512. The first LayerNorm has nothing before
// it; the second layer's follows the first one's FFN, the final one the second's.
TEST(Scheduler, OnFusesEveryPair) {
  EXPECT_EQ(
      operators(with(Fusion::kOn)),
      (std::vector<std::string>{"embedding: embedding - - 64 0 128",
                                "attention.norm: layer_norm - - 64 0 128",
                                "attention.qkv: matmul weights - 64 128 64",
                                "attention.scores: matmul transposed_activations softmax 64 32 64",
                                "attention.softmax: softmax transposed_activations - 64 32 64",
                                "attention.context: matmul activations - 64 64 32",
                                "attention.output: matmul weights add_layer_norm 64 64 128",
                                "attention.residual: residual_add weights add_layer_norm 64 64 128",
                                "ffn.norm: layer_norm weights add_layer_norm 64 64 128",
                                "ffn.up: matmul weights gelu 64 128 256",
                                "ffn.gelu: gelu - - 64 0 256",
                                "ffn.down: matmul weights add_layer_norm 64 256 128",
                                "ffn.residual: residual_add weights add_layer_norm 64 256 128",
                                "attention.norm: layer_norm weights add_layer_norm 64 256 128",
                                "attention.qkv: matmul weights - 64 128 32",
                                "attention.scores: matmul transposed_activations softmax 64 32 64",
                                "attention.softmax: softmax transposed_activations - 64 32 64",
                                "attention.context: matmul activations - 64 64 32",
                                "attention.output: matmul weights add_layer_norm 64 32 128",
                                "attention.residual: residual_add weights add_layer_norm 64 32 128",
                                "ffn.norm: layer_norm weights add_layer_norm 64 32 128",
                                "ffn.up: matmul weights gelu 64 128 512",
                                "ffn.gelu: gelu - - 64 0 512",
                                "ffn.down: matmul weights add_layer_norm 64 512 128",
                                "ffn.residual: residual_add weights add_layer_norm 64 512 128",
                                "final.norm: layer_norm weights add_layer_norm 64 512 128",
                                "language_model_head: matmul weights - 64 128 100"}));
}

TEST(Scheduler, OffSendsScoresAsSums) {
  std::vector<std::string> texts = operators(with(Fusion::kLibrary));
  for (std::string& text : texts) {
    if (text.starts_with("attention.scores"))
      text = "attention.scores: matmul transposed_activations sums 64 32 64";
    if (text.starts_with("attention.softmax")) text = "attention.softmax: softmax - - 64 0 64";
  }
  EXPECT_EQ(operators(with(Fusion::kOff)), texts);
}

TEST(Scheduler, BestNeedsPrices) {
  EXPECT_THROW(operators(with(Fusion::kBest)), Error);
  EXPECT_NO_THROW(operators(with(Fusion::kOn)));
}

// Scores and softmax by themselves cost 1 + 1; matmul, residual add and LayerNorm 3.
TEST(Scheduler, BestTakesTheLowerEnergyDelayProductAndDoesWithoutFusionWhenEqual) {
  const Hardware best = with(Fusion::kBest);
  EXPECT_EQ(operators(best, fused_costs(1)), operators(with(Fusion::kOn)));
  EXPECT_EQ(operators(best, fused_costs(3)), operators(with(Fusion::kOff)));
  const std::vector<std::string> two = operators(best, fused_costs(2));
  for (std::size_t i = 0; i < two.size(); ++i) {
    const bool scores = two[i].starts_with("attention.s");
    EXPECT_EQ(two[i], operators(with(scores ? Fusion::kOff : Fusion::kOn))[i]);
  }
}

TEST(Scheduler, NothingToChooseWithoutNormaliserOrRoom) {
  Hardware stationary = find_hardware("gemmini_transformer"), small = stationary;
  stationary.dataflow = Dataflow::kOutputStationary;
  small.array_size = 128;
  small.accumulator_kib = 128;  // two blocks, 256 columns
  Architecture wide = network();
  wide.model_width = 512;
  const Workload longer{512, Mode::kPrefill};
  const auto plain = transformer_operators(wide, longer);
  for (const Hardware& hardware : {find_hardware("gemmini_cnn"), stationary, small})
    for (Fusion fusion : {Fusion::kOff, Fusion::kOn, Fusion::kBest}) {
      const auto list = scheduled_operators(wide, longer, with(fusion, hardware), fused_costs(1));
      ASSERT_EQ(list.size(), plain.size());
      for (std::size_t i = 0; i < list.size(); ++i) EXPECT_EQ(list[i].op, plain[i].op);
    }
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
TEST(Scheduler, BestIsNoWorseThanEitherPairByPair) {
  int fused = 0, apart = 0;
  Random random(1);
  for (int n = 0; n < 30; ++n) {
    Hardware hardware = with(Fusion::kBest);
    hardware.accumulator_kib = 32 << random.below(4);
    hardware.scratchpad_kib = 32 << random.below(4);
    hardware.norm_command_cycles = static_cast<int>(random.below(12));
    const OperatorPricer price = [&](const Operator& op) {
      return n % 3 == 0 ? simulated_cost(op, hardware) : analytical_cost(op, hardware);
    };
    Architecture sample{256 + 32 * static_cast<int>(random.below(16)), 32, 0, {}};
    for (int layers = 0; layers < 2; ++layers)
      sample.layers.push_back({1 + static_cast<int>(random.below(4)), 512 << random.below(3)});
    const Workload workload{1 + static_cast<int>(random.below(200)),
                            random.chance(0.2) ? Mode::kDecode : Mode::kPrefill};
    const auto schedule = [&](Fusion fusion) {
      return scheduled_operators(sample, workload, with(fusion, hardware), price);
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

TEST(Scheduler, EveryOperatorThatMayBePricedIsListed) {
  const Hardware best = with(Fusion::kBest);
  std::vector<Operator> known = operators_to_schedule(network(), kWorkload, best);
  const OperatorPricer price = [&](const Operator& op) {
    EXPECT_NE(std::find(known.begin(), known.end(), op), known.end()) << describe(op);
    return analytical_cost(op, best);
  };
  scheduled_operators(network(), kWorkload, best, price);
  EXPECT_EQ(operators_to_schedule(network(), kWorkload, with(Fusion::kLibrary)).size(), 27U);
}

}  // namespace
}  // namespace paretoformer::accel_sim
