// What a line of DRAM costs in a stream of them.
#pragma once

#include "accel_sim/hardware/hardware.hpp"

namespace paretoformer::accel_sim {

// Cycles per line when lines follow one another, as the engines' own MemorySystem has it with every
// way of L2 taken: nothing here can fall behind what they price. Measured, not a formula, since
// what holds a line up changes with the hardware: the bus, the latency over the miss registers, or
// the acknowledgements of lines that are released, for which the bus runs dry. With the defaults 15
// lines pass, 8 cycles each, and then nothing comes until the next one has been asked for.
struct LineCost {
  explicit LineCost(const Hardware& hardware);

  double fetched;  // that L2 lacks, pages open
  double written;  // as a whole, that L2 lacks: another one is released for it
};

}  // namespace paretoformer::accel_sim
