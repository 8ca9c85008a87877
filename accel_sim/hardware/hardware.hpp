// One accelerator, the machine alone: a Gemmini-style array, its memories, bus, host and energies.
// What its library makes of it is in target.hpp.
#pragma once

#include "accel_sim/hardware/parameters.hpp"

namespace paretoformer::accel_sim {

struct Hardware {
#define PARETOFORMER_MEMBER(type, key, initial, low, high, meaning) type key = initial;
#define PARETOFORMER_SKIP(...)
  PARETOFORMER_TARGET_PARAMETERS(PARETOFORMER_MEMBER, PARETOFORMER_SKIP)
#undef PARETOFORMER_SKIP
#undef PARETOFORMER_MEMBER

  bool operator==(const Hardware&) const = default;

  // Capacities in array_size x array_size blocks ("mats"): int8 in the scratchpad, int32 in the
  // accumulator.
  int scratchpad_blocks() const { return scratchpad_kib * 1024 / (array_size * array_size); }
  int accumulator_blocks() const { return accumulator_kib * 1024 / (4 * array_size * array_size); }
  // The same of one of their banks, which has one at least.
  int scratchpad_bank_blocks() const { return of_bank(scratchpad_blocks(), scratchpad_banks); }
  int accumulator_bank_blocks() const { return of_bank(accumulator_blocks(), accumulator_banks); }
  static int of_bank(int blocks, int banks) { return blocks > banks ? blocks / banks : 1; }
};

}  // namespace paretoformer::accel_sim
