// Speed of the learned model on networks of the published space: predictions one after the other at
// one length on one hardware, every network different; and fitting it.
#include <benchmark/benchmark.h>

#include <vector>

#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/learned/learned_fit.hpp"
#include "latency_predictor/tables.hpp"

namespace {

using namespace paretoformer;

void predict(benchmark::State& state, accel_sim::Mode mode) {
  const latency_predictor::FitOptions options;
  static const latency_predictor::LearnedModel model = fit(options);
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
BENCHMARK_CAPTURE(predict, prefill, accel_sim::Mode::kPrefill);
BENCHMARK_CAPTURE(predict, decode, accel_sim::Mode::kDecode);

// The same through a table: what is left once all operators of the space have been seen.
void predict_with_table(benchmark::State& state) {
  const latency_predictor::FitOptions options;
  const latency_predictor::LatencyPredictor predictor(
      options.base, {512, accel_sim::Mode::kPrefill}, learned_table(fit(options), options.base));
  std::vector<Architecture> networks;
  Random random(1);
  for (int i = 0; i < 4096; ++i) networks.push_back(options.space.sample(random));
  for (const Architecture& network : networks) predictor.predict(network);
  std::size_t next = 0;
  for (auto _ : state)
    benchmark::DoNotOptimize(predictor.predict(networks[next++ % networks.size()]));
  state.SetItemsProcessed(state.iterations());
}
BENCHMARK(predict_with_table);

void fit_model(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(fit(latency_predictor::FitOptions{}));
}
BENCHMARK(fit_model)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
