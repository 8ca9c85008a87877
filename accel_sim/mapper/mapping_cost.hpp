// The mapper's cost model: cycles and energy of one mapping in closed form, in well under a
// microsecond.
#pragma once

#include "accel_sim/hardware/energy.hpp"
#include "accel_sim/hardware/line_cost.hpp"
#include "accel_sim/hardware/target.hpp"
#include "accel_sim/mapper/mapping.hpp"

namespace paretoformer::accel_sim {

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
  double memory = 0;   // cycles of the memory, sums apart
  double stall = 0;    // of the array, waiting for what comes in a burst, or for a bank
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
//   Library::operand_reuse, an operand of at most two tiles stays in the two halves anyway
//   (gemmini.h L783-819). Neighbouring tiles of a convolution share no halo (Gemmini loads each).
// - Sums that leave the accumulator unfinished go out, and come back, as int32; finished ones go
//   out as int8.
// - Array: a block of weights takes as many cycles as outputs stream past it, array_size at least,
//   since the next weights are loaded meanwhile (ExecuteController.scala L285-302).
// - Accesses as in the analytical model: rows of scratchpad and accumulator are read whole.
// - Energy: all traffic goes to DRAM, as in Timeloop's and DOSA's Gemmini.
// - Weights of four bits (Workpiece::weight_bits): rows of the matrix, and of a tile, are half as
//   long in DRAM, L2 and on the bus, rows of multipliers come with every block of rows, and each
//   command of the DMA asks for half a line. In the scratchpad and the array they are int8.
// - Memory: the slowest of what follows, as in the engines (memory_system.hpp, dma.hpp), and in
//   neither Timeloop nor DOSA. Without it the best mapping is one of narrow tiles that the cycle
//   simulator finds slow.
//   * Lines: L2 fetches whole ones, each for LineCost's cycles. A row of a tile that is not aligned
//     touches a line more than it fills. Two tiles share that line, and a tensor is visited again:
//     a line is then still in L2 with probability exp(-bytes filled since / capacity), as
//     replacement is random. Rows whose distance has a factor in common with the number of sets
//     meet in few of them. That the bytes do not depend on the order of loops is an approximation,
//     on which the exact search relies: between two visits it is the tensor itself.
//   * Results: a line that is written in part is fetched first, one that is written as a whole only
//     makes another one leave. A third of those that leave are sent to DRAM.
//   * L2 and the bus: a beat or a row of the scratchpad a cycle, and what else L2 does for a line
//     that is fetched or written and for the one that leaves (timing.hpp).
//   * Requests: so many are in flight each way, reads until their last beat, each for as long as
//     the DRAM or L2 is away, writes until they are acknowledged.
//   * Pages: mvins go down the rows of a tile, a line of each at a time, and open the pages of all
//     of them each time if these are more than there are banks, or if the other operand took the
//     bank. The bus waits for that, less what the miss registers hide. A last-level cache, from
//     which the oldest line goes first, keeps a tensor that fits.
// - Bursts: while a tile is computed the operands of the next one come, and no others. An operand
//   that stays for many tiles and then changes must come within one of them, and so must lines that
//   the tiles after it share; the array waits for the rest, whatever the bus did before. In the
//   same way results wait for lines that are written in part. The one that costs most counts.
// - Banks: weights that lie in the bank of the inputs take turns with them.
// - Sums that come back wait until the computes before them are done (waits_for_computes()), and
//   their tile's operands come after them: nothing hides them.
// Latency is the maximum of array with its waiting, memory and the host's commands, for these
// overlap; besides, the sums; before it, the call and the first lines of the first tile's rows, or
// what of that tile the array does not hide; after it, the last tile's results leave the
// accumulator. No constant is fitted to the simulator; mapping_validation_test.cpp says how far
// they are apart.
//
// Worked by hand: M x K x N = 32 x 32 x 64, tiles of 32 x 16 x 32, order M K N outside to inside,
// 16 x 16 array full, 32 rows past each block. Tiles: 1 of M, 2 of K, 2 of N. Inputs (M, K): the
// loop over N is innermost, so each of 2 tiles of 512 B is read once: 1024 B. Weights (K, N): 4
// tiles of 512 B, once: 2048 B. Outputs (M, N): K lies outside N, so 2048 sums go out and come back
// as int32 (8192 B each way) and go out as int8 (2048 B). DRAM: 1024 + 2048 + 16384 + 2048 = 21504
// B. Array: 2 x 4 blocks of weights x 32 rows = 256 cycles. Memory without pages and releases, 8
// cycles a line: 16 lines of inputs and 32 of weights, which L2 keeps for the tiles that share
// them, and 32 of results, written 32 B at a time: 640 cycles. L2 takes longer: 192 cycles for 3072
// B of inputs and weights, 2 for each of the 80 lines, 64 times 5 for results: 672. Sums: 8192 B
// from L2 at 16 B a cycle, 512, and 128 lines of them that take L2 5 cycles each to write, 640.
class MappingCostModel {
 public:
  // Throws InputError when the hardware is not weight-stationary.
  MappingCostModel(const Workpiece& work, const Target& target,
                   CostRules rules = CostRules::kGemmini);

  const Workpiece& work() const { return work_; }
  const Target& target() const { return target_; }

  // The mapping must be valid. Pure, and free of allocation.
  MappingCost operator()(const Mapping& mapping) const;

 private:
  // How often each tensor's elements cross the DRAM's bus.
  struct Visits {
    double inputs = 1, weights = 1, outputs = 1;
  };
  Visits visits(const Mapping& mapping, const PerDimension<int>& tiles) const;

  // How the rows of a tensor lie in memory, and what is known of it whatever the tile.
  struct Rows {
    int stride;                 // bytes from one to the next
    double idle;                // cycles per line in which the DRAM waits for the next one
    double again, pages_again;  // shares of lines and pages that a later visit finds no more
    double per_page;            // pages from one row to the next
    double set_bytes;           // how much of L2 a line of each takes, as they meet in its sets
  };
  Rows rows_of(double bytes, int stride, double idle = 0) const;
  // Rows of a tile.
  struct TileRows {
    const Rows* rows;
    const Rows* rival;  // of the other operand
    int width;          // bytes
    int piece;          // of these, a DMA command's
    double count;
    double between;      // bytes loaded between two tiles that share lines
    double strip;        // rows that mvins go along
    double rival_mvins;  // for each of its own
  };
  double page_turns(const TileRows& tile) const;
  // A tensor on its way in, all its tiles once.
  struct Operand {
    double moved;                     // bytes, as the bus and the scratchpad take time for them
    double times;                     // how often its tiles are loaded
    double lines, requests, pages;    // lines and pages that come from DRAM
    double first_tiles;               // share of tiles for which they come; others share them
    double idle, again, pages_again;  // as in Rows
  };
  Operand operand(double bytes, double times, const TileRows& tile) const;
  struct Reads {
    double moved = 0, requests = 0, fetched = 0, idle = 0, pages = 0;
  };
  Reads reads(const Operand& operand, double visits, double fetched, double opened) const;
  struct Writes {
    double requests, whole, partial;  // lines: written as a whole, or fetched first
  };
  Writes writes(double bytes, int width, int stride) const;
  double lost(double bytes) const;
  double cycles(const Reads& reads) const;
  double memory_cycles(const Operand& inputs, const Operand& weights, const Writes& results) const;
  // Cycles that the array waits for tiles of the operand, of which `hidden` are computed meanwhile
  // for all of its tiles once.
  double burst_cycles(const Operand& operand, double hidden) const;
  double store_cycles(const Writes& results, int width, double compute) const;
  double sum_cycles(const PerDimension<int>& tile, double visits) const;
  double first_load_cycles(const PerDimension<int>& tile, double loads, double least) const;
  double bank_conflicts(const PerDimension<int>& tile, const PerDimension<int>& tiles,
                        const Visits& times) const;
  // Sets all cycles of `cost` but the array's.
  void time_transfers(const Mapping& mapping, const PerDimension<int>& tiles, const Visits& times,
                      double inputs, double weights, double spilled, MappingCost& cost) const;

  Workpiece work_;
  Target target_;
  AccessEnergies energies_;
  CostRules rules_;
  double macs_, weights_, outputs_;
  double unpacked_;  // bytes by which int4 weights take longer than their own
  LineCost line_;
  double hit_share_, miss_share_, byte_share_;  // of all requests in flight, cycles
  double read_cycles_, line_write_cycles_, refill_cycles_, replace_cycles_;
  double acknowledged_share_, result_cycles_;
  double l2_bytes_;
  double turns_per_line_;  // of the miss registers
  double page_wait_;       // cycles of the bus
  Rows input_rows_, weight_rows_, sum_rows_;
  double fixed_cycles_;
};

}  // namespace paretoformer::accel_sim
