// Energy from counted accesses.
#pragma once

#include <cstdint>

#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/hardware/hardware_cost.hpp"

namespace paretoformer::accel_sim {

// What the energy is counted from, in word accesses (int8, in the accumulator int32).
struct AccessCounts {
  std::int64_t macs = 0;
  std::int64_t pe_register = 0;
  std::int64_t scratchpad = 0;
  std::int64_t accumulator = 0;
  std::int64_t l2_bytes = 0;  // between the DMA and L2; 0 in models without one
  std::int64_t dram_bytes = 0;

  AccessCounts& operator+=(const AccessCounts& other);
  friend AccessCounts operator+(AccessCounts a, const AccessCounts& b) { return a += b; }
  friend AccessCounts operator*(const AccessCounts& counts, std::int64_t times);
  bool operator==(const AccessCounts&) const = default;
};

// Energy of one access of each kind, in picojoules: the 40 nm fit of DOSA
// (dataset/dse/energy_model.py L101-104, L220, L226) at this hardware's capacities.
struct AccessEnergies {
  explicit AccessEnergies(const Hardware& hardware);

  double mac, pe_register, scratchpad, accumulator, l2_byte, dram_byte;
};

// The sum of all accesses times their energies, plus what every cycle (`total`), and every cycle
// that the host computes (`host`), takes.
Picojoules energy(const AccessCounts& accesses, Cycles total, Cycles host,
                  const Hardware& hardware);

}  // namespace paretoformer::accel_sim
