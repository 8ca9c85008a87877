// Speed of the learned model on networks of the published space: predictions one after the other at
// one length on one hardware, every network different; and fitting it.
#include <benchmark/benchmark.h>

#include <vector>

#include "latency_predictor/learned_fit.hpp"

namespace {

using namespace paretoformer;

void predict(benchmark::State& state, Mode mode) {
  const FitOptions options;
  static const LearnedModel model = fit(options);
  std::vector<Architecture> networks;
  Random random(1);
  for (int i = 0; i < 4096; ++i) networks.push_back(options.space.sample(random));
  std::size_t next = 0;
  for (auto _ : state) {
    const Architecture& network = networks[next++ % networks.size()];
    benchmark::DoNotOptimize(model.predict(network, {512, mode}, options.base));
  }
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK_CAPTURE(predict, prefill, Mode::kPrefill);
BENCHMARK_CAPTURE(predict, decode, Mode::kDecode);

void fit_model(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(fit(FitOptions{}));
}
BENCHMARK(fit_model)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
