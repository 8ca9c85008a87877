// Speed of the cycle simulator: layers and whole encoders, and its fast engine against the one that
// steps cycle by cycle.
#include <benchmark/benchmark.h>

#include "accel_sim/engines/fast_engine.hpp"
#include "accel_sim/engines/reference_engine.hpp"
#include "accel_sim/simulator.hpp"

namespace {

using namespace paretoformer;

void report_rate(benchmark::State& state, std::int64_t cycles) {
  state.counters["simulated_cycles_per_second"] =
      benchmark::Counter(static_cast<double>(cycles) * static_cast<double>(state.iterations()),
                         benchmark::Counter::kIsRate);
}

// A BERT-Base encoder of so many layers at length 512, everything simulated anew.
void encoder(benchmark::State& state, const char* preset, std::size_t layers) {
  const accel_sim::Target hardware = accel_sim::find_target(preset);
  const Architecture network{768, 64, 0, std::vector<Layer>(layers, {12, 3072})};
  std::int64_t cycles = 0;
  for (auto _ : state) {
    cycles = 0;
    for (const accel_sim::OperatorReport& each :
         simulate(network, {512, accel_sim::Mode::kPrefill}, hardware))
      cycles += each.report.cost.latency.value() * each.item.repeat;
  }
  report_rate(state, cycles);
}
BENCHMARK_CAPTURE(encoder, one_layer_transformer, "gemmini_transformer", 1)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encoder, one_layer_cnn, "gemmini_cnn", 1)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encoder, twelve_layers_transformer, "gemmini_transformer", 12)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(encoder, twelve_layers_cnn, "gemmini_cnn", 12)->Unit(benchmark::kMillisecond);

// One projection at length 128 on either engine: the ratio of their rates is the speed-up.
template <typename Run>
void projection(benchmark::State& state, Run run) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const accel_sim::Program program = lower(accel_sim::matmul(128, 768, 768), hardware);
  std::int64_t cycles = 0;
  for (auto _ : state) cycles = run(program, hardware).cycles;
  report_rate(state, cycles);
}
BENCHMARK_CAPTURE(projection, fast,
                  [](const accel_sim::Program& program, const accel_sim::Target& hardware) {
                    return run_fast_engine(program, hardware);
                  })
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(projection, reference,
                  [](const accel_sim::Program& program, const accel_sim::Target& hardware) {
                    return run_reference_engine(program, hardware);
                  })
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
