// Speed of the mapper: its cost model, random valid mappings, and the exact search.
#include <benchmark/benchmark.h>

#include <vector>

#include "accel_sim/mapper/mapping_search.hpp"
#include "accel_sim/mapper/mapping_spread.hpp"

namespace {

using namespace paretoformer;

const accel_sim::Workpiece kMatmul = accel_sim::matmul_workpiece(512, 768, 3072);
const accel_sim::Workpiece kConvolution{{7, 7, 512, 512, 3, 3}, 1};

void report_rate(benchmark::State& state, std::int64_t mappings) {
  state.counters["mappings_per_second"] =
      benchmark::Counter(static_cast<double>(mappings), benchmark::Counter::kIsRate);
}

// The cost of mappings that were drawn before.
void cost(benchmark::State& state, const accel_sim::Workpiece& work) {
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const accel_sim::Mapspace space(work, hardware, accel_sim::Factors::kPerfect);
  const accel_sim::MappingCostModel model(work, hardware);
  Random random(1);
  std::vector<accel_sim::Mapping> mappings(4096);
  for (accel_sim::Mapping& mapping : mappings) mapping = space.sample(random);
  for (auto _ : state)
    for (const accel_sim::Mapping& mapping : mappings) benchmark::DoNotOptimize(model(mapping));
  report_rate(state, state.iterations() * static_cast<std::int64_t>(mappings.size()));
}
BENCHMARK_CAPTURE(cost, matmul, kMatmul)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(cost, convolution, kConvolution)->Unit(benchmark::kMicrosecond);

// Drawing valid mappings and pricing them.
void samples(benchmark::State& state, const accel_sim::Workpiece& work) {
  const accel_sim::Mapspace space(work, accel_sim::find_target("gemmini_transformer"),
                                  accel_sim::Factors::kPerfect);
  constexpr std::int64_t kSamples = 10'000;
  for (auto _ : state)
    benchmark::DoNotOptimize(mapping_spread(space, accel_sim::MappingObjective::kEdp, kSamples, 1));
  report_rate(state, state.iterations() * kSamples);
}
BENCHMARK_CAPTURE(samples, matmul, kMatmul)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(samples, convolution, kConvolution)->Unit(benchmark::kMillisecond);

void exact(benchmark::State& state, const accel_sim::Workpiece& work, accel_sim::Factors factors) {
  const accel_sim::Mapspace space(work, accel_sim::find_target("gemmini_transformer"), factors);
  std::int64_t evaluations = 0;
  for (auto _ : state)
    evaluations = best_mapping(space, accel_sim::MappingObjective::kEdp).evaluations;
  state.counters["evaluations"] = static_cast<double>(evaluations);
}
BENCHMARK_CAPTURE(exact, matmul_perfect, kMatmul, accel_sim::Factors::kPerfect)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(exact, matmul_blocks, kMatmul, accel_sim::Factors::kBlocks)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(exact, convolution_perfect, kConvolution, accel_sim::Factors::kPerfect)
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(exact, convolution_blocks, kConvolution, accel_sim::Factors::kBlocks)
    ->Unit(benchmark::kMillisecond);

// What the verb `map` proves, the best of both mapspaces, for the matmuls of a BERT-Base layer at
// length 512, on the machine on which Timeloop's mapper was measured (docs/mapper.md).
void layer(benchmark::State& state, const accel_sim::Workpiece& work) {
  accel_sim::Target hardware;
  hardware.dram_bytes_per_cycle = 16;  // scratchpad 256 KiB, accumulator 64 KiB
  std::int64_t evaluations = 0;
  for (auto _ : state)
    for (const accel_sim::Factors factors :
         {accel_sim::Factors::kPerfect, accel_sim::Factors::kBlocks})
      evaluations += best_mapping(accel_sim::Mapspace(work, hardware, factors),
                                  accel_sim::MappingObjective::kEdp)
                         .evaluations;
  state.counters["evaluations"] =
      benchmark::Counter(static_cast<double>(evaluations), benchmark::Counter::kAvgIterations);
  report_rate(state, evaluations);
}
BENCHMARK_CAPTURE(layer, 512x768x768, accel_sim::matmul_workpiece(512, 768, 768))
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(layer, 512x64x512, accel_sim::matmul_workpiece(512, 64, 512))
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(layer, 512x512x64, accel_sim::matmul_workpiece(512, 512, 64))
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(layer, 512x768x3072, accel_sim::matmul_workpiece(512, 768, 3072))
    ->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(layer, 512x3072x768, accel_sim::matmul_workpiece(512, 3072, 768))
    ->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
