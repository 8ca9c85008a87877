// Speed of the mapper: its cost model, random valid mappings, and the exact search.
#include <benchmark/benchmark.h>

#include <vector>

#include "accel_sim/mapper/mapping_search.hpp"
#include "accel_sim/mapper/mapping_spread.hpp"

namespace {

using namespace paretoformer;

const Workpiece kMatmul = matmul_workpiece(512, 768, 3072);
const Workpiece kConvolution{{7, 7, 512, 512, 3, 3}, 1};

void report_rate(benchmark::State& state, std::int64_t mappings) {
  state.counters["mappings_per_second"] =
      benchmark::Counter(static_cast<double>(mappings), benchmark::Counter::kIsRate);
}

// The cost of mappings that were drawn before.
void cost(benchmark::State& state, const Workpiece& work) {
  const Hardware hardware = find_hardware("gemmini_transformer");
  const Mapspace space(work, hardware, Factors::kPerfect);
  const MappingCostModel model(work, hardware);
  Random random(1);
  std::vector<Mapping> mappings(4096);
  for (Mapping& mapping : mappings) mapping = space.sample(random);
  for (auto _ : state)
    for (const Mapping& mapping : mappings) benchmark::DoNotOptimize(model(mapping));
  report_rate(state, state.iterations() * static_cast<std::int64_t>(mappings.size()));
}
BENCHMARK_CAPTURE(cost, matmul, kMatmul)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(cost, convolution, kConvolution)->Unit(benchmark::kMicrosecond);

// Drawing valid mappings and pricing them.
void samples(benchmark::State& state, const Workpiece& work) {
  const Mapspace space(work, find_hardware("gemmini_transformer"), Factors::kPerfect);
  constexpr std::int64_t kSamples = 10'000;
  for (auto _ : state)
    benchmark::DoNotOptimize(best_of_samples(space, MappingObjective::kEdp, kSamples, 1));
  report_rate(state, state.iterations() * kSamples);
}
BENCHMARK_CAPTURE(samples, matmul, kMatmul)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(samples, convolution, kConvolution)->Unit(benchmark::kMillisecond);

void exact(benchmark::State& state, const Workpiece& work, Factors factors) {
  const Mapspace space(work, find_hardware("gemmini_transformer"), factors);
  std::int64_t evaluations = 0;
  for (auto _ : state) evaluations = best_mapping(space, MappingObjective::kEdp).evaluations;
  state.counters["evaluations"] = static_cast<double>(evaluations);
}
BENCHMARK_CAPTURE(exact, matmul_perfect, kMatmul, Factors::kPerfect)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(exact, matmul_blocks, kMatmul, Factors::kBlocks)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(exact, convolution_perfect, kConvolution, Factors::kPerfect)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(exact, convolution_blocks, kConvolution, Factors::kBlocks)
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
