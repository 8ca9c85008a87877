// Cycle counts of Gemmini's RTL that the engines and the analytical model share.
#pragma once

#include <array>

namespace paretoformer::accel_sim {

// What the L2 cache and the last-level cache hold and fetch at once.
inline constexpr int kLineBytes = 64;

// The fence at the end of a call, which Hardware::call_overhead_cycles contains.
inline constexpr int kFenceCycles = 30;

// From the last row fed to the last row of results in the accumulator: 3 cycles, the array's stages
// and skew, an output register (MeshWithDelays.scala; 35 for a 16x16 array).
constexpr int array_latency(int array_size) { return 3 + 2 * array_size; }

// A garbage preload, and the least for any step of the array (ExecuteController.scala L285-302).
inline constexpr int kLeastStepCycles = 4;

// From the last beat to the completion of an mvin: merger, scaler, write (Scratchpad.scala; an
// estimate).
inline constexpr int kLoadPipelineCycles = 6;

// From reading a row of the accumulator to the writer: normaliser, scaler and their queues, which
// hold that many rows of blocks: dispatch 2, norm 6, scale 6, the scaler's 8 stages, issue 5
// (Scratchpad.scala L262-282).
inline constexpr int kStorePipelineCycles = 12;
inline constexpr int kStoreQueueBlocks = 2 + 6 + 6 + 8 + 5;

// What the normaliser does with whole rows on their way out of the accumulator, in three passes.
enum class Normalisation { kNone, kLayerNorm, kSoftmax };

// Three passes of the normaliser over a row (Normalizer.scala): cycles per block, and those after
// the pass while it divides and takes roots for one of its sets of statistics.
inline constexpr int kNormaliserPasses = 3;
struct PassTiming {
  int cycles_per_block = 1;
  int tail = 0;
};
constexpr std::array<PassTiming, kNormaliserPasses> pass_timings(Normalisation normalisation) {
  switch (normalisation) {
    case Normalisation::kLayerNorm:
      return {{{1, 23}, {1, 60}, {1, 0}}};  // mean, inverse standard deviation, write
    case Normalisation::kSoftmax:
      return {{{2, 4}, {1, 24}, {1, 0}}};  // maximum, inverse sum of exponentials, write
    case Normalisation::kNone:
      break;
  }
  return {};
}

}  // namespace paretoformer::accel_sim
