// The area of an accelerator in Intel's 22 nm process (22FFL), from the published layout of one.
#pragma once

#include "accel_sim/hardware/hardware.hpp"

namespace paretoformer::accel_sim {

// Square millimetres of each part.
struct Area {
  double array = 0;            // the PEs
  double scratchpad = 0;       // its SRAM
  double accumulator = 0;      // its SRAM, adders included
  double control = 0;          // everything else of Gemmini: DMA, reservation station, loops
  double nonlinear_units = 0;  // normalisers and activations, where they are on chip

  double total() const { return array + scratchpad + accumulator + control + nonlinear_units; }
};

// It grows with array_size, scratchpad_kib, accumulator_kib and nonlinear_units. What no layout
// was published of costs nothing: banks, bus width, queues, the unit of int4_weights. The host CPU,
// L2 and DRAM are left out: they are the same for all.
Area area(const Hardware& hardware);

}  // namespace paretoformer::accel_sim
