// What it costs to score a candidate in the accelerator's integers beside fp32, as a search with
// the objective perplexity_int8 does, and where that time goes: both in turns on one thread, in the
// thread's own time, so that whatever else the machine does weighs on neither.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <ctime>
#include <utility>
#include <vector>

#include "nas/run/supernet_losses.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/model/evaluation.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "support/parallel.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;

constexpr int kVocabulary = 1024;
constexpr int kContext = 64;

struct Candidate {
  const char* space;
  int sequences;  // that score it
  int model_width;
  std::vector<Layer> layers;
};

std::vector<std::int32_t> random_text(std::uint64_t seed) {
  Random random(seed);
  std::vector<std::int32_t> text(100'000);
  for (std::int32_t& token : text) token = static_cast<std::int32_t>(random.below(kVocabulary));
  return text;
}

// Of a supernet that is not trained; projections to the residual stream, which begin at 0, are as
// large as the other matrices, so that no activation is 0.
std::vector<float> random_weights(const supernet::ParameterLayout& layout) {
  std::vector<float> weights = initial_parameters<float>(layout, 1);
  Random random(2);
  const auto fill = [&](std::size_t offset, int columns) {
    for (std::size_t i = 0; i < supernet::area(layout.model_width(), columns); ++i)
      weights[offset + i] = static_cast<float>(random.normal() / std::sqrt(columns));
  };
  for (int l = 0; l < layout.largest().depth(); ++l) {
    const supernet::LayerOffsets& o = layout.layer(l);
    fill(o.output, o.attention_width);
    fill(o.down, o.ffn_width);
  }
  return weights;
}

double thread_seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void on_this_thread(std::size_t count, void (*run)(void*, std::size_t), void* loop) {
  for (std::size_t task = 0; task < count; ++task) run(loop, task);
}

struct Phase {
  const char* name;
  std::vector<double> seconds = {};

  double median() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

// Counters are medians: milliseconds of the fp32 loss, and of 1 that, the whole and its parts.
void candidate(benchmark::State& state, const Candidate& what) {
  const SearchSpace space = SearchSpace::find(what.space).with_vocabulary(kVocabulary);
  const supernet::ParameterLayout layout(space, kContext);
  const std::vector<float> weights = random_weights(layout);
  supernet::Evaluator scored(layout, weights, random_text(3), kContext, what.sequences);
  const supernet::Evaluator calibration(layout, weights, random_text(4), kContext,
                                        nas::kCalibrationSequences);
  const Architecture network{what.model_width, layout.head_width(), kVocabulary, what.layers};
  const supernet::QuantizationConfig config;
  Phase fp32{"fp32"};
  std::vector<Phase> int8{{"fold"}, {"calibration"}, {"scales"}, {"quantisation"}, {"pass"}};
  Phase together{"fp32_and_int8"};
  set_task_runner(on_this_thread);
  for (auto unused : state) {
    static_cast<void>(unused);
    const double start = thread_seconds();
    double last = start;
    const auto lap = [&](Phase& phase) {
      const double now = thread_seconds();
      phase.seconds.push_back(now - std::exchange(last, now));
    };
    benchmark::DoNotOptimize(scored.losses({&network, 1}));
    lap(fp32);
    // The steps of nas::int8_losses().
    const supernet::FoldedNetwork folded = fold(layout, weights.data(), network);
    lap(int8[0]);
    const auto seen = observe(folded, calibration.batch());
    lap(int8[1]);
    const auto scales = scales_of(seen, config.activations);
    lap(int8[2]);
    const supernet::QuantizedNetwork quantized =
        quantize(folded, scales, config.weights, config.norm_reads);
    lap(int8[3]);
    benchmark::DoNotOptimize(integer_loss(quantized, scored.batch()));
    lap(int8[4]);
    together.seconds.push_back(last - start);
  }
  set_task_runner(nullptr);
  state.counters["fp32_ms"] = 1e3 * fp32.median();
  for (const Phase& phase : int8) state.counters[phase.name] = phase.median() / fp32.median();
  state.counters[together.name] = together.median() / fp32.median();
}

const auto bench = [](const char* name, const Candidate& what) {
  benchmark::RegisterBenchmark(name, candidate, what)->Unit(benchmark::kMillisecond)->MinTime(4);
};

}  // namespace

int main(int argc, char** argv) {
  bench("quickstart/largest", {"quickstart", 256, 128, std::vector<Layer>(4, {4, 512})});
  bench("quickstart/middle", {"quickstart", 256, 112, {{1, 448}, {1, 256}, {2, 384}, {3, 192}}});
  bench("quickstart/small", {"quickstart", 256, 112, {{2, 256}}});
  bench("quickstart/smallest", {"quickstart", 256, 48, {{1, 64}}});
  bench("wikitext2/largest", {"wikitext2", 512, 128, std::vector<Layer>(6, {4, 512})});
  bench("wikitext2/smallest", {"wikitext2", 512, 64, std::vector<Layer>(3, {1, 128})});
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
}
