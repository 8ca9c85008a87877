// Queries of a latency predictor per second and core, against the sum over a network's operators
// looked up one by one and against the simulation of the whole network.
#include <benchmark/benchmark.h>

#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/simulator.hpp"
#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/lookup_table.hpp"
#include "search_spaces/search_space.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;

const accel_sim::Workload kWorkload{512, accel_sim::Mode::kPrefill};

std::vector<Architecture> networks(int count) {
  const SearchSpace space = SearchSpace::find("survey");
  Random random(1);
  std::vector<Architecture> networks;
  while (static_cast<int>(networks.size()) < count) networks.push_back(space.sample(random));
  return networks;
}

const latency_predictor::LatencyPredictor& filled() {
  static const latency_predictor::LatencyPredictor predictor = [] {
    latency_predictor::LatencyPredictor made(accel_sim::find_target("gemmini_transformer"),
                                             kWorkload);
    made.fill(SearchSpace::find("survey"));
    return made;
  }();
  return predictor;
}

void count_networks(benchmark::State& state, std::size_t per_iteration) {
  state.counters["networks_per_second"] = benchmark::Counter(
      static_cast<double>(per_iteration) * static_cast<double>(state.iterations()),
      benchmark::Counter::kIsRate);
}

void table(benchmark::State& state) {
  const std::vector<Architecture> batch = networks(4096);
  std::vector<accel_sim::HardwareCost> costs(batch.size());
  filled().predict(batch, costs);
  for (auto _ : state) {
    filled().predict(batch, costs);
    benchmark::DoNotOptimize(costs.data());
  }
  count_networks(state, batch.size());
}
BENCHMARK(table)->Unit(benchmark::kMicrosecond);

void operator_by_operator(benchmark::State& state) {
  const std::vector<Architecture> batch = networks(256);
  for (auto _ : state)
    for (const Architecture& network : batch) {
      accel_sim::HardwareCost total;
      for (const accel_sim::TransformerOperator& item :
           scheduled_operators(network, kWorkload, *filled().hardware()))
        total += filled().table().cost(item.op) * item.repeat;
      benchmark::DoNotOptimize(total);
    }
  count_networks(state, batch.size());
}
BENCHMARK(operator_by_operator)->Unit(benchmark::kMicrosecond);

void whole_network_simulation(benchmark::State& state) {
  const std::vector<Architecture> batch = networks(8);
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  for (auto _ : state)
    for (const Architecture& network : batch)
      benchmark::DoNotOptimize(simulate_network(network, kWorkload, hardware).size());
  count_networks(state, batch.size());
}
BENCHMARK(whole_network_simulation)->Unit(benchmark::kMillisecond);

void fill(benchmark::State& state) {
  for (auto _ : state) {
    const latency_predictor::LatencyPredictor predictor(
        accel_sim::find_target("gemmini_transformer"), kWorkload);
    predictor.fill(SearchSpace::find("survey"));
    state.counters["operators"] = static_cast<double>(predictor.table().size());
  }
}
BENCHMARK(fill)->Unit(benchmark::kMillisecond)->UseRealTime();

}  // namespace

BENCHMARK_MAIN();
