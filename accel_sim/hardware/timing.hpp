// Cycle counts of Gemmini's RTL that the engines and the analytical model share.
#pragma once

#include <array>
#include <cmath>

namespace paretoformer::accel_sim {

// What the L2 cache and the last-level cache hold and fetch at once.
inline constexpr int kLineBytes = 64;
inline constexpr int kBeatsOfLine = 8;  // on the channel from DRAM

// Between the releases of two misses: L2's scheduler does one thing a cycle for one of its miss
// registers, and a miss needs it three times, to release a line, to ask for another one, and to end
// (inclusive-cache Scheduler.scala). RTL at DRAM latencies 10 and 40: when the channel from DRAM
// falls silent, acknowledgements pass, and 17 or 47 cycles later 8 to 9 or 15 lines come in a row
// (with turns of 2 cycles it would be 11 and 15).
inline constexpr int kMissTurnCycles = 3;

// From a release to its acknowledgement, when the channel is free (inclusive-cache MSHR.scala;
// cycle by cycle in RTL).
inline constexpr int kReleaseAnswerCycles = 5;

// To send a dirty line that leaves L2 to DRAM: its beats, and two cycles to the next one
// (inclusive-cache SourceC.scala). RTL, whole lines that are written to an L2 full of dirty ones:
// 9.9 cycles each; full of clean ones 7.0, which the way to L2 takes.
inline int write_back_cycles(double dram_bytes_per_cycle) {
  return static_cast<int>(std::lround(kLineBytes / dram_bytes_per_cycle)) + 2;
}
// Which that takes more while lines are fetched: both use L2's banks (BankedStore.scala). RTL,
// residual adds in an L2 of dirty lines: one is sent every 11 to 13 cycles.
inline constexpr int kAmongReadsCycles = 2;
// Of the lines of others in L2, one of so many was written: residual adds leave a third of what
// they touch, matmuls as much or less. (3, 4, 6 and none were tried: 3 is nearest to what RTL takes
// for matmuls and streams from a full L2.)
inline constexpr int kOthersPerWritten = 3;

// The fence at the end of a call, which Hardware::call_overhead_cycles contains.
inline constexpr int kFenceCycles = 30;

// CPU time in the loop of an exported program over int8 rows (nas/export/gemmini_runtime.cpp), per
// mvout of a row and, the loop's own included, per config command of a pass over a row. RTL (no
// norm units, rows of 16 bytes, which are stored faster): 5, 13, 30, 42, 46, 74, 104 cycles for 1,
// 3, 4, 6, 8, 12, 16 mvouts and the config; what is less than 5 n + 8 is less than what the units
// take.
inline constexpr int kRowMvoutCycles = 5;
inline constexpr int kConfigIssueCycles = 8;

// From the last row fed to the last row of results in the accumulator: 3 cycles, the array's stages
// and skew, an output register (MeshWithDelays.scala; 35 for a 16x16 array).
constexpr int array_latency(int array_size) { return 3 + 2 * array_size; }

// A garbage preload, and the least for any step of the array (ExecuteController.scala L285-302).
inline constexpr int kLeastStepCycles = 4;

// From the last beat to the completion of an mvin: merger, scaler, write (Scratchpad.scala). RTL,
// mvins of 16 rows that hit, two in flight: each 17.5 cycles, 16 to ask, 12 to the data, and this.
inline constexpr int kLoadPipelineCycles = 7;

// From reading a row of the accumulator to the writer: normaliser, scaler and their queues, which
// hold that many rows of blocks: dispatch 2, norm 6, scale 6, the scaler's 8 stages, issue 5
// (Scratchpad.scala L262-282). A row of the scratchpad passes none of them (RTL: 5 cycles less).
inline constexpr int kStorePipelineCycles = 12;
constexpr int store_pipeline_cycles(bool from_scratchpad) {
  return from_scratchpad ? 7 : kStorePipelineCycles;
}
inline constexpr int kStoreQueueBlocks = 2 + 6 + 6 + 8 + 5;

// L2 handles a beat a cycle, whichever way it goes (inclusive-cache SourceD.scala), and besides
// - turns from a write to a read;
// - writes a line that was fetched into its banks, in a quarter of the time in which the channel
//   from DRAM brings it, in 2 cycles at most;
// - releases a line that leaves for another one, and reads a dirty one out of its banks; a line
//   that it lacks and that is written as a whole takes a cycle more.
// RTL, cycles for a line: reads or writes of what L2 holds 4.0 to 4.2; a read and a write of such
// lines in turns 9.0 for both, two reads and a write 12.6; writes into an empty L2 5.4, for which
// others leave 5.8 to 6.0, and in turns with reads that are fetched 13.5 to 14.0 for both. Two
// lines that are fetched and one that is written (DRAM latency 10): 24.1 where clean lines
// leave, 29.7 where five of six that do are dirty. The turn and the releases are from these (1
// instead of 3 for a dirty line was tried: residual adds that are scaled are 5.0 % off instead
// of 4.1). Of the 2 cycles: 2 and 4 were tried, which both go with 13.5 to 14.0. 2 are taken by
// operators that miss among hits, heads and FireSim's GEMMs; lines that come into an empty L2 would
// have 4. That a wider channel takes less is an assumption. Banks do the last two at the same time
// (RTL: of two banks, residual adds that miss take 35.2 k cycles instead of 42.4 k, those that hit
// as long as of one).
inline constexpr int kL2TurnCycles = 1;
inline constexpr int kL2ReplacingCycles = 1;
constexpr int l2_release_cycles(bool dirty, int banks) { return (dirty ? 3 : 1) / banks; }
constexpr int l2_refill_cycles(double dram_bytes_per_cycle, int banks) {
  const bool wide = dram_bytes_per_cycle > kBeatsOfLine;
  return (wide ? static_cast<int>(0.25 * kLineBytes / dram_bytes_per_cycle) : 2) / banks;
}

// The scaling units hold three rows of the local memory, each for its issue and some 7 cycles
// (VectorScalarMultiplier.scala), so that a row takes them so long at least (RTL: 3.07 for a row of
// 8 elements).
inline constexpr int kLeastScalingCycles = 3;

// Sixteenths of a cycle to read a row of a block for an mvout: of the accumulator 26 for 16 results
// that leave as int8, of any array (RTL: five rows of 16 results in 8 cycles, three of 32 in 10),
// or a cycle where that is more; a cycle for int32 sums and for the scratchpad's rows, which pass
// no scaling units.
inline constexpr int kCycleTicks = 16;
inline constexpr int kStoreTicks = 26;  // of 16 elements
// And in the last pass of the normaliser (RTL: 1.75 to 1.85 cycles per 16 elements and pass).
inline constexpr int kNormalisedTicks = 28;
constexpr int read_ticks(int array_size, int ticks_per_16) {
  const int ticks = array_size * ticks_per_16 / 16;
  return ticks > kCycleTicks ? ticks : kCycleTicks;
}

// What the normaliser does with whole rows on their way out of the accumulator, in three passes.
enum class Normalisation { kNone, kLayerNorm, kSoftmax };

// Three passes of the normaliser over a row (Normalizer.scala), and the cycles after a pass while
// it divides and takes roots for one of its sets of statistics; for `busy` of them the units that
// do so take no other row. RTL: a row by itself takes 36 cycles (softmax) or 78 (LayerNorm) more
// than plain, the second of a pair 18 or 30.
inline constexpr int kNormaliserPasses = 3;
struct PassTiming {
  int ticks = kStoreTicks;  // to read 16 elements
  int tail = 0;
  int busy = 0;
};
constexpr std::array<PassTiming, kNormaliserPasses> pass_timings(Normalisation normalisation) {
  switch (normalisation) {
    case Normalisation::kLayerNorm:
      return {{{18, 23, 14},
               {18, 52, 24},
               {kNormalisedTicks, 0, 0}}};  // mean, inverse standard deviation, write
    case Normalisation::kSoftmax:
      return {{{26, 4, 0},
               {26, 27, 10},
               {kNormalisedTicks, 0, 0}}};  // maximum, inverse sum of exponentials, write
    case Normalisation::kNone:
      break;
  }
  return {};
}

}  // namespace paretoformer::accel_sim
