// One list of tests for every back end that there is here: losses, gradients, steps and curves
// against the plain double reference. Compiled twice: with the CPU's back ends and that of a GPU,
// if there is one, and with the GPU's on the emulated device (tests/CMakeLists.txt).
#include "supernet/training/backend.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <tuple>

#include "supernet/kernels/matmul_bf16.hpp"
#include "supernet/training/cpu_backend.hpp"
#include "support/json.hpp"
#include "support/random.hpp"
#include "tests/supernet/lively_parameters.hpp"
#include "tests/supernet/model/plain_network.hpp"
#include "tests/supernet/random_text.hpp"

#ifdef PARETOFORMER_CUDA_EMULATION
#include "supernet/training/cuda/platform.hpp"
#include "supernet/training/cuda_backend.hpp"
#endif

namespace paretoformer::supernet {
namespace {

// How far from the reference results may be, relative: the loss of a network; the gradient of a
// tensor, as the norm of the difference over the norm; losses on the way of a training.
struct Tolerances {
  double loss, gradient, curve;
};

// fp32: sums of some hundred terms, each of 24 bits.
constexpr Tolerances kFp32{1e-5, 1e-4, 1e-4};
// bf16: 8 bits, so a factor is off by up to 2^-8, in the mean square by 2^-9, and each of the
// twenty or thirty roundings that a gradient comes through adds as much of its own: 2^-9 sqrt(30) =
// 1 %. Where terms cancel, in the sums of LayerNorms and softmax, it may be twice that. Losses are
// means over a hundred tokens, whose errors cancel. On the way of a training, AdamW makes large
// differences out of small ones, as its steps are about as long for small gradients as for large.
constexpr Tolerances kBf16{1e-3, 2e-2, 1e-2};

struct BackEnd {
  std::string name;
  Device device;
  Products products;
  int shards = 1;  // where the sequences can be cut into so many
  const Tolerances& tolerances() const { return products == Products::bf16 ? kBf16 : kFp32; }
};

std::ostream& operator<<(std::ostream& out, const BackEnd& back_end) {
  return out << back_end.name;
}

#ifdef PARETOFORMER_CUDA_EMULATION

// So little that logits are there in parts.
cuda::Limits limits(const ParameterLayout& layout) {
  return {50 * sizeof(cuda::Bf16) * static_cast<std::size_t>(layout.vocabulary()), 1};
}

std::vector<BackEnd> back_ends() { return {{"CudaEmulated", Device::cuda, Products::bf16}}; }

std::shared_ptr<TrainingBackend<float>> make(const ParameterLayout& layout,
                                             const TrainingConfig& config,
                                             TrainingState<float>& state) {
  return cuda::make_backend(layout, config, state, limits(layout));
}
std::shared_ptr<SequenceLosses> make_evaluation(const ParameterLayout& layout,
                                                const std::vector<float>& parameters,
                                                const TrainingConfig& config) {
  return cuda::make_losses(layout, parameters, config, limits(layout));
}

#else

std::vector<BackEnd> back_ends() {
  std::vector<BackEnd> all{{"Cpu", Device::cpu, Products::fp32},
                           {"CpuShards", Device::cpu, Products::fp32, 2}};
  if (bf16_unit() != Bf16Unit::none) all.push_back({"CpuBf16", Device::cpu, Products::bf16});
  if (!why_no_cuda()) all.push_back({"Cuda", Device::cuda, Products::bf16});
  return all;
}

std::shared_ptr<TrainingBackend<float>> make(const ParameterLayout& layout,
                                             const TrainingConfig& config,
                                             TrainingState<float>& state) {
  return make_backend(layout, config, state);
}
std::shared_ptr<SequenceLosses> make_evaluation(const ParameterLayout& layout,
                                                const std::vector<float>& parameters,
                                                const TrainingConfig& config) {
  return make_losses(layout, parameters, config);
}

#endif

// A supernet and slices of it. Some model widths have LayerNorms of their own.
struct Supernet {
  const char* space;
  Architecture largest;
  std::vector<Architecture> slices;

  ParameterLayout layout(int context) const {
    const Json json = parse_json(space, "supernet.json");
    return {SearchSpace::from_json(JsonNode(json, "supernet.json")), context};
  }
};

// No width a multiple of a vector.
const Supernet kOdd{R"({"head_width": 7, "vocabulary": 29, "depth": [1, 2],
                        "model_width": [13, 16, 21], "heads": [1, 2, 3],
                        "ffn_width": [9, 17, 18, 20, 35]})",
                    {21, 7, 29, {{3, 35}, {3, 35}}},
                    {{21, 7, 29, {{3, 35}, {3, 35}}},
                     {13, 7, 29, {{3, 35}, {3, 35}}},
                     {21, 7, 29, {{1, 35}, {2, 35}}},
                     {21, 7, 29, {{3, 9}, {3, 18}}},
                     {21, 7, 29, {{3, 35}}},
                     {16, 7, 29, {{2, 17}}}}};
// All of them, but for the vocabulary.
const Supernet kEven{R"({"head_width": 16, "vocabulary": 43, "depth": [1, 2],
                         "model_width": [16, 24, 32], "heads": [1, 2],
                         "ffn_width": [8, 32, 40]})",
                     {32, 16, 43, {{2, 40}, {2, 40}}},
                     {{32, 16, 43, {{2, 40}, {2, 40}}}, {16, 16, 43, {{1, 8}, {2, 32}}}}};

TrainingConfig config(const BackEnd& back_end, int batch, int context) {
  TrainingConfig c;
  c.device = back_end.device;
  c.products = back_end.products;
  c.batch = batch;
  c.context = context;
  c.random_subnetworks = 0;
  if (batch % back_end.shards == 0) c.shards = back_end.shards;
  return c;
}

TrainingState<float> state_of(const std::vector<double>& parameters) {
  TrainingState<float> state;
  state.parameters.assign(parameters.begin(), parameters.end());
  return state;
}

std::vector<float> copied(TrainingBackend<float>& backend) {
  const std::span<const float> gradient = backend.gradient();
  return {gradient.begin(), gradient.end()};
}

std::vector<double> as_doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// Losses and the gradients of `networks` on such a text, against the reference.
void expect_gradients(const BackEnd& back_end, const Supernet& supernet,
                      const std::vector<Architecture>& networks, const TrainingConfig& c) {
  const ParameterLayout layout = supernet.layout(c.context);
  const std::vector<double> parameters = lively_parameters<double>(layout);
  const LearnableText text(1, c.sequences_per_step(networks.size()), c.context,
                           supernet.largest.vocabulary);
  std::vector<double> expected;
  const std::vector<double> losses = reference::sandwich_gradients(
      layout, parameters, networks, text.batch(c.dropout), c.distillation, expected);
  TrainingState<float> state = state_of(parameters);
  const auto backend = make(layout, c, state);
  const auto found = backend->gradients(text.batch(c.dropout), networks);
  ASSERT_EQ(found.size(), losses.size());
  for (std::size_t i = 0; i < losses.size(); ++i)
    EXPECT_NEAR(found[i], losses[i], back_end.tolerances().loss * losses[i]);
  reference::expect_close(layout, as_doubles(copied(*backend)), expected,
                          back_end.tolerances().gradient);
}

class Slices : public testing::TestWithParam<std::tuple<BackEnd, int>> {};

TEST_P(Slices, LossesAndGradients) {
  const auto& [back_end, slice] = GetParam();
  expect_gradients(back_end, kOdd, {kOdd.largest, kOdd.slices[static_cast<std::size_t>(slice)]},
                   config(back_end, 2, kLongContext));
}

INSTANTIATE_TEST_SUITE_P(All, Slices,
                         testing::Combine(testing::ValuesIn(back_ends()), testing::Range(0, 6)),
                         [](const auto& info) {
                           return std::get<0>(info.param).name + "Network" +
                                  std::to_string(std::get<1>(info.param));
                         });

class BackEnds : public testing::TestWithParam<BackEnd> {};
INSTANTIATE_TEST_SUITE_P(All, BackEnds, testing::ValuesIn(back_ends()),
                         [](const auto& info) { return info.param.name; });

TEST_P(BackEnds, GradientsOfWidthsThatAreMultiplesOfVectors) {
  for (const Architecture& slice : kEven.slices)
    expect_gradients(GetParam(), kEven, {kEven.largest, slice},
                     config(GetParam(), 2, kLongContext));
}

TEST_P(BackEnds, GradientsAreAveragedOverBatches) {
  TrainingConfig c = config(GetParam(), 2, 9);
  c.accumulation = 3;
  expect_gradients(GetParam(), kOdd, {kOdd.largest, kOdd.slices[5]}, c);
}

TEST_P(BackEnds, GradientsWithDropout) {
  TrainingConfig c = config(GetParam(), 2, kLongContext);
  c.dropout = 0.3;
  for (const Supernet* supernet : {&kOdd, &kEven})
    for (const Architecture& slice : supernet->slices)
      expect_gradients(GetParam(), *supernet, {supernet->largest, slice}, c);
  TrainingConfig parts = config(GetParam(), 2, 9);
  parts.dropout = 0.3;
  parts.accumulation = 3;
  expect_gradients(GetParam(), kOdd, {kOdd.largest, kOdd.slices[5]}, parts);
}

// From the probabilities of the largest network on the same text, parts of it, with dropout.
TEST_P(BackEnds, GradientsWithDistillation) {
  TrainingConfig c = config(GetParam(), 2, kLongContext);
  c.distillation = 0.6;
  for (const Supernet* supernet : {&kOdd, &kEven})
    for (const Architecture& slice : supernet->slices)
      expect_gradients(GetParam(), *supernet, {supernet->largest, slice}, c);
  c = config(GetParam(), 2, 9);
  c.distillation = 0.6;
  c.dropout = 0.3;
  c.accumulation = 3;
  expect_gradients(GetParam(), kOdd, {kOdd.largest, kOdd.slices[5], kOdd.slices[1]}, c);
  c.distillation = 1;
  expect_gradients(GetParam(), kOdd, {kOdd.largest, kOdd.slices[2]}, c);
}

// What a training with dropout is evaluated by has none.
TEST_P(BackEnds, SequenceLossesAreWithoutDropout) {
  const ParameterLayout layout = kOdd.layout(20);
  TrainingConfig c = config(GetParam(), 2, 20);
  TrainingState<float> state = state_of(lively_parameters<double>(layout));
  const LearnableText text(3, 4, 20, 29);
  const auto expected = make(layout, c, state)->sequence_losses(kOdd.slices, text.batch());
  c.dropout = 0.5;
  const auto backend = make(layout, c, state);
  const std::vector<Architecture> networks{kOdd.largest, kOdd.slices[1]};
  const double with = backend->gradients(text.batch(0.5), networks)[0];
  EXPECT_EQ(backend->sequence_losses(kOdd.slices, text.batch()), expected);
  EXPECT_NE(backend->gradients(text.batch(0.5, 1), networks)[0], with);
}

TEST_P(BackEnds, GradientsOfTheLastStepAreForgotten) {
  const ParameterLayout layout = kOdd.layout(9);
  const TrainingConfig c = config(GetParam(), 2, 9);
  TrainingState<float> state = state_of(lively_parameters<double>(layout));
  const auto backend = make(layout, c, state);
  const LearnableText text(1, 2, 9, 29);
  const LearnableText other(2, 4, 9, 29);
  const std::vector<Architecture> one{kOdd.largest};
  backend->gradients(text.batch(), one);
  const std::vector<float> first = copied(*backend);
  backend->gradients(other.batch(), std::vector<Architecture>{kOdd.largest, kOdd.slices[5]});
  backend->gradients(text.batch(), one);
  EXPECT_EQ(copied(*backend), first);
}

TEST_P(BackEnds, HaveTheSameBitsAgain) {
  const ParameterLayout layout = kOdd.layout(20);
  const TrainingConfig c = config(GetParam(), 2, 20);
  const LearnableText text(1, 4, 20, 29);
  const std::vector<Architecture> networks{kOdd.largest, kOdd.slices[1]};
  const auto run = [&] {
    TrainingState<float> state = state_of(lively_parameters<double>(layout));
    const auto backend = make(layout, c, state);
    AdamW step{1e-2, 0.9, 0.98, 1e-8, 0.05, 0.5, 0.1, 0.02};
    for (int i = 0; i < 2; ++i) {
      backend->gradients(text.batch(), networks);
      backend->apply(step, 1.0);
    }
    backend->download();
    std::vector<float> all = state.parameters;
    for (const auto* more : {&state.m, &state.v}) all.insert(all.end(), more->begin(), more->end());
    return all;
  };
  const std::vector<float> once = run();
#ifdef PARETOFORMER_CUDA_EMULATION
  emulation::reversed = true;  // nor does the order of threads matter
#endif
  const std::vector<float> again = run();
#ifdef PARETOFORMER_CUDA_EMULATION
  emulation::reversed = false;
#endif
  EXPECT_EQ(std::memcmp(once.data(), again.data(), once.size() * sizeof(float)), 0);
}

AdamW adamw_of(const TrainingConfig& c, double learning_rate, int step, double networks) {
  return {learning_rate,
          c.beta1,
          c.beta2,
          1e-8,
          c.weight_decay,
          1 / networks,
          1 - std::pow(c.beta1, step),
          1 - std::pow(c.beta2, step)};
}

double norm_of(const std::vector<float>& values) {
  double squares = 0;
  for (const float value : values) squares += static_cast<double>(value) * value;
  return std::sqrt(squares);
}

// Steps of the back end's own gradients, so that what is compared is the optimiser: in fp32 for
// all.
TEST_P(BackEnds, StepsAreThoseOfTheReferenceOptimiser) {
  const ParameterLayout layout = kOdd.layout(9);
  const TrainingConfig c = config(GetParam(), 2, 9);
  const std::vector<double> start = lively_parameters<double>(layout);
  for (const double clip_norm : {1e-2, 1e2}) {
    TrainingState<float> state = state_of(start);
    const auto backend = make(layout, c, state);
    std::vector<double> parameters = as_doubles(state.parameters);
    reference::Optimiser optimiser{c.beta1, c.beta2, c.weight_decay, clip_norm, 0, {}, {}};
    for (int step = 1; step <= 3; ++step) {
      const LearnableText text(static_cast<std::uint64_t>(step), 4, 9, 29);
      backend->gradients(text.batch(), std::vector<Architecture>{kOdd.largest, kOdd.slices[5]});
      const std::vector<float> gradient = copied(*backend);
      const double norm = backend->apply(adamw_of(c, 1e-2, step, 2), clip_norm);
      EXPECT_NEAR(norm, norm_of(gradient) / 2, 1e-6 * norm);
      EXPECT_EQ(norm > clip_norm, clip_norm < 1);
      optimiser.apply(layout, 1e-2, 2, as_doubles(gradient), parameters);
    }
    backend->download();
    // A weight moves by 0.01 in a step; fp32 has them with an error of 2^-24.
    for (std::size_t i = 0; i < layout.size(); ++i)
      ASSERT_NEAR(state.parameters[i], parameters[i], 1e-6) << i;
    reference::expect_close(layout, as_doubles(state.m), optimiser.m, 1e-5);
    reference::expect_close(layout, as_doubles(state.v), optimiser.v, 1e-5);
  }
}

TEST_P(BackEnds, AGradientThatIsSetIsTheOneThatIsApplied) {
  const ParameterLayout layout = kOdd.layout(9);
  const TrainingConfig c = config(GetParam(), 2, 9);
  const auto stepped = [&](std::uint64_t text, const std::vector<float>* gradient) {
    TrainingState<float> state = state_of(lively_parameters<double>(layout));
    const auto backend = make(layout, c, state);
    backend->gradients(LearnableText(text, 2, 9, 29).batch(),
                       std::vector<Architecture>{kOdd.largest});
    if (gradient) backend->set_gradient(*gradient);
    const std::vector<float> applied = copied(*backend);
    backend->apply(adamw_of(c, 1e-2, 1, 1), 1.0);
    backend->download();
    return std::pair(applied, state.parameters);
  };
  const auto [gradient, parameters] = stepped(1, nullptr);
  EXPECT_NE(stepped(2, nullptr).second, parameters);
  EXPECT_EQ(stepped(2, &gradient), std::pair(gradient, parameters));
}

TEST_P(BackEnds, WhatIsChangedBetweenStepsIsWhatTheNextOnesStartFrom) {
  const ParameterLayout layout = kOdd.layout(9);
  const TrainingConfig c = config(GetParam(), 2, 9);
  const auto step = [&](TrainingBackend<float>& backend, int number) {
    backend.gradients(LearnableText(static_cast<std::uint64_t>(number), 4, 9, 29).batch(),
                      std::vector<Architecture>{kOdd.largest, kOdd.slices[5]});
    backend.apply(adamw_of(c, 1e-2, number, 2), 1.0);
    backend.download();
  };
  TrainingState<float> state = state_of(lively_parameters<double>(layout));
  const auto backend = make(layout, c, state);
  step(*backend, 1);
  for (std::vector<float>* values : {&state.parameters, &state.m, &state.v})
    std::reverse(values->begin(), values->end());
  TrainingState<float> expected = state;
  backend->upload();
  step(*backend, 2);
  step(*make(layout, c, expected), 2);
  EXPECT_EQ(state.parameters, expected.parameters);
  EXPECT_EQ(state.m, expected.m);
  EXPECT_EQ(state.v, expected.v);
}

TEST_P(BackEnds, NothingIsAppliedWhereTheNormIsNotFinite) {
  const ParameterLayout layout = kOdd.layout(9);
  TrainingConfig c = config(GetParam(), 2, 9);
  TrainingState<float> state = state_of(lively_parameters<double>(layout));
  const auto backend = make(layout, c, state);
  const std::vector<float> start = state.parameters;
  const std::size_t broken = layout.layer(1).up;
  state.parameters[broken] = std::numeric_limits<float>::quiet_NaN();
  backend->upload();
  const LearnableText text(1, 2, 9, 29);
  const auto losses = backend->gradients(text.batch(), std::vector<Architecture>{kOdd.largest});
  EXPECT_FALSE(std::isfinite(losses[0]));
  EXPECT_FALSE(std::isfinite(backend->apply(adamw_of(c, 1e-2, 1, 1), 1.0)));
  backend->download();
  EXPECT_TRUE(std::isnan(state.parameters[broken]));
  state.parameters[broken] = start[broken];
  EXPECT_EQ(state.parameters, start);
  for (const auto* moment : {&state.m, &state.v}) EXPECT_EQ(norm_of(*moment), 0);
}

// What the reference has for every sequence.
std::vector<double> reference_losses(const ParameterLayout& layout,
                                     const std::vector<double>& parameters,
                                     const Architecture& network, const LearnableText& text) {
  std::vector<double> gradient(parameters.size());
  reference::Network plain(layout, network, parameters, gradient);
  std::vector<double> losses;
  for (int s = 0; s < text.sequences; ++s) {
    const std::ptrdiff_t first = std::ptrdiff_t{s} * text.length;
    const reference::Table p = plain.forward(text.tokens.data() + first, text.length);
    double loss = 0;
    for (int t = 0; t < text.length; ++t)
      loss -= std::log(p(t, text.targets[static_cast<std::size_t>(first + t)]));
    losses.push_back(loss);
  }
  return losses;
}

TEST_P(BackEnds, SequenceLossesAreThoseOfTheReference) {
  const ParameterLayout layout = kOdd.layout(20);
  const TrainingConfig c = config(GetParam(), 2, 20);
  const std::vector<double> parameters = lively_parameters<double>(layout);
  TrainingState<float> state = state_of(parameters);
  const auto backend = make(layout, c, state);
  const auto evaluation = make_evaluation(layout, state.parameters, c);
  for (const int length : {20, 11}) {
    const LearnableText text(3, 5, length, 29);
    const auto losses = evaluation->sequence_losses(kOdd.slices, text.batch());
    ASSERT_EQ(losses.size(), kOdd.slices.size());
    for (std::size_t i = 0; i < losses.size(); ++i) {
      const auto expected = reference_losses(layout, parameters, kOdd.slices[i], text);
      ASSERT_EQ(losses[i].size(), expected.size());
      // Of single sequences, of some tokens: their errors cancel less than those of a batch.
      for (std::size_t s = 0; s < expected.size(); ++s)
        EXPECT_NEAR(losses[i][s], expected[s], 5 * GetParam().tolerances().loss * expected[s]);
    }
    EXPECT_EQ(backend->sequence_losses(kOdd.slices, text.batch()), losses);
  }
}

TEST_P(BackEnds, SequenceLossesDoNotDependOnOtherSequences) {
  const ParameterLayout layout = kOdd.layout(20);
  const TrainingConfig c = config(GetParam(), 2, 20);
  const TrainingState<float> state = state_of(lively_parameters<double>(layout));
  const auto evaluation = make_evaluation(layout, state.parameters, c);
  const LearnableText text(3, 5, 20, 29);
  const auto together =
      evaluation->sequence_losses(std::span(kOdd.slices).subspan(1, 2), text.batch());
  for (int s = 0; s < text.sequences; ++s) {
    const Batch one{text.tokens.data() + s * 20, text.targets.data() + s * 20, 1, 20};
    const auto alone = evaluation->sequence_losses(std::span(kOdd.slices).subspan(2, 1), one);
    EXPECT_EQ(alone[0][0], together[1][static_cast<std::size_t>(s)]);
  }
  const auto none = evaluation->sequence_losses(kOdd.slices, {nullptr, nullptr, 0, 20});
  ASSERT_EQ(none.size(), kOdd.slices.size());
  EXPECT_TRUE(none[0].empty());
}

// A training goes on on another device. What it has then, all of it in the host's order, is that of
// the reference after the same steps.
TEST_P(BackEnds, TrainingsMoveToTheCpuAndBack) {
  const ParameterLayout layout = kOdd.layout(9);
  const TrainingConfig c = config(GetParam(), 2, 9);
  TrainingState<float> state = state_of(lively_parameters<double>(layout));
  std::vector<double> parameters = as_doubles(state.parameters);
  const TrainingConfig on_cpu = config({"", Device::cpu, Products::fp32}, 2, 9);
  reference::Optimiser optimiser{c.beta1, c.beta2, c.weight_decay, 1.0, 0, {}, {}};
  const auto steps = [&](TrainingBackend<float>& backend, int first) {
    for (int step = first; step < first + 2; ++step) {
      const LearnableText text(static_cast<std::uint64_t>(step), 2, 9, 29);
      backend.gradients(text.batch(), std::vector<Architecture>{kOdd.largest});
      optimiser.apply(layout, 1e-2, 1, as_doubles(copied(backend)), parameters);
      backend.apply(adamw_of(c, 1e-2, step, 1), 1.0);
    }
    backend.download();
  };
  steps(*make(layout, c, state), 1);
  {
    CpuBackend<float> cpu(layout, on_cpu, state, Arithmetic::fp32);
    steps(cpu, 3);
  }
  const auto again = make(layout, c, state);
  const std::vector<float> before = state.parameters;
  again->download();
  EXPECT_EQ(state.parameters, before);
  steps(*again, 5);
  for (std::size_t i = 0; i < layout.size(); ++i)
    ASSERT_NEAR(state.parameters[i], parameters[i], 2e-6) << i;
  reference::expect_close(layout, as_doubles(state.m), optimiser.m, 1e-5);
  reference::expect_close(layout, as_doubles(state.v), optimiser.v, 1e-5);
}

// Steps of the sandwich rule from the same weights: the loss curves stay together.
void expect_curve(const BackEnd& back_end, double dropout) {
  constexpr int kLength = 20;
  constexpr int kSteps = 20;
  constexpr double kRate = 5e-3;
  const ParameterLayout layout = kOdd.layout(kLength);
  TrainingConfig c = config(back_end, 3, kLength);
  c.dropout = dropout;
  std::vector<double> parameters = initial_parameters<double>(layout, 1);
  TrainingState<float> state = state_of(parameters);
  const auto backend = make(layout, c, state);
  reference::Optimiser optimiser{c.beta1, c.beta2, c.weight_decay, c.clip_norm, 0, {}, {}};
  std::vector<double> gradient;
  double first = 0;
  double last = 0;
  for (int step = 0; step < kSteps; ++step) {
    const LearnableText text(static_cast<std::uint64_t>(step) + 100, 6, kLength, 29);
    const std::vector<Architecture> networks{kOdd.largest, kOdd.slices[step % 2 == 0 ? 3 : 5]};
    const Batch batch = text.batch(dropout, step);
    const std::vector<double> losses =
        reference::sandwich_gradients(layout, parameters, networks, batch, 0, gradient);
    const auto found = backend->gradients(batch, networks);
    for (std::size_t i = 0; i < losses.size(); ++i)
      ASSERT_NEAR(found[i], losses[i], back_end.tolerances().curve * losses[i]) << "step " << step;
    optimiser.apply(layout, kRate, 2, gradient, parameters);
    backend->apply(adamw_of(c, kRate, step + 1, 2), c.clip_norm);
    (step == 0 ? first : last) = losses[0];
  }
  EXPECT_LT(last, 0.8 * first);  // they learnt something on the way
}

TEST_P(BackEnds, LossCurve) { expect_curve(GetParam(), 0); }

TEST_P(BackEnds, LossCurveWithDropout) { expect_curve(GetParam(), 0.1); }

}  // namespace
}  // namespace paretoformer::supernet
