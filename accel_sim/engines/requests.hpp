// The DMA's requests: how large they are, and what those of an mvin bring.
#pragma once

#include <algorithm>
#include <bit>

#include "accel_sim/hardware/hardware.hpp"
#include "accel_sim/hardware/timing.hpp"
#include "accel_sim/lowering/instructions.hpp"

namespace paretoformer::accel_sim {

// The size of the DMA's request for `useful` bytes from an offset in their line: the smallest
// aligned power of two, from a beat of the bus to a line, that covers them (DMA.scala L174-205; the
// writer follows the same rule). Since a larger request never covers more than the rest of the
// line, a row takes one request per line that it touches.
inline int request_bytes(int offset, int useful, int beat_bytes) {
  // The first and the last byte lie in one block of this size.
  const auto differ = static_cast<unsigned>(offset ^ (offset + useful - 1));
  return std::max(beat_bytes, 1 << std::bit_width(differ));
}

// What a request of an mvin brings: beats of the bus, rows of the local memory, and the cycles to
// receive it.
struct RequestData {
  int beats = 0;
  int local_rows = 0;
  int cycles = 0;
};

// Of `useful` bytes from an offset in their line and one in the row that is read. `multipliers`: of
// int4 weights; they stay in the unit that unpacks.
inline RequestData data_of_request(const Mvin& mvin, const Hardware& hardware, int in_line,
                                   int in_row, int useful, bool multipliers) {
  RequestData data;
  const int beat_bytes = hardware.bus_bytes_per_cycle;
  data.beats = request_bytes(in_line, useful, beat_bytes) / beat_bytes;
  const int block_row = mvin.block_row_bytes(hardware.array_size);
  if (!multipliers)
    data.local_rows = mvin.copies * ((in_row + useful - 1) / block_row - in_row / block_row + 1);
  // The merger takes a beat and gives a row of the local memory a cycle (BeatMerger, DMA.scala);
  // scaled rows go at the pace of the scaling units.
  data.cycles = std::max(data.beats, data.local_rows);
  if (mvin.scaled) {
    const int rate = hardware.mvin_scale_elements_per_cycle;
    data.cycles =
        std::max({data.cycles, (useful + rate - 1) / rate, kLeastScalingCycles * data.local_rows});
  }
  return data;
}

}  // namespace paretoformer::accel_sim
