// What a line of DRAM costs in a stream of them.
#pragma once

#include "accel_sim/hardware/hardware.hpp"

namespace paretoformer::accel_sim {

// Cycles per line when lines follow one another and every way of L2 is taken, in closed form; the
// engines' memory answers the same where clean lines leave
// (tests/accel_sim/hardware/line_cost_test.cpp).
//
// A line takes the bus for its bytes, and one of the miss registers, in turn, for the DRAM's
// latency. Releases are acknowledged in cycles without data. As long as a bank's channel has data
// without a break none is, so that after as many as may be under way no other line is asked for;
// what was asked for comes in, and then the channel is idle until a line asked for then is there.
// In that time lines are released every third cycle, and acknowledged 5 cycles later, as long as
// there are registers. So many lines and as many as may be under way come between two such gaps:
// with the defaults 10 + 5 of 8 cycles, and then 1 + 65 - 8 = 58 cycles, 11.87 a line. Where the
// bus hardly keeps up with the registers the gaps are not all alike, and this is up to a quarter
// too low.
struct LineCost {
  explicit LineCost(const Hardware& hardware);

  double fetched;   // that L2 lacks, pages open
  double released;  // for another one: a share of those is dirty, and sent to DRAM
};

}  // namespace paretoformer::accel_sim
