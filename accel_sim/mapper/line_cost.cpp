#include "accel_sim/mapper/line_cost.hpp"

#include <algorithm>
#include <cstdint>

#include "accel_sim/engines/memory_system.hpp"
#include "accel_sim/hardware/timing.hpp"

namespace paretoformer::accel_sim {
namespace {

// Of so many sets another cache behaves as this one does: lines in a row never meet.
constexpr int kSets = 1024;

// Lines in a row, of which every `writes_every`th (0: none) is written, the others fetched.
double cycles_per_step(const Hardware& hardware, int writes_every) {
  const int turn =
      hardware.l2_banks * (hardware.l2_misses_in_flight + hardware.l2_releases_in_flight);
  const int steps = 4 * turn;  // to settle, and as many to count
  MemorySystem memory(hardware, 2 * std::int64_t{steps} * kLineBytes, CacheState::kCold);
  std::int64_t time = 0, half = 0, data = 0;
  for (int i = 0; i < 2 * steps; ++i) {
    if (writes_every > 0 && i % writes_every == writes_every - 1) {
      memory.write_whole(i, time);
    } else {
      const MemorySystem::Fetch fetch = memory.fetch(i, time);
      time = fetch.accepted + 1;
      data = fetch.data;
    }
    if (i + 1 == steps) half = data;
  }
  return static_cast<double>(data - half) / steps;
}

}  // namespace

LineCost::LineCost(const Hardware& hardware) {
  Hardware open = hardware;
  open.dram_page_miss_cycles = 0;
  open.l2_kib = std::min(hardware.l2_kib, kSets * hardware.l2_ways * kLineBytes / 1024);
  fetched = cycles_per_step(open, 0);
  written = std::max(2 * cycles_per_step(open, 2) - fetched, 0.0);
}

}  // namespace paretoformer::accel_sim
