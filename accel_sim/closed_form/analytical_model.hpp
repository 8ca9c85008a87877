// The analytical cost model: latency and energy of an operator in closed form, from its tiles.
#pragma once

#include "accel_sim/hardware/energy.hpp"
#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/workload/operators.hpp"

namespace paretoformer::accel_sim {

// The name under which look-up tables carry this model's numbers. Its number goes up when a formula
// changes, so that a table of the old prices is refused.
inline constexpr const char* kAnalyticalModel = "analytical/2";

// Where the cycles of an operator go. Compute, memory and issue overlap perfectly, as in the
// survey's model (Sec. 3.3): the slowest of the three decides, and `fixed` comes on top.
struct AnalyticalLatency {
  Cycles compute;  // PE array, normaliser or host
  Cycles memory;   // DRAM bytes over the bandwidth
  Cycles issue;    // CPU issuing the loops or the commands of tiled_norm
  Cycles fixed;    // call, first DRAM access, filling and draining the array

  Cycles total() const;
};

struct AnalyticalEstimate {
  AnalyticalLatency latency;
  AccessCounts accesses;
  HardwareCost cost;
};

// The model, operator by operator:
// - Matmul: every block of array_size^3 takes array_size cycles, the last of each dimension padded;
//   transposed right operands flip the weights twice (ExecuteController.scala). Tiles follow
//   Gemmini's own rule (tiling.hpp), whatever Library::tiling says; the left input is read once
//   per column of tiles and the right one once per row of tiles unless all of it stays in the
//   scratchpad (gemmini.h L783-819). Of causal scores in row blocks, what each block computes, for
//   which it loads its keys anew. All traffic goes to DRAM: there is no L2.
// - Softmax on chip is fused with the scores when whole rows fit half the accumulator: three passes
//   of the normaliser over the accumulator, after the matmul. Otherwise the scores go to DRAM as
//   int32 and come back. A fused LayerNorm (compile.hpp) is priced as a fused softmax is. GELU on
//   chip costs nothing but its constants. LayerNorm is a tiled_norm of int32 sums: three passes,
//   its commands issued by the CPU. The residual add reads both operands through the scaling units.
// - With nonlinear_units = host, all four run on the CPU at so many cycles per element.
// Never negative, and deterministic.
AnalyticalEstimate analytical_estimate(const Operator& op, const Target& target);

// analytical_estimate().cost.
HardwareCost analytical_cost(const Operator& op, const Target& target);

}  // namespace paretoformer::accel_sim
