#include "accel_sim/hardware/area.hpp"

namespace paretoformer::accel_sim {
namespace {

// Genc et al., "Gemmini: Enabling Systematic Deep-Learning Architecture Evaluation via Full-Stack
// Integration", DAC 2021, area breakdown of a layout in Intel 22FFL: 16 x 16 PEs 116k um2 (11.3 %),
// 256 KiB of scratchpad 544k (52.9 %), 64 KiB of accumulator 146k (14.2 %), Rocket CPU 171k
// (16.6 %), all 1029k. The remaining 52k um2 are taken to be Gemmini's own.
constexpr double kUm2PerPe = 116e3 / (16 * 16);
constexpr double kUm2PerScratchpadKib = 544e3 / 256;
constexpr double kUm2PerAccumulatorKib = 146e3 / 64;
constexpr double kControlUm2 = 1029e3 - 116e3 - 544e3 - 146e3 - 171e3;

// Kim et al. 2023 (arXiv 2302.14017), Sec. 3.4: the I-BERT units add 14 %, to the accelerator of
// their case study (16 x 16, 64 KiB of scratchpad, 256 KiB of accumulator). They work on a row of
// the accumulator at a time, so that there is a lane for every column of the array.
constexpr double kUnitShare = 0.14;
constexpr double kUm2PerLane =
    kUnitShare *
    (256 * kUm2PerPe + 64 * kUm2PerScratchpadKib + 256 * kUm2PerAccumulatorKib + kControlUm2) / 16;

constexpr double kMm2PerUm2 = 1e-6;

}  // namespace

Area area(const Hardware& hardware) {
  const double size = hardware.array_size;
  const bool on_chip = hardware.nonlinear_units == NonlinearUnits::kOnChip;
  return {size * size * kUm2PerPe * kMm2PerUm2,
          hardware.scratchpad_kib * kUm2PerScratchpadKib * kMm2PerUm2,
          hardware.accumulator_kib * kUm2PerAccumulatorKib * kMm2PerUm2, kControlUm2 * kMm2PerUm2,
          on_chip ? size * kUm2PerLane * kMm2PerUm2 : 0};
}

}  // namespace paretoformer::accel_sim
