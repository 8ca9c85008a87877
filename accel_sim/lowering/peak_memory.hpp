// How much main memory an inference needs at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>

#include "accel_sim/lowering/compile.hpp"
#include "accel_sim/workload/operators.hpp"

namespace paretoformer::accel_sim {

// Bytes of a network or of some of its calls, were every matrix kept only from the call that writes
// it to the last one that reads it. Without padding or a program's code.
struct PeakMemory {
  // Parameters, weights of one byte (of four bits, with their multipliers, where a layer has such)
  // and biases of four, with position vectors for the workload's
  // length and a tied embedding twice (row by row for the look-up, transposed for the head); when
  // decoding, keys and values of all positions, int8.
  std::int64_t stored = 0;
  // The largest sum of activations alive at a call, int8 but for scores that go to DRAM as sums.
  // All runs of a call (heads; q, k and v) count as one, so that the scores of all heads are there
  // together; what a call reads and writes is (what is fused counts as one call); so is the
  // residual stream. Unless decoding, keys and values are activations of one layer like others.
  std::int64_t alive = 0;
  // Of the scores, int32, or the constants of row blocks: one for all heads and layers (though
  // those of layers of other widths are places of their own).
  std::int64_t mask = 0;

  std::int64_t bytes() const { return stored + alive + mask; }

  // With other calls of the same network.
  PeakMemory& operator+=(const PeakMemory& other) {
    stored += other.stored;
    alive = std::max(alive, other.alive);
    mask = std::max(mask, other.mask);
    return *this;
  }
};

// Of some calls of a network of that width.
PeakMemory peak_memory(std::span<const Call> calls, const Workload& workload, int model_width);

// Stored for a final LayerNorm that no head follows: among the network's parameters
// (parameter_count()), but in no list of calls.
PeakMemory unused_final_norm(int model_width);

}  // namespace paretoformer::accel_sim
