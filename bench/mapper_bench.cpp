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

// What the verb `map` proves, the best of both mapspaces, for the matmuls of a BERT-Base layer at
// length 512, on the machine on which Timeloop's mapper was measured (docs/mapper.md).
void layer(benchmark::State& state, const Workpiece& work) {
  Hardware hardware;
  hardware.dram_bytes_per_cycle = 16;  // scratchpad 256 KiB, accumulator 64 KiB
  std::int64_t evaluations = 0;
  for (auto _ : state)
    for (const Factors factors : {Factors::kPerfect, Factors::kBlocks})
      evaluations +=
          best_mapping(Mapspace(work, hardware, factors), MappingObjective::kEdp).evaluations;
  state.counters["evaluations"] =
      benchmark::Counter(static_cast<double>(evaluations), benchmark::Counter::kAvgIterations);
  report_rate(state, evaluations);
}
BENCHMARK_CAPTURE(layer, 512x768x768, matmul_workpiece(512, 768, 768))
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(layer, 512x64x512, matmul_workpiece(512, 64, 512))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(layer, 512x512x64, matmul_workpiece(512, 512, 64))->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(layer, 512x768x3072, matmul_workpiece(512, 768, 3072))
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(layer, 512x3072x768, matmul_workpiece(512, 3072, 768))
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
