#include "supernet/training/trainer.hpp"

#include <gtest/gtest.h>
#include <oneapi/tbb/global_control.h>
#include <oneapi/tbb/task_arena.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <utility>
#include <vector>

#include "supernet/kernels/matmul_bf16.hpp"
#include "supernet/training/cpu_backend.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

SearchSpace tiny_space() {
  const Json json = parse_json(R"({"name": "tiny", "head_width": 8, "depth": [1, 2, 3],
      "model_width": [16, 24, 32], "heads": [1, 2, 3], "ffn_width": [16, 48, 80]})",
                               "tiny.json");
  return SearchSpace::from_json(JsonNode(json, "tiny.json"));
}

// A text with structure: a walk in small steps whose direction depends on the token before.
std::vector<std::int32_t> text(int vocabulary, int length) {
  Random random(5);
  std::vector<std::int32_t> tokens{0};
  while (static_cast<int>(tokens.size()) < length)
    tokens.push_back(static_cast<std::int32_t>(
        (tokens.back() * 5 + 1 + static_cast<int>(random.below(3))) % vocabulary));
  return tokens;
}

struct Training {
  std::vector<double> losses;  // of the largest network, per step
  TrainingState<float> state;
};

constexpr int kWalkVocabulary = 37;

TrainingConfig tiny_config() {
  TrainingConfig config;
  config.steps = 100;
  config.learning_rate = 1e-2;
  config.batch = 12;
  config.context = 64;
  return config;
}

Training train(const TrainingConfig& config, int threads, int steps,
               TrainingState<float> state = {}) {
  const SearchSpace space = tiny_space();
  Architecture largest = space.largest();
  largest.vocabulary = kWalkVocabulary;
  const ParameterLayout layout(largest, config.context);
  if (state.parameters.empty()) state.parameters = initial_parameters<float>(layout, 1);
  const std::int64_t first = state.step;
  Trainer<float> trainer(layout, config, std::move(state));
  const std::vector<std::int32_t> all = text(kWalkVocabulary, 5000);
  const tbb::global_control more_threads(tbb::global_control::max_allowed_parallelism, 8);
  tbb::task_arena arena(threads);
  Training run;
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;
  for (std::int64_t step = first; step < steps; ++step) {
    std::vector<Architecture> networks = sandwich(space, config.random_subnetworks, 3, step);
    for (Architecture& network : networks) network.vocabulary = kWalkVocabulary;
    const int sequences = config.sequences_per_step(networks.size());
    draw_batch(all, sequences, config.context, 3, step, tokens, targets);
    const Batch batch{tokens.data(), targets.data(), sequences, config.context,
                      Dropout::of_step(config.dropout, 3, step)};
    arena.execute([&] {
      run.losses.push_back(trainer.compute_gradients(batch, networks)[0]);
      trainer.apply_gradients();
    });
  }
  run.state = trainer.state();
  return run;
}

TEST(Trainer, LossFallsWithAndWithoutDistillation) {
  for (const double distillation : {0.0, 0.5}) {
    TrainingConfig config = tiny_config();
    config.distillation = distillation;
    const Training run = train(config, 2, config.steps);
    // A uniform guess, and half the variance (1/2) of the initial logits: network_test.cpp.
    EXPECT_NEAR(run.losses.front(), std::log(double{kWalkVocabulary}) + 0.25, 0.2);
    EXPECT_LT(run.losses.back(), 0.6 * run.losses.front());  // the source: log(3) = 0.3 of it
  }
}

TEST(Trainer, SameBitsOnAnyNumberOfThreads) {
  for (const double dropout : {0.0, 0.2}) {
    TrainingConfig config = tiny_config();
    config.dropout = dropout;
    const Training one = train(config, 1, 12);
    for (const int threads : {2, 5}) {
      const Training more = train(config, threads, 12);
      EXPECT_EQ(one.losses, more.losses);
      EXPECT_EQ(one.state.parameters, more.state.parameters);
      EXPECT_EQ(one.state.v, more.state.v);
    }
  }
}

// Blocks of rows within a sequence, whole sequences in a block with fewer in the last, parts of a
// batch, a teacher.
TEST(Trainer, SameBitsHoweverABatchIsCut) {
  struct Shape {
    int batch, context, accumulation;
    double distillation;
    double dropout;
  };
  for (const Products products : {Products::fp32, Products::bf16}) {
    if (products == Products::bf16 && bf16_unit() == Bf16Unit::none) continue;
    for (const Shape& shape :
         {Shape{1, 150, 1, 0, 0.2}, Shape{3, 130, 2, 0.5, 0}, Shape{7, 20, 1, 0.5, 0.2}}) {
      TrainingConfig config = tiny_config();
      config.batch = shape.batch;
      config.context = shape.context;
      config.accumulation = shape.accumulation;
      config.distillation = shape.distillation;
      config.dropout = shape.dropout;
      config.products = products;
      const Training one = train(config, 1, 3);
      for (const int threads : {2, 5}) {
        const Training more = train(config, threads, 3);
        EXPECT_EQ(one.losses, more.losses) << shape.context;
        EXPECT_EQ(one.state.parameters, more.state.parameters) << shape.context;
      }
    }
  }
}

TEST(Trainer, ContinuingFromAStateGivesTheSameBits) {
  const TrainingConfig config = tiny_config();
  const Training whole = train(config, 2, 12);
  const Training continued = train(config, 2, 12, train(config, 2, 5).state);
  EXPECT_EQ(whole.state.parameters, continued.state.parameters);
  EXPECT_EQ(whole.state.m, continued.state.m);
}

// Losses and gradients of one step on `sequences` sequences per network, `batch` at a time.
std::pair<std::vector<double>, std::vector<double>> gradients(int sequences, int batch,
                                                              double distillation,
                                                              double dropout = 0) {
  const SearchSpace space = tiny_space().with_vocabulary(kWalkVocabulary);
  TrainingConfig config = tiny_config();
  config.context = 24;
  config.batch = batch;
  config.accumulation = sequences / batch;
  config.distillation = distillation;
  config.dropout = dropout;
  const int in_all = config.sequences_per_step(4);
  const ParameterLayout layout(space.largest(), config.context);
  TrainingState<double> state;
  state.parameters = initial_parameters<double>(layout, 1);
  Trainer<double> trainer(layout, config, std::move(state));
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> targets;
  std::vector<double> losses;
  for (int step = 0; step < 2; ++step) {  // the second one replaces what the first one left
    draw_batch(text(kWalkVocabulary, 5000), in_all, config.context, 3, step, tokens, targets);
    const std::span<const double> of_step = trainer.compute_gradients(
        {tokens.data(), targets.data(), in_all, config.context, Dropout::of_step(dropout, 3, step)},
        sandwich(space, 2, 3, step));
    losses.assign(of_step.begin(), of_step.end());
  }
  return {losses, trainer.gradient()};
}

TEST(Trainer, AccumulatedBatchesGiveTheGradientOfOneLargeBatch) {
  for (const auto& [distillation, dropout] :
       {std::pair{0.0, 0.0}, std::pair{0.5, 0.0}, std::pair{0.0, 0.3}, std::pair{0.5, 0.3}}) {
    const auto [losses, gradient] = gradients(24, 24, distillation, dropout);
    double largest = 0;
    for (double g : gradient) largest = std::max(largest, std::abs(g));
    for (const int batch : {1, 8, 12}) {
      const auto [part_losses, part_gradient] = gradients(24, batch, distillation, dropout);
      ASSERT_EQ(part_losses.size(), 4u);
      for (std::size_t i = 0; i < losses.size(); ++i)
        EXPECT_NEAR(part_losses[i], losses[i], 1e-12 * losses[i]);
      for (std::size_t i = 0; i < gradient.size(); ++i)
        ASSERT_NEAR(part_gradient[i], gradient[i], 1e-12 * largest) << i;
    }
  }
}

// Networks side by side on whole batches, on parts of them, and in groups.
TEST(CpuBackend, AnyMemoryGivesTheSameGradients) {
  const SearchSpace space = tiny_space().with_vocabulary(kWalkVocabulary);
  for (const double distillation : {0.0, 0.5}) {
    TrainingConfig config = tiny_config();
    config.context = 24;
    config.batch = 7;
    config.distillation = distillation;
    config.dropout = 0.3;
    const std::vector<Architecture> networks = sandwich(space, 2, 3, 1);
    const int sequences = config.sequences_per_step(networks.size());
    const ParameterLayout layout(space.largest(), config.context);
    std::vector<std::int32_t> tokens, targets;
    draw_batch(text(kWalkVocabulary, 5000), sequences, config.context, 3, 1, tokens, targets);
    const std::size_t sequence = Activations<double>::bytes(layout, 1, config.context,
                                                            Activations<double>::Keep::all_layers);
    std::vector<double> expected, expected_losses;
    // All that is asked for; three sequences of four networks; one of two; one of one.
    for (const std::size_t bytes :
         {kActivationBytes, 14 * sequence, 2 * sequence, std::size_t{1}}) {
      TrainingState<double> state;
      state.parameters = initial_parameters<double>(layout, 1);
      CpuBackend<double> backend(layout, config, state, Arithmetic::fp32, bytes);
      const std::span<const double> losses =
          backend.gradients({tokens.data(), targets.data(), sequences, config.context,
                             Dropout::of_step(config.dropout, 3, 1)},
                            networks);
      const std::span<const double> of_step = backend.gradient();
      const std::vector<double> gradient(of_step.begin(), of_step.end());
      if (expected.empty()) {
        expected = gradient;
        expected_losses.assign(losses.begin(), losses.end());
        continue;
      }
      const double largest =
          std::abs(*std::max_element(expected.begin(), expected.end(),
                                     [](double a, double b) { return std::abs(a) < std::abs(b); }));
      for (std::size_t i = 0; i < losses.size(); ++i)
        EXPECT_NEAR(losses[i], expected_losses[i], 1e-12 * expected_losses[i]) << bytes;
      for (std::size_t i = 0; i < gradient.size(); ++i)
        ASSERT_NEAR(gradient[i], expected[i], 1e-12 * largest) << bytes << " at " << i;
    }
  }
}

// A few steps only: sums in another order differ in their last bits, which Adam, whose first steps
// have the size of the rate however small the gradient, and the steps after that amplify.
TEST(Trainer, AccumulationSeesTheTextOfOneLargeBatch) {
  TrainingConfig config = tiny_config();
  const Training whole = train(config, 2, 4);
  config.batch /= 3;
  config.accumulation = 3;
  const Training parts = train(config, 2, 4);
  for (std::size_t i = 0; i < whole.losses.size(); ++i)
    EXPECT_NEAR(parts.losses[i], whole.losses[i], 1e-3) << i;
}

TEST(Trainer, ABatchOfAnotherSizeIsRefused) {
  const SearchSpace space = tiny_space().with_vocabulary(kWalkVocabulary);
  const TrainingConfig config = tiny_config();
  const ParameterLayout layout(space.largest(), config.context);
  Trainer<float> trainer(layout, config, {0, initial_parameters<float>(layout, 1), {}, {}});
  const std::vector<std::int32_t> tokens(64, 0);
  const std::vector<Architecture> networks{space.largest()};
  EXPECT_THROW(trainer.compute_gradients({tokens.data(), tokens.data(), 1, 64}, networks), Error);
}

// Its memory was planned without.
TEST(CpuBackend, DropoutThatWasNotAskedForIsRefused) {
  const SearchSpace space = tiny_space().with_vocabulary(kWalkVocabulary);
  const TrainingConfig config = tiny_config();
  const ParameterLayout layout(space.largest(), config.context);
  Trainer<float> trainer(layout, config, {0, initial_parameters<float>(layout, 1), {}, {}});
  const std::vector<std::int32_t> tokens(static_cast<std::size_t>(12 * 64), 0);
  const Batch batch{tokens.data(), tokens.data(), 12, 64, Dropout::of_step(0.1, 1, 0)};
  EXPECT_THROW(trainer.compute_gradients(batch, std::vector<Architecture>{space.largest()}), Error);
}

TEST(Schedule, WarmsUpToThePeakAndDecaysToItsFraction) {
  TrainingConfig config;
  config.steps = 1000;
  config.warmup = 0.1;
  config.learning_rate = 2;
  config.final_learning_rate = 0.25;
  EXPECT_NEAR(learning_rate_at(config, 0), 0.02, 1e-12);
  EXPECT_NEAR(learning_rate_at(config, 99), 2, 1e-12);
  EXPECT_NEAR(learning_rate_at(config, 549), 0.5 * (2 + 0.5), 1e-12);  // half-way down
  EXPECT_NEAR(learning_rate_at(config, 999), 0.5, 1e-12);
}

TEST(Schedule, EndsEarlyWhenConverged) {
  TrainingConfig config;
  config.steps = 1000;
  EXPECT_EQ(training_steps(config), 1000);
  EXPECT_EQ(training_steps(config, 400), 460);
  EXPECT_EQ(training_steps(config, 401), 462);  // 60.15 more, rounded up
  EXPECT_EQ(training_steps(config, 900), 1000);
  const double low = config.final_learning_rate * config.learning_rate;
  for (int step : {0, 100, 399})
    EXPECT_EQ(learning_rate_at(config, step, 400), learning_rate_at(config, step));
  EXPECT_NEAR(learning_rate_at(config, 429, 400), 0.5 * (learning_rate_at(config, 400) + low),
              1e-12);
  EXPECT_NEAR(learning_rate_at(config, 459, 400), low, 1e-12);
}

TEST(Sandwich, HoldsLargestSmallestAndRandomNetworksOfTheSpace) {
  const SearchSpace space = tiny_space();
  for (int step = 0; step < 50; ++step) {
    const std::vector<Architecture> networks = sandwich(space, 2, 9, step);
    ASSERT_EQ(networks.size(), 4u);
    EXPECT_EQ(networks[0], space.largest());
    EXPECT_EQ(networks[1], space.smallest());
    EXPECT_TRUE(space.contains(networks[2]) && space.contains(networks[3]));
    EXPECT_EQ(networks, sandwich(space, 2, 9, step));
  }
}

}  // namespace
}  // namespace paretoformer::supernet
