// What both engines of the simulator answer for a program: cycles, where they went, and everything
// that moved.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "accel_sim/hardware/energy.hpp"

namespace paretoformer::accel_sim {

// Every cycle of a run once: the array works, or it does not because of one thing.
struct CycleBreakdown {
  std::int64_t array = 0;       // operands are fed
  std::int64_t load = 0;        // waits for an mvin, or for its rows at the scratchpad's port
  std::int64_t store = 0;       // waits for room in the accumulator
  std::int64_t host = 0;        // waits for the CPU to issue work, or the CPU computes
  std::int64_t pipeline = 0;    // weights are loaded by themselves, results drain
  std::int64_t writeback = 0;   // all is computed, results are moved out
  std::int64_t normaliser = 0;  // the same, through the passes of the normaliser

  std::int64_t total() const {
    return array + load + store + host + pipeline + writeback + normaliser;
  }
  CycleBreakdown& operator+=(const CycleBreakdown& other);
  friend CycleBreakdown operator+(CycleBreakdown a, const CycleBreakdown& b) { return a += b; }
  friend CycleBreakdown operator*(CycleBreakdown breakdown, std::int64_t times);
  bool operator==(const CycleBreakdown&) const = default;
};

// Every member of CycleBreakdown by its name.
struct CycleCause {
  const char* name;
  std::int64_t CycleBreakdown::*cycles;
};
inline constexpr std::array<CycleCause, 7> kCycleCauses = {{
    {"array", &CycleBreakdown::array},
    {"load", &CycleBreakdown::load},
    {"store", &CycleBreakdown::store},
    {"host", &CycleBreakdown::host},
    {"pipeline", &CycleBreakdown::pipeline},
    {"writeback", &CycleBreakdown::writeback},
    {"normaliser", &CycleBreakdown::normaliser},
}};

struct EngineResult {
  std::int64_t cycles = 0;
  CycleBreakdown breakdown;     // adds up to `cycles`
  AccessCounts accesses;        // but for `macs`, which the operator says
  std::int64_t load_busy = 0;   // cycles with an mvin in flight
  std::int64_t store_busy = 0;  // cycles with an mvout in flight
};

// A span of a lane for the trace.
enum class Lane { kHost, kLoad, kExecute, kStore };
struct TraceSpan {
  Lane lane;
  std::string_view name;  // a literal
  std::int64_t begin;
  std::int64_t end;
};
using Trace = std::vector<TraceSpan>;

}  // namespace paretoformer::accel_sim
