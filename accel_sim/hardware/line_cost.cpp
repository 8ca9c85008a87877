#include "accel_sim/hardware/line_cost.hpp"

#include <algorithm>

#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {
namespace {

double fetched_cycles(const Hardware& hardware) {
  const double bus = kLineBytes / hardware.dram_bytes_per_cycle;
  const double misses = hardware.l2_misses_in_flight;
  const double latency = hardware.dram_latency_cycles;
  const int releases = hardware.l2_releases_in_flight;
  // Banks take turns on the bus, so that each has cycles without data; so has a slow bus.
  const bool unbroken =
      hardware.l2_banks == 1 && bus <= kBeatsOfLine && (misses - 1) * bus >= latency - bus;
  if (releases > 0 && unbroken) {
    const double gap = std::max(1 + latency - bus, 0.0);
    const double in_gap = 1 + (gap - kReleaseAnswerCycles) / kMissTurnCycles;
    return bus + gap / (std::clamp(in_gap, 0.0, misses) + releases);
  }
  return std::max(bus, latency / (misses * hardware.l2_banks));
}

double released_cycles(const Hardware& hardware) {
  if (hardware.l2_releases_in_flight == 0) return 0;
  return static_cast<double>(write_back_cycles(hardware.dram_bytes_per_cycle)) /
         (kOthersPerWritten * hardware.l2_banks);
}

}  // namespace

LineCost::LineCost(const Hardware& hardware)
    : fetched(fetched_cycles(hardware)), released(released_cycles(hardware)) {}

}  // namespace paretoformer::accel_sim
