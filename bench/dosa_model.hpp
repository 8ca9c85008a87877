// The cost model that DOSA (Hong et al., MICRO 2023) searches hardware and mappings with:
// Timeloop's of a Gemmini, in closed form. For comparisons with it; what this project believes of a
// mapping is MappingCostModel.
#pragma once

#include <vector>

#include "accel_sim/mapper/mapping.hpp"
#include "support/random.hpp"

namespace paretoformer::accel_sim {

struct DosaHardware {
  int array_size = 16;  // its edge
  int scratchpad_kib = 128;
  int accumulator_kib = 32;  // of all columns together

  bool operator==(const DosaHardware&) const = default;
};

// A mapping's needs and costs, but for energies that depend on the memories' sizes.
//
// Counts of accesses, in words (int8, in the accumulator int32), are those of mapping_cost.hpp but
// for these, which Timeloop's Gemmini has instead:
// - A tile has all of the scratchpad, and each column's part of it all of that column's
//   accumulator: no double buffering, no rows.
// - A sum that leaves unfinished takes one word each way, in DRAM, too. The accumulator counts two
//   accesses for each sum that the array adds, less the first of each output, and one for each that
//   comes in.
// - Tiles next to each other along an axis of the image or the kernel, where that loop is the
//   innermost one, share what both touch.
// - Weights stay in the array while loops over outputs run, those in DRAM included where the tile
//   is a single block of weights.
// Cycles are the largest of MACs over multipliers in use and of accesses over words per cycle: 8 of
// DRAM, 2 for each edge of the array of the scratchpad, 2 for each column in use of the
// accumulator. Energies are DOSA's fit to 40 nm: 0.5608 pJ a MAC, 0.48746 a register, 0.49 +
// 0.02513 for each KiB the scratchpad, 1.94 + 0.1005 for each KiB of a column the accumulator, 100
// a byte of DRAM.
struct DosaCost {
  double scratchpad_bytes = 0;  // that a tile takes
  double column_words = 0;      // and in each column of the accumulator
  double cycles = 0;
  double fixed_pj = 0;                     // of MACs, registers and DRAM
  double scratchpad = 0, accumulator = 0;  // accesses

  bool fits(const DosaHardware& hardware) const {
    return scratchpad_bytes <= 1024.0 * hardware.scratchpad_kib &&
           column_words * hardware.array_size <= 256.0 * hardware.accumulator_kib;
  }
  double energy_pj(const DosaHardware& hardware) const {
    return fixed_pj + scratchpad * (0.49 + 0.02513 * hardware.scratchpad_kib) +
           accumulator * (1.94 + 0.1005 * hardware.accumulator_kib / hardware.array_size);
  }
};

// Of a mapping whose tiles divide the workpiece, and whose spatial factors inner[C] and inner[K]
// divide the tile.
DosaCost dosa_cost(const Workpiece& work, const Mapping& mapping, int array_size);

// Of the mapping that is best in everything for each tile and each innermost loop: with the largest
// spatial factors. No other mapping is better than all of these, whatever the memories' sizes.
std::vector<DosaCost> dosa_mappings(const Workpiece& work, int array_size);

// A layer of a network and how often it runs.
struct DosaLayer {
  Workpiece work;
  int count = 1;
};

struct DosaTotal {
  double cycles = 0, energy_pj = 0;
  double edp() const { return cycles * energy_pj; }
};

// The lowest (sum of cycles) x (sum of energies) of a network whose layers have these mappings,
// exactly. For a product is quasi-concave, and so lowest in a corner of the convex hull of all
// sums, which is a sum of corners of the layers' hulls. Infinite where a layer has no mapping that
// fits.
DosaTotal best_total(const std::vector<std::vector<DosaCost>>& mappings,
                     const std::vector<int>& counts, const DosaHardware& hardware);

// So many of all mappings that fit, each uniform by factors and by orders: as DOSA's random search
// draws them, by Timeloop's random mapper.
std::vector<DosaCost> random_dosa_mappings(const Workpiece& work, const DosaHardware& hardware,
                                           int count, Random& random);

}  // namespace paretoformer::accel_sim
