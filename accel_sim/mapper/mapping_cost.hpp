// The mapper's cost model: cycles and energy of one mapping in closed form, in well under a
// microsecond.
#pragma once

#include "accel_sim/energy.hpp"
#include "accel_sim/hardware.hpp"
#include "accel_sim/mapper/mapping.hpp"

namespace paretoformer {

// What is minimised: cycles, picojoules, or their product.
enum class MappingObjective { kLatency, kEnergy, kEdp };

// What a mapping that uses the array or the DMA badly pays for.
enum class CostRules {
  kGemmini,
  // As Timeloop's model: a block of weights takes no longer than outputs stream past it, a row of a
  // memory costs no more than the words that are used, and DRAM is limited by its bandwidth alone.
  // For comparisons; the exact search is proven for Gemmini's.
  kTimeloop,
};

// Counts are doubles, exact up to 2^53, so that no workpiece overflows.
struct MappingCost {
  double compute = 0;  // cycles of the array
  double memory = 0;   // cycles of the DRAM
  double cycles = 0;   // of the whole
  double dram_bytes = 0;
  double energy_pj = 0;

  double edp() const { return energy_pj * cycles; }
  double of(MappingObjective objective) const {
    switch (objective) {
      case MappingObjective::kLatency:
        return cycles;
      case MappingObjective::kEnergy:
        return energy_pj;
      case MappingObjective::kEdp:
        break;
    }
    return edp();
  }
};

// Counts of a mapping, as Timeloop (Parashar et al., ISPASS 2019, Sec. VI) and DOSA (Hong et al.,
// MICRO 2023, Sec. 4) count them:
// - Reuse: a loop over tiles whose dimension a tensor lacks multiplies that tensor's traffic only
//   if a loop of its own lies inside it; below the innermost of its own, the tile stays. With
//   Hardware::operand_reuse, an operand of at most two tiles stays in the two halves anyway
//   (gemmini.h L783-819). Neighbouring tiles of a convolution share no halo (Gemmini loads each).
// - Sums that leave the accumulator unfinished go out, and come back, as int32; finished ones go
//   out as int8.
// - Array: a block of weights takes as many cycles as outputs stream past it, array_size at least,
//   since the next weights are loaded meanwhile (ExecuteController.scala L285-302).
// - Accesses as in the analytical model: rows of scratchpad and accumulator are read whole.
// - All traffic goes to DRAM: L2 is left out, as in Timeloop's and DOSA's Gemmini.
// - Rows: the DMA asks for a row of a tile in pieces of at most 64 bytes, and for each line of L2
//   that a piece touches by itself (DMA.scala L174-205); only so many requests are in flight each
//   way, and each takes as long as DRAM is away (a line that is written in part is fetched first).
//   So narrow tiles load slowly; neither Timeloop nor DOSA has this, and without it the best
//   mapping is one that the cycle simulator finds slow.
// Latency is the maximum of array and DRAM cycles, for loads, computes and stores overlap; before
// it, the inputs and weights of the first tile's first block of channels arrive; after it, the last
// tile's results leave; and a call costs what it costs the analytical model.
//
// Worked by hand: M x K x N = 32 x 32 x 64, tiles of 32 x 16 x 32, order M K N outside to inside,
// 16 x 16 array full, 32 rows past each block. Tiles: 1 of M, 2 of K, 2 of N. Inputs (M, K): the
// loop over N is innermost, so each of 2 tiles of 512 B is read once: 1024 B. Weights (K, N): 4
// tiles of 512 B, once: 2048 B. Outputs (M, N): K lies outside N, so 2048 sums go out and come back
// as int32 (8192 B each way) and go out as int8 (2048 B). DRAM: 1024 + 2048 + 16384 + 2048 = 21504
// B. Array: 2 x 4 blocks of weights x 32 rows = 256 cycles.
class MappingCostModel {
 public:
  // Throws InputError when the hardware is not weight-stationary.
  MappingCostModel(const Workpiece& work, const Hardware& hardware,
                   CostRules rules = CostRules::kGemmini);

  const Workpiece& work() const { return work_; }
  const Hardware& hardware() const { return hardware_; }

  // The mapping must be valid. Pure, and free of allocation.
  MappingCost operator()(const Mapping& mapping) const;

 private:
  // How often each tensor's elements cross the DRAM's bus.
  struct Visits {
    double inputs = 1, weights = 1, outputs = 1;
  };
  Visits visits(const Mapping& mapping, const PerDimension<int>& tiles) const;

  Workpiece work_;
  Hardware hardware_;
  AccessEnergies energies_;
  CostRules rules_;
  double macs_, weights_, outputs_;
  double bytes_per_cycle_, cycles_per_request_, fixed_cycles_;
};

}  // namespace paretoformer
