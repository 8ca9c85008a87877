#include "accel_sim/hardware/line_cost.hpp"

#include <algorithm>

#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {
namespace {

// Of lines of which `fetched` is the share that has data.
double cycles_per_line(const Hardware& hardware, double fetched) {
  const double bus = kLineBytes / hardware.dram_bytes_per_cycle;
  const double misses = hardware.l2_misses_in_flight;
  const int releases = hardware.l2_releases_in_flight;
  const double turn = hardware.dram_latency_cycles + (releases > 0 ? kReleaseCycles : 0);
  // Banks take turns on the bus, so that each has cycles without data; so has a slow bus.
  const bool unbroken =
      hardware.l2_banks == 1 && bus <= kBeatsOfLine && (fetched * misses - 1) * bus >= turn - bus;
  if (releases > 0 && unbroken)
    return fetched * bus + std::max(1 + turn - bus, 0.0) / (misses + releases);
  return std::max(fetched * bus, turn / (misses * hardware.l2_banks));
}

}  // namespace

LineCost::LineCost(const Hardware& hardware)
    : fetched(cycles_per_line(hardware, 1)),
      // Of a pair, what the one that is fetched leaves.
      written(std::max(2 * cycles_per_line(hardware, 0.5) - fetched, 0.0)) {}

}  // namespace paretoformer::accel_sim
