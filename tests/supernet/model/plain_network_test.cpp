// The fused engine against the plain one of plain_network.hpp: gradients and a loss curve.
#include "tests/supernet/model/plain_network.hpp"

#include <gtest/gtest.h>

#include "supernet/kernels/matmul_bf16.hpp"
#include "supernet/training/trainer.hpp"
#include "support/json.hpp"
#include "tests/supernet/lively_parameters.hpp"
#include "tests/supernet/random_text.hpp"

namespace paretoformer::supernet {
namespace {

// No width is a multiple of a vector.
const Architecture kOddSupernet{21, 7, 29, {{3, 35}, {3, 35}}};

// The supernet that all networks here are slices of; some model widths have LayerNorms of their
// own.
ParameterLayout supernet() {
  const Json json = parse_json(R"({"head_width": 7, "vocabulary": 29, "depth": [1, 2],
                                   "model_width": [13, 16, 21], "heads": [1, 2, 3],
                                   "ffn_width": [9, 17, 18, 20, 35]})",
                               "supernet.json");
  return {SearchSpace::from_json(JsonNode(json, "supernet.json")), kLongContext};
}
constexpr int kPlainBatch = 3;  // sequences

TrainingConfig config() {
  TrainingConfig config;
  config.steps = 50;
  config.batch = kPlainBatch;
  config.context = kLongContext;
  config.learning_rate = 1e-2;
  return config;
}

template <class T>
std::vector<double> fused_gradient(const ParameterLayout& layout,
                                   const std::vector<double>& parameters,
                                   const std::vector<Architecture>& networks, const Batch& batch,
                                   double soft, std::vector<double>& losses) {
  TrainingConfig c = config();
  c.distillation = soft;
  c.dropout = batch.dropout.probability;
  TrainingState<T> state;
  state.parameters.assign(parameters.begin(), parameters.end());
  Trainer<T> trainer(layout, c, std::move(state));
  const auto all = trainer.compute_gradients(batch, networks);
  losses.assign(all.begin(), all.end());
  const std::vector<T> gradient = trainer.gradient();
  return {gradient.begin(), gradient.end()};
}

class FusedAgainstPlain : public testing::TestWithParam<Architecture> {};

TEST_P(FusedAgainstPlain, LossesAndGradients) {
  const ParameterLayout layout = supernet();
  const std::vector<double> parameters = lively_parameters<double>(layout);
  const std::vector<Architecture> networks{kOddSupernet, GetParam()};
  for (const auto& [soft, dropout] :
       {std::pair{0.0, 0.0}, std::pair{0.6, 0.0}, std::pair{0.0, 0.3}, std::pair{0.6, 0.3}}) {
    const LearnableText text(1, (soft > 0 ? 1 : 2) * kPlainBatch, kLongContext,
                             kOddSupernet.vocabulary);
    const Batch batch = text.batch(dropout, 4, 3);
    std::vector<double> gradient;
    const std::vector<double> losses =
        reference::sandwich_gradients(layout, parameters, networks, batch, soft, gradient);
    std::vector<double> fused_losses;
    reference::expect_close(
        layout, fused_gradient<double>(layout, parameters, networks, batch, soft, fused_losses),
        gradient, 1e-8);
    for (std::size_t i = 0; i < losses.size(); ++i)
      EXPECT_NEAR(fused_losses[i], losses[i], 1e-10 * losses[i]);
    reference::expect_close(
        layout, fused_gradient<float>(layout, parameters, networks, batch, soft, fused_losses),
        gradient, 1e-4);
    for (std::size_t i = 0; i < losses.size(); ++i)
      EXPECT_NEAR(fused_losses[i], losses[i], 1e-5 * losses[i]);
  }
}

INSTANTIATE_TEST_SUITE_P(Slices, FusedAgainstPlain,
                         testing::Values(kOddSupernet, Architecture{13, 7, 29, {{3, 35}, {3, 35}}},
                                         Architecture{21, 7, 29, {{1, 35}, {2, 35}}},
                                         Architecture{21, 7, 29, {{3, 9}, {3, 18}}},
                                         Architecture{21, 7, 29, {{3, 35}}},
                                         Architecture{16, 7, 29, {{2, 17}}}),
                         [](const auto& info) { return "Network" + std::to_string(info.index); });

// Fifty steps of the sandwich rule from the same weights: the loss curves stay together.
void expect_same_curve(Products products, double tolerance) {
  const ParameterLayout layout = supernet();
  TrainingConfig c = config();
  c.products = products;
  std::vector<double> parameters = initial_parameters<double>(layout, 1);
  TrainingState<float> state;
  state.parameters.assign(parameters.begin(), parameters.end());
  Trainer<float> trainer(layout, c, std::move(state));
  reference::Optimiser optimiser{c.beta1, c.beta2, c.weight_decay, c.clip_norm, 0, {}, {}};
  std::vector<double> gradient;
  double first = 0;
  double last = 0;
  for (int step = 0; step < c.steps; ++step) {
    const LearnableText text(static_cast<std::uint64_t>(step) + 100, 3 * kPlainBatch, kLongContext,
                             kOddSupernet.vocabulary);
    const std::vector<Architecture> networks{
        kOddSupernet,
        {13, 7, 29, {{1, 9}}},
        {step % 2 == 0 ? 16 : 21, 7, 29, {{1 + step % 3, 20}, {2, 35}}}};
    const std::vector<double> losses = reference::sandwich_gradients(
        layout, parameters, networks, text.batch(), c.distillation, gradient);
    const auto fused = trainer.compute_gradients(text.batch(), networks);
    for (std::size_t i = 0; i < losses.size(); ++i)
      ASSERT_NEAR(fused[i], losses[i], tolerance * losses[i]) << "step " << step;
    optimiser.apply(layout, learning_rate_at(c, step), 3, gradient, parameters);
    trainer.apply_gradients();
    (step == 0 ? first : last) = losses[0];
  }
  EXPECT_LT(last, 0.7 * first);  // they learnt something on the way
}

TEST(FusedAgainstPlain, LossCurveOfFiftySteps) { expect_same_curve(Products::fp32, 1e-4); }

TEST(FusedAgainstPlain, LossCurveWithBf16Products) {
  if (bf16_unit() == Bf16Unit::none) GTEST_SKIP() << "this processor has no bfloat16 unit";
  expect_same_curve(Products::bf16, 1e-2);
}

}  // namespace
}  // namespace paretoformer::supernet
