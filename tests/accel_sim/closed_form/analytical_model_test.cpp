#include "accel_sim/closed_form/analytical_model.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

namespace paretoformer::accel_sim {
namespace {

constexpr std::int64_t kGiven = 262 + 65;     // CPU prologue and fence; first DRAM access
constexpr std::int64_t kCall = kGiven + 280;  // the same with the search for a tile
constexpr std::int64_t kFill = 35;            // scratchpad row to result, 16x16 array

TEST(AnalyticalModel, SmallMatmulByHand) {
  // 32x64 times 64x48 is 2x4x3 = 24 blocks of 16 cycles: 384. It is one tile: every byte moves
  // once, 2048 + 3072 + 1536 = 6656 bytes, 832 cycles at 8 bytes a cycle; one loop takes 128.
  const AnalyticalEstimate estimate =
      analytical_estimate(matmul(32, 64, 48), find_target("gemmini_cnn"));
  EXPECT_EQ(estimate.latency.compute, Cycles(384));
  EXPECT_EQ(estimate.latency.memory, Cycles(832));
  EXPECT_EQ(estimate.latency.issue, Cycles(128));
  EXPECT_EQ(estimate.latency.fixed, Cycles(kCall + kFill));
  EXPECT_EQ(estimate.cost.latency, Cycles(832 + kCall + kFill));

  // 4x3 = 12 weight blocks are flipped in. Per block 256 words: the scratchpad is read for each of
  // the 24 blocks and 12 flips and written with 5120 loaded bytes; the accumulator is read and
  // written for each block and read once more for the 2x3 blocks that leave.
  EXPECT_EQ(estimate.accesses.macs, 98304);
  EXPECT_EQ(estimate.accesses.pe_register, 98304 + 12 * 256);
  EXPECT_EQ(estimate.accesses.scratchpad, (24 + 12) * 256 + 5120);
  EXPECT_EQ(estimate.accesses.accumulator, (2 * 24 + 6) * 256);
  EXPECT_EQ(estimate.accesses.dram_bytes, 6656);
  // Scratchpad 0.49 + 0.02513 * 256 = 6.92328 pJ, accumulator 1.94 + 0.1005 * 64 / 16 = 2.342 pJ:
  // 55128.8832 + 49416.74496 + 99252.14208 + 32375.808 + 665600 pJ.
  EXPECT_NEAR(estimate.cost.energy.value(), 901773.57824, 0.001);
}

TEST(AnalyticalModel, ABiasByHand) {
  // The same with a bias: 48 int32, or 32 times as many, and 6 blocks are written once more.
  for (const auto& [bias, bytes] : {std::pair(Bias::kRow, 192), std::pair(Bias::kFull, 6144)}) {
    const AnalyticalEstimate estimate =
        analytical_estimate(matmul(32, 64, 48, RightOperand::kWeights, Activation::kNone, bias),
                            find_target("gemmini_cnn"));
    EXPECT_EQ(estimate.latency.memory, Cycles(832 + bytes / 8));
    EXPECT_EQ(estimate.accesses.dram_bytes, 6656 + bytes);
    EXPECT_EQ(estimate.accesses.scratchpad, (24 + 12) * 256 + 5120);
    EXPECT_EQ(estimate.accesses.accumulator, (2 * 24 + 2 * 6) * 256);
  }
  // 128x768 results in two rows of tiles: either loads the row of 768.
  EXPECT_EQ(analytical_estimate(
                matmul(128, 768, 768, RightOperand::kWeights, Activation::kNone, Bias::kRow),
                find_target("gemmini_cnn"))
                .accesses.dram_bytes,
            1376256 + 2 * 3072);
}

// 40 positions of a head of 32 in blocks of 32 rows. The first is 32 x 64 times 64 x 32, 2 x 4 x 2
// blocks; the second 8 x 40 times 40 x 40, 1 x 3 x 3: 25, with 8 + 9 blocks of weights, which are
// transposed. Each loads its own: 64 * (32 + 32) + 40 * (8 + 40) = 6016 bytes; 32 * 32 + 8 * 40
// leave. Loops: two each.
TEST(AnalyticalModel, RowBlocksByHand) {
  const Target target = find_target("gemmini_transformer");
  const Operator op = matmul(40, 32, 40, RightOperand::kTransposedActivations, Activation::kSoftmax,
                             Bias::kTriangle);
  const AnalyticalEstimate estimate = analytical_estimate(op, target);
  EXPECT_EQ(estimate.latency.compute, Cycles((25 + 17) * 16));
  EXPECT_EQ(estimate.latency.memory, Cycles((6016 + 1344) / 8));
  EXPECT_EQ(estimate.latency.issue, Cycles(4 * 128));
  EXPECT_EQ(estimate.accesses.macs, 32 * 64 * 32 + 8 * 40 * 40);
  EXPECT_EQ(estimate.accesses.scratchpad, (25 + 17) * 256 + 6016);
  EXPECT_EQ(estimate.accesses.accumulator, (2 * 25 + 4 + 3) * 256);
  EXPECT_EQ(estimate.accesses.dram_bytes, 6016 + 1344);
  // The normaliser passes 32 rows of 32 and 8 of 40, in rows of 48 words.
  EXPECT_EQ(analytical_estimate(softmax_of(op), target).accesses.accumulator,
            2 * (32 * 32 + 8 * 48));
}

TEST(AnalyticalModel, TiledMatmulByHand) {
  // 128x768 times 768x768 in tiles of (5,48,5) blocks: 2 rows and 10 columns of tiles. The left
  // input stays in the scratchpad (2 <= 2), the right one is read twice:
  // 98304 + 2 * 589824 + 98304 = 1376256 bytes. Compute 8*48*48*16 = 294912 cycles is more.
  const AnalyticalEstimate estimate =
      analytical_estimate(matmul(128, 768, 768), find_target("gemmini_cnn"));
  EXPECT_EQ(estimate.accesses.dram_bytes, 1376256);
  EXPECT_EQ(estimate.latency.memory, Cycles(172032));
  EXPECT_EQ(estimate.latency.issue, Cycles(20 * 128));
  EXPECT_EQ(estimate.cost.latency, Cycles(294912 + kCall + kFill));
}

TEST(AnalyticalModel, PaddingCostsWholeBlocks) {
  const Target target = find_target("gemmini_cnn");
  // 17x17x17 takes 2x2x2 blocks; its 4913 MACs are counted as they are.
  const AnalyticalEstimate estimate = analytical_estimate(matmul(17, 17, 17), target);
  EXPECT_EQ(estimate.latency.compute, Cycles(8 * 16));
  EXPECT_EQ(estimate.accesses.macs, 4913);
  EXPECT_EQ(estimate.accesses.dram_bytes, 3 * 17 * 17);
}

TEST(AnalyticalModel, EnergyAgreesWithDosasExample) {
  // DOSA's row 128x128x64 mapped to one tile lists 4.937 uJ. Its memories are sized to the mapping;
  // 64 KiB each is close (16 KiB of inputs twice, 64 KiB of results).
  Target target;
  target.scratchpad_kib = 64;
  target.accumulator_kib = 128;  // half of it holds the 64 blocks of results
  const AnalyticalEstimate estimate = analytical_estimate(matmul(128, 64, 128), target);
  EXPECT_EQ(estimate.accesses.dram_bytes, 2 * 8192 + 16384);
  EXPECT_NEAR(estimate.cost.energy.value() / 1e6, 4.937, 0.05);
}

TEST(AnalyticalModel, TransposedKeysFlipTheWeightsTwice) {
  // 64x32 times 32x64: one tile of 4*2*4 = 32 steps, with 2*4 = 8 weight blocks to flip again.
  const Target target = find_target("gemmini_transformer");
  const Operator plain = matmul(64, 32, 64, RightOperand::kActivations);
  const Operator transposed = matmul(64, 32, 64, RightOperand::kTransposedActivations);
  EXPECT_EQ(analytical_estimate(plain, target).latency.compute, Cycles(32 * 16));
  EXPECT_EQ(analytical_estimate(transposed, target).latency.compute, Cycles(40 * 16));
}

TEST(AnalyticalModel, NonlinearOperatorsOnChipByHand) {
  const Target target = find_target("gemmini_transformer");
  // Softmax of 128 columns, fused: 8 blocks, 2 stores. Of the first two passes a row takes
  // 1 + 8 * 26/16 + 3*2 = 20 cycles, of the third 1 + 8 * 28/16 + 6 = 21: max(40, 20 + 4) +
  // max(40, 20 + 27) + 42 = 129 per pair of rows.
  const AnalyticalEstimate softmax =
      analytical_estimate(elementwise(OperatorKind::kSoftmax, 10, 128), target);
  EXPECT_EQ(softmax.cost.latency, Cycles(5 * 129));
  EXPECT_EQ(softmax.accesses.dram_bytes, 0);
  EXPECT_EQ(softmax.accesses.accumulator, 2 * 10 * 128);
  // LayerNorm of 768 columns: 3 passes of 12 commands a row, 29 cycles each, and 23 for each pass,
  // is more than the unit's 2 * (91 + 91 + 121) = 606 per pair of rows: 1 + 48 * 18/16 + 36 cycles
  // a row in the first two passes, 1 + 48 * 28/16 + 36 in the third.
  const AnalyticalEstimate norm =
      analytical_estimate(elementwise(OperatorKind::kLayerNorm, 128, 768), target);
  EXPECT_EQ(norm.latency.compute, Cycles(64 * 606));
  EXPECT_EQ(norm.latency.issue, Cycles(4608 * 29 + 384 * 23));
  EXPECT_EQ(norm.cost.latency, Cycles(4608 * 29 + 384 * 23 + kGiven));
  // Residual add: 2 * 1024 elements through four scaling units, 10 + 30 cycles of the CPU.
  const AnalyticalEstimate residual =
      analytical_estimate(elementwise(OperatorKind::kResidualAdd, 16, 64), target);
  EXPECT_EQ(residual.cost.latency, Cycles(512 + 37 + 30 + 65));
  EXPECT_EQ(residual.accesses.dram_bytes, 3 * 1024);
}

TEST(AnalyticalModel, SoftmaxOfLongRowsGoesThroughDram) {
  const Target target = find_target("gemmini_transformer");
  const auto accesses = [&](const Operator& op) {
    return analytical_estimate(op, target).accesses;
  };
  const auto scores = [](int columns) {
    return matmul(16, 16, columns, RightOperand::kTransposedActivations, Activation::kSoftmax);
  };
  // A whole row and a block beside it must fit 128 scratchpad blocks: rows of 127 blocks, 2032.
  EXPECT_EQ(accesses(scores(2032)).dram_bytes, 16 * 16 + 16 * 2032 + 16 * 2032);
  EXPECT_EQ(accesses(elementwise(OperatorKind::kSoftmax, 16, 2032)).dram_bytes, 0);
  // One block more, and the int32 scores go to DRAM and come back.
  EXPECT_EQ(accesses(scores(2048)).dram_bytes, 16 * 16 + 16 * 2048 + 4 * 16 * 2048);
  EXPECT_EQ(accesses(elementwise(OperatorKind::kSoftmax, 16, 2048)).dram_bytes, 16 * 2048 * 5);
}

// 32 x 64 times 64 x 32, whose sums leave as LayerNorm: 16 pairs of rows of two blocks, one store
// of 1 + 2 + 3 cycles per row and pass, 7 in the third; tails of 23 and 52: 6 + 23, 6 + 52
// and 14 cycles.
TEST(AnalyticalModel, FusedLayerNormByHand) {
  const Target target = find_target("gemmini_transformer");
  const Operator op = matmul(32, 64, 32, RightOperand::kWeights, Activation::kLayerNorm);
  EXPECT_EQ(analytical_estimate(op, target).accesses.dram_bytes, 32 * 64 + 64 * 32 + 32 * 32);
  const AnalyticalEstimate norm = analytical_estimate(layer_norm_of(op), target);
  EXPECT_EQ(norm.accesses.dram_bytes, 0);
  EXPECT_EQ(norm.accesses.accumulator, 2 * 32 * 32);
  EXPECT_EQ(norm.cost.latency, Cycles(16 * (29 + 58 + 14)));
}

TEST(AnalyticalModel, HostOperatorsCostTheirPublishedCyclesPerElement) {
  const Target target = find_target("gemmini_cnn");
  const auto cycles = [&](OperatorKind kind) {
    return analytical_cost(elementwise(kind, 10, 100), target).latency.value();
  };
  EXPECT_EQ(cycles(OperatorKind::kSoftmax), 1000 * (48 + 2 * 35));
  EXPECT_EQ(cycles(OperatorKind::kGelu), 1000 * (50 + 2 * 35));
  EXPECT_EQ(cycles(OperatorKind::kLayerNorm), 1000 * (40 + 2 * 35));
  EXPECT_EQ(cycles(OperatorKind::kResidualAdd), 1000 * 110);
}

TEST(AnalyticalModel, HostAndStaticEnergyCountCycles) {
  Target target = find_target("gemmini_cnn");
  const Operator op = elementwise(OperatorKind::kGelu, 10, 100);
  const HardwareCost before = analytical_cost(op, target);
  target.host_pj_per_cycle = 2;
  target.static_pj_per_cycle = 3;
  const HardwareCost after = analytical_cost(op, target);
  EXPECT_EQ(after.latency, before.latency);
  EXPECT_NEAR(after.energy.value() - before.energy.value(),
              5.0 * static_cast<double>(before.latency.value()), 0.01);
}

class EveryPreset : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(Presets, EveryPreset,
                         testing::Values("gemmini_cnn", "gemmini_transformer"));

TEST_P(EveryPreset, MatmulsRespectTheirLowerBounds) {
  const Target target = find_target(GetParam());
  for (int rows : {1, 16, 100, 512, 4096}) {
    for (int inner : {16, 64, 768, 3072}) {
      for (int columns : {1, 64, 500, 768, 50257}) {
        const Operator op = matmul(rows, inner, columns);
        const HardwareCost cost = analytical_cost(op, target);
        const auto macs = static_cast<double>(statistics(op).macs);
        EXPECT_GE(static_cast<double>(cost.latency.value()), macs / 256) << describe(op);
        EXPECT_GE(cost.energy.value(), macs * 0.5608) << describe(op);
        EXPECT_GE(cost.energy.value(), 100.0 * static_cast<double>(statistics(op).bytes))
            << describe(op);
      }
    }
  }
}

TEST_P(EveryPreset, MoreBandwidthIsNeverSlower) {
  const Architecture architecture{96, 16, 1000, {{4, 384}}};
  Target target = find_target(GetParam());
  for (int length : {1, 32, 512, 4096}) {
    for (const auto& item : transformer_operators(architecture, {length, Mode::kPrefill})) {
      Cycles before(INT64_MAX);
      for (double bandwidth : {1.0, 6.5, 8.0, 16.0, 64.0}) {
        target.dram_bytes_per_cycle = bandwidth;
        const Cycles now = analytical_cost(item.op, target).latency;
        EXPECT_LE(now, before) << describe(item.op);
        before = now;
      }
    }
  }
}

}  // namespace
}  // namespace paretoformer::accel_sim
