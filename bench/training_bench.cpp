// Speed of training and of evaluation as the quickstart does them, and of training at the scale of
// the survey, on all cores.
#include <benchmark/benchmark.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include "search_spaces/search_space.hpp"
#include "supernet/kernels/matmul_bf16.hpp"
#include "supernet/model/evaluation.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/trainer.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;

constexpr int kVocabulary = 1024;
constexpr int kSequences = 64;

SearchSpace space() { return SearchSpace::find("quickstart").with_vocabulary(kVocabulary); }

std::vector<std::int32_t> random_text(int vocabulary) {
  Random random(1);
  std::vector<std::int32_t> text(100'000);
  for (std::int32_t& token : text)
    token = static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(vocabulary)));
  return text;
}

double peak_memory_gb() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * 1024e-9;
}

// Steps of the sandwich rule: largest, smallest and two random networks. Returns the tokens per
// second that each of them learns from.
double sandwich_steps(benchmark::State& state, const SearchSpace& networks,
                      const supernet::TrainingConfig& config) {
  const supernet::ParameterLayout layout(networks.largest(), config.context);
  supernet::TrainingState<float> start;
  start.parameters = initial_parameters<float>(layout, 1);
  supernet::Trainer<float> trainer(layout, config, std::move(start));
  const std::vector<std::int32_t> text = random_text(networks.vocabulary());
  std::vector<std::int32_t> tokens, targets;
  std::int64_t step = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (auto unused : state) {
    static_cast<void>(unused);
    const auto sampled = supernet::sandwich(networks, config.random_subnetworks, 1, step);
    const int sequences = config.sequences_per_step(sampled.size());
    supernet::draw_batch(text, sequences, config.context, 1, step, tokens, targets);
    trainer.compute_gradients({tokens.data(), targets.data(), sequences, config.context}, sampled);
    trainer.apply_gradients();
    ++step;
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  const double speed = static_cast<double>(step * config.tokens_per_network()) / elapsed.count();
  state.counters["tokens_per_second"] = speed;
  return speed;
}

void sandwich_step(benchmark::State& state, supernet::Products products) {
  if (products == supernet::Products::bf16 && supernet::bf16_unit() == supernet::Bf16Unit::none)
    return state.SkipWithError("this processor has no bfloat16 unit");
  supernet::TrainingConfig config;
  config.products = products;
  config.device = supernet::Device::cpu;
  sandwich_steps(state, space(), config);
}

// The survey's whole space (up to 6 layers of width 768) with GPT-2's vocabulary at length 512, in
// micro-batches of two sequences: a step of the survey's 16 sequences is eight of these. On a GPU
// it is a whole step.
void survey_step(benchmark::State& state, supernet::Products products,
                 supernet::Device device = supernet::Device::cpu) {
  const bool gpu = device == supernet::Device::cuda;
  if (const auto why = supernet::why_no_cuda(); gpu && why)
    return state.SkipWithError(("no GPU: " + *why).c_str());
  if (!gpu && products == supernet::Products::bf16 &&
      supernet::bf16_unit() == supernet::Bf16Unit::none)
    return state.SkipWithError("this processor has no bfloat16 unit");
  constexpr double kWikiText2Tokens = 2.4e6;  // of this vocabulary, Kim et al. 2023, section 6.4
  supernet::TrainingConfig config;
  config.batch = gpu ? 16 : 2;
  config.context = 512;
  config.distillation = 0;
  config.device = device;
  config.products = products;
  const double speed =
      sandwich_steps(state, SearchSpace::find("survey").with_vocabulary(50257), config);
  state.counters["hours_for_50_epochs"] = 50 * kWikiText2Tokens / speed / 3600;
  state.counters["peak_GB"] = peak_memory_gb();
}

// The int8 loss of the survey's largest network, calibrated on two sequences of its length and
// scored on 16 (64 and 128 on a GPU).
void survey_integers(benchmark::State& state, supernet::Device device) {
  const bool gpu = device == supernet::Device::cuda;
  if (const auto why = supernet::why_no_cuda(); gpu && why)
    return state.SkipWithError(("no GPU: " + *why).c_str());
  supernet::TrainingConfig config;
  config.context = 512;
  config.device = device;
  config.products = gpu ? supernet::Products::bf16 : supernet::Products::fp32;
  const SearchSpace networks = SearchSpace::find("survey").with_vocabulary(50257);
  const supernet::ParameterLayout layout(networks.largest(), config.context);
  const std::vector<float> parameters = initial_parameters<float>(layout, 1);
  supernet::Evaluator calibration(layout, parameters, random_text(50257), config.context,
                                  gpu ? 64 : 2);
  supernet::Evaluator scored(layout, parameters, random_text(50257), config.context,
                             gpu ? 128 : 16);
  const supernet::IntegerLoss loss = make_integer_loss(layout, parameters, config);
  double tokens = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (auto unused : state) {
    static_cast<void>(unused);
    benchmark::DoNotOptimize(loss(networks.largest(), calibration.batch(), scored.batch()));
    tokens += scored.batch().rows();
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - begin;
  state.counters["tokens_per_second"] = tokens / elapsed.count();
}

// The validation loss of random networks on 64 sequences of the training context (the quickstart
// uses four times as many).
void evaluation(benchmark::State& state) {
  constexpr int kNetworks = 16;
  const supernet::TrainingConfig config;
  const SearchSpace networks = space();
  const supernet::ParameterLayout layout(networks.largest(), config.context);
  const std::vector<float> parameters = initial_parameters<float>(layout, 1);
  supernet::Evaluator evaluator(layout, parameters, random_text(kVocabulary), config.context,
                                kSequences);
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

BENCHMARK_CAPTURE(sandwich_step, fp32, supernet::Products::fp32)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MinTime(5);
BENCHMARK_CAPTURE(sandwich_step, bf16, supernet::Products::bf16)
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime()
    ->MinTime(5);
BENCHMARK(evaluation)->Unit(benchmark::kMillisecond)->UseRealTime()->MinTime(5);
BENCHMARK_CAPTURE(survey_step, fp32, supernet::Products::fp32)
    ->Unit(benchmark::kSecond)
    ->UseRealTime()
    ->Iterations(3);
BENCHMARK_CAPTURE(survey_step, bf16, supernet::Products::bf16)
    ->Unit(benchmark::kSecond)
    ->UseRealTime()
    ->Iterations(3);
BENCHMARK_CAPTURE(survey_step, cuda, supernet::Products::bf16, supernet::Device::cuda)
    ->Unit(benchmark::kSecond)
    ->UseRealTime()
    ->Iterations(30);
BENCHMARK_CAPTURE(survey_integers, cpu, supernet::Device::cpu)
    ->Unit(benchmark::kSecond)
    ->UseRealTime()
    ->Iterations(2);
BENCHMARK_CAPTURE(survey_integers, cuda, supernet::Device::cuda)
    ->Unit(benchmark::kSecond)
    ->UseRealTime()
    ->Iterations(10);

}  // namespace

BENCHMARK_MAIN();
