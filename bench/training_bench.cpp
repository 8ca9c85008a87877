// Speed of training and of evaluation as the quickstart does them, on all cores.
#include <benchmark/benchmark.h>

#include <cstdint>
#include <utility>
#include <vector>

#include "search_spaces/search_space.hpp"
#include "supernet/evaluation.hpp"
#include "supernet/parameters.hpp"
#include "supernet/trainer.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;

constexpr int kVocabulary = 1024;
constexpr int kSequences = 64;

SearchSpace space() { return SearchSpace::find("quickstart").with_vocabulary(kVocabulary); }

std::vector<std::int32_t> random_text() {
  Random random(1);
  std::vector<std::int32_t> text(100'000);
  for (std::int32_t& token : text) token = static_cast<std::int32_t>(random.below(kVocabulary));
  return text;
}

// One step of the sandwich rule: largest, smallest and two random networks on one batch.
void sandwich_step(benchmark::State& state) {
  const TrainingConfig config;
  const SearchSpace networks = space();
  const ParameterLayout layout(networks.largest(), config.context);
  TrainingState<float> start;
  start.parameters = initial_parameters<float>(layout, 1);
  Trainer<float> trainer(layout, config, std::move(start));
  const std::vector<std::int32_t> text = random_text();
  std::vector<std::int32_t> tokens, targets;
  std::int64_t step = 0;
  for (auto unused : state) {
    static_cast<void>(unused);
    draw_batch(text, config.batch, config.context, 1, step, tokens, targets);
    const Batch batch{tokens.data(), targets.data(), config.batch, config.context};
    trainer.compute_gradients(batch, sandwich(networks, config.random_subnetworks, 1, step));
    trainer.apply_gradients();
    ++step;
  }
  state.counters["tokens_per_second"] = benchmark::Counter(
      static_cast<double>(step) * config.batch * config.context, benchmark::Counter::kIsRate);
}

// The validation loss of random networks on 64 sequences of the training context (the quickstart
// uses four times as many).
void evaluation(benchmark::State& state) {
  constexpr int kNetworks = 16;
  const TrainingConfig config;
  const SearchSpace networks = space();
  const ParameterLayout layout(networks.largest(), config.context);
  const std::vector<float> parameters = initial_parameters<float>(layout, 1);
  Evaluator evaluator(layout, parameters, random_text(), config.context, kSequences);
  Random random(3);
  std::vector<Architecture> sample;
  for (int i = 0; i < kNetworks; ++i) sample.push_back(networks.sample(random));
  for (auto unused : state) {
    static_cast<void>(unused);
    benchmark::DoNotOptimize(evaluator.losses(sample));
  }
  state.counters["seconds_per_network"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * kNetworks,
                         benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
}

BENCHMARK(sandwich_step)->Unit(benchmark::kMillisecond)->UseRealTime()->MinTime(5);
BENCHMARK(evaluation)->Unit(benchmark::kMillisecond)->UseRealTime()->MinTime(5);

}  // namespace

BENCHMARK_MAIN();
