// Non-dominated sorting and hypervolume against pagmo2's, on the same points in turns. The time
// shown is the project's; `pagmo_us` is pagmo's per call and `ratio` how many times as fast the
// project is.
#include <benchmark/benchmark.h>

#include <chrono>
#include <cmath>
#include <pagmo/utils/hypervolume.hpp>
#include <pagmo/utils/multi_objective.hpp>

#include "nas/core/pareto.hpp"
#include "support/random.hpp"

namespace {

using namespace paretoformer;

std::vector<nas::Point> cloud(std::size_t count, std::size_t objectives) {
  Random random(1);
  std::vector<nas::Point> points(count, nas::Point(objectives));
  for (nas::Point& point : points)
    for (double& value : point) value = random.uniform();
  return points;
}

// None dominates another: on the quarter circle or the octant of the sphere around the reference.
std::vector<nas::Point> front(std::size_t count, std::size_t objectives) {
  Random random(1);
  std::vector<nas::Point> points(count, nas::Point(objectives));
  for (nas::Point& point : points) {
    double norm = 0;
    for (double& value : point) {
      value = std::abs(random.normal());
      norm += value * value;
    }
    for (double& value : point) value = 1 - value / std::sqrt(norm);
  }
  return points;
}

// Both once per iteration.
template <typename Own, typename Peer>
void compare(benchmark::State& state, const Own& own, const Peer& peer) {
  using Clock = std::chrono::steady_clock;
  std::chrono::duration<double> own_time{0}, peer_time{0};
  for (auto _ : state) {
    const auto start = Clock::now();
    own();
    const auto middle = Clock::now();
    peer();
    const auto end = Clock::now();
    state.SetIterationTime(std::chrono::duration<double>(middle - start).count());
    own_time += middle - start;
    peer_time += end - middle;
  }
  state.counters["pagmo_us"] = 1e6 * peer_time.count() / static_cast<double>(state.iterations());
  state.counters["ratio"] = peer_time / own_time;
}

void sort(benchmark::State& state) {
  const auto points =
      cloud(static_cast<std::size_t>(state.range(1)), static_cast<std::size_t>(state.range(0)));
  compare(
      state, [&] { benchmark::DoNotOptimize(nas::non_dominated_sort(points)); },
      [&] { benchmark::DoNotOptimize(pagmo::fast_non_dominated_sorting(points)); });
}
BENCHMARK(sort)
    ->ArgsProduct({{2, 3}, {100, 400, 1600}})
    ->ArgNames({"objectives", "points"})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

void volume(benchmark::State& state) {
  const auto objectives = static_cast<std::size_t>(state.range(0));
  const auto points = front(static_cast<std::size_t>(state.range(1)), objectives);
  const nas::Point reference(objectives, 1.1);
  compare(
      state, [&] { benchmark::DoNotOptimize(nas::hypervolume(points, reference)); },
      // Points are checked and copied by both.
      [&] { benchmark::DoNotOptimize(pagmo::hypervolume(points).compute(reference)); });
}
BENCHMARK(volume)
    ->ArgsProduct({{2, 3}, {100, 400, 1600}})
    ->Args({4, 100})
    ->Args({4, 400})
    ->Args({4, 1600})
    ->Args({7, 400})
    ->ArgNames({"objectives", "points"})
    ->UseManualTime()
    ->Unit(benchmark::kMicrosecond);

}  // namespace

BENCHMARK_MAIN();
