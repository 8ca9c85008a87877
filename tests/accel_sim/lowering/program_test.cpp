#include "accel_sim/lowering/program.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/error_of.hpp"

namespace paretoformer::accel_sim {
namespace {

using ::testing::HasSubstr;

std::string lowering_error(const Operator& op, const Target& target,
                           const std::optional<MatmulSchedule>& schedule = std::nullopt) {
  return error_of([&] { lower(op, target, schedule); });
}

// 40x40 times 40x40 in tiles of 2x2x2 blocks of 16: two tiles each way, the second of 8 elements.
// Inner loop first, then columns, then rows.
TEST(LowerMatmul, TilesInTheOrderOfTheLibrary) {
  Target target;
  target.operand_reuse = false;
  const Program program = lower(matmul(40, 40, 40), target, MatmulTile{2, 2, 2});
  ASSERT_EQ(program.tiles.size(), 8U);
  for (int n = 0; n < 8; ++n) {
    const Tile& tile = program.tiles[static_cast<std::size_t>(n)];
    const int i = n / 4, j = n / 2 % 2, k = n % 2;
    EXPECT_EQ(tile.rows, i == 0 ? 32 : 8);
    EXPECT_EQ(tile.columns, j == 0 ? 32 : 8);
    EXPECT_EQ(tile.inner, k == 0 ? 32 : 8);
    EXPECT_EQ(tile.accumulate, k == 1);
    EXPECT_EQ(tile.store, k == 1);
    EXPECT_EQ(tile.left.address, i * 32 * 40 + k * 32);
    EXPECT_EQ(tile.right.address, 1600 + k * 32 * 40 + j * 32);  // 40 x 40 bytes are 25 lines
    EXPECT_EQ(tile.result.address, 3200 + i * 32 * 40 + j * 32);
    // Loops alternate between the halves of the scratchpad, results between those of the
    // accumulator.
    EXPECT_EQ(tile.left_half, n % 2);
    EXPECT_EQ(tile.right_half, n % 2);
    EXPECT_EQ(tile.result_half, n / 2 % 2);
    EXPECT_TRUE(tile.load_left && tile.load_right);
  }
  EXPECT_EQ(program.bytes, 4800);
}

// They are all kept, so that there must not be too many.
TEST(LowerMatmul, MoreTilesThanCanBeKeptAreRefused) {
  const Target target;
  const MatmulTile one{1, 1, 1};
  EXPECT_THAT(lowering_error(matmul(32768, 1024, 32768), target, one),
              HasSubstr("\"matmul weights - 32768 1024 32768\" is cut into 268435456 tiles: "
                        "expected at most 4194304"));
  EXPECT_THAT(lowering_error(matmul(1 << 20, 1 << 10, 32), target, one),
              HasSubstr("is cut into 8388608"));
  EXPECT_EQ(lower(matmul(1 << 20, 16, 16), target, one).tiles.size(), 1U << 16);
  Target small;
  small.array_size = 4;
  small.scratchpad_kib = small.accumulator_kib = 1;
  EXPECT_THAT(lowering_error(matmul(4096, 16384, 4096), small),
              HasSubstr("expected at most 4194304"));
  EXPECT_THAT(lowering_error(elementwise(OperatorKind::kResidualAdd, 1 << 14, 40000), small),
              HasSubstr("expected at most 4194304"));
}

// gemmini.h L783-819: an operand of at most two tiles stays, and is loaded the first time only.
TEST(LowerMatmul, OperandsOfTwoTilesAreKept) {
  const Program program = lower(matmul(64, 32, 96), Target{}, MatmulTile{2, 2, 2});
  ASSERT_EQ(program.tiles.size(), 6U);  // 2 rows x 3 columns of tiles
  for (std::size_t n = 0; n < 6; ++n) {
    EXPECT_EQ(program.tiles[n].load_left, n % 3 == 0) << n;
    EXPECT_TRUE(program.tiles[n].load_right) << n;  // three tiles
    EXPECT_EQ(program.tiles[n].left_half, n / 3) << n;
  }
}

constexpr MatmulLoop kRows = MatmulLoop::kRows, kColumns = MatmulLoop::kColumns,
                     kInner = MatmulLoop::kInner;

// 64x64 times 64x64, tiles of 2x2x2 blocks of 16, 2 each way; rows innermost, then inner. The right
// operand of two tiles in turn is the same and stays. Results change with every tile: sums of the
// first `inner` leave as int32, and come back before the second.
TEST(LowerMatmul, SumsThatLeaveUnfinishedComeBack) {
  Target target;
  target.operand_reuse = false;
  MatmulSchedule schedule = MatmulTile{2, 2, 2};
  schedule.order = {kColumns, kInner, kRows};
  schedule.reloads = false;
  const Operator op = matmul(64, 64, 64);
  EXPECT_TRUE(spills_sums(schedule, op, target));
  const Program program = lower(op, target, schedule);
  ASSERT_EQ(program.tiles.size(), 8U);
  const std::int64_t results = 2 * 64 * 64, sums = 3 * 64 * 64;
  for (int n = 0; n < 8; ++n) {
    const Tile& tile = program.tiles[static_cast<std::size_t>(n)];
    const int j = n / 4, k = n / 2 % 2, i = n % 2;
    EXPECT_EQ(tile.left.address, i * 32 * 64 + k * 32);
    EXPECT_EQ(tile.right.address, 64 * 64 + k * 32 * 64 + j * 32);
    EXPECT_TRUE(tile.load_left);
    EXPECT_EQ(tile.load_right, i == 0);
    EXPECT_EQ(tile.left_half, n % 2);
    EXPECT_EQ(tile.right_half, n / 2 % 2);
    EXPECT_EQ(tile.result_half, n % 2);
    EXPECT_TRUE(tile.store);
    EXPECT_EQ(tile.accumulate, k == 1);
    EXPECT_EQ(tile.load_sums, k == 1);
    const std::int64_t place = i * 32 * 64 + j * 32;
    EXPECT_EQ(tile.result.address, k == 1 ? results + place : sums + 4 * place);
    EXPECT_EQ(tile.result.element_bytes, k == 1 ? 1 : 4);
    EXPECT_EQ(tile.sums.address, sums + 4 * place);
    EXPECT_EQ(tile.sums.element_bytes, 4);
  }
  EXPECT_EQ(program.bytes, sums + 4 * 64 * 64);
}

// They leave as they are: what is fused is for the finished ones.
TEST(LowerMatmul, UnfinishedSumsAreNotNormalised) {
  Target target = find_target("gemmini_transformer");
  target.fusion = Fusion::kOn;
  MatmulSchedule schedule = MatmulTile{2, 2, 4};
  schedule.order = {kInner, kRows, kColumns};
  const Operator op = matmul(64, 64, 64, RightOperand::kWeights, Activation::kLayerNorm);
  ASSERT_TRUE(spills_sums(schedule, op, target));
  for (const Tile& tile : lower(op, target, schedule).tiles)
    EXPECT_EQ(tile.normalisation,
              tile.result.element_bytes == 4 ? Normalisation::kNone : Normalisation::kLayerNorm);
}

// With `inner` innermost, or nothing but one tile inside it, sums stay in the accumulator.
TEST(LowerMatmul, SumsSpillOnlyAcrossOtherLoops) {
  const Target target;
  const auto spills = [&](const Operator& op, std::array<MatmulLoop, 3> order) {
    MatmulSchedule schedule = MatmulTile{2, 2, 2};
    schedule.order = order;
    return spills_sums(schedule, op, target);
  };
  EXPECT_FALSE(spills(matmul(64, 64, 64), {kColumns, kRows, kInner}));
  EXPECT_FALSE(spills(matmul(64, 32, 64), {kInner, kColumns, kRows}));
  EXPECT_FALSE(spills(matmul(32, 64, 64), {kColumns, kInner, kRows}));
  EXPECT_TRUE(spills(matmul(64, 64, 32), {kColumns, kInner, kRows}));
  EXPECT_TRUE(spills(matmul(32, 64, 64), {kInner, kColumns, kRows}));
}

TEST(LowerMatmul, OutputStationaryLoopsAreTheLibrarys) {
  Target target;
  target.dataflow = Dataflow::kOutputStationary;
  MatmulSchedule schedule = MatmulTile{2, 2, 2};
  schedule.order = {kColumns, kRows, kInner};
  EXPECT_THAT(lowering_error(matmul(64, 64, 64), target, schedule),
              HasSubstr("output-stationary matmul are the library's"));
}

TEST(LowerMatmul, TransposedKeysAreStoredByColumn) {
  const Program program = lower(matmul(16, 64, 48, RightOperand::kTransposedActivations), Target{},
                                MatmulTile{1, 2, 1});
  const Tile& last = program.tiles.back();
  EXPECT_TRUE(last.transposed_right);
  EXPECT_EQ(last.right.address - program.tiles.front().right.address, 32 * 64 + 32);
}

TEST(LowerMatmul, ScoresToBeNormalisedElsewhereLeaveAsSums) {
  const Operator scores =
      matmul(64, 64, 4096, RightOperand::kTransposedActivations, Activation::kSoftmax);
  Target target = find_target("gemmini_transformer");
  target.accumulator_kib = 384;  // 24 rows of 4096 sums: too few for a double-buffered block
  EXPECT_EQ(compile(scores, target).fused, Normalisation::kNone);
  EXPECT_EQ(lower(scores, target).tiles.front().result.element_bytes, 4);
  EXPECT_EQ(compile(softmax_of(scores), target).runs_in, RunsIn::kOwnProgram);

  target.accumulator_kib = 128;  // not even one block of rows
  EXPECT_EQ(lower(scores, target).tiles.front().result.element_bytes, 1);
  EXPECT_EQ(compile(softmax_of(scores), target).runs_in, RunsIn::kHost);

  target.accumulator_kib = 1024;
  target.scratchpad_kib = 256;  // half of it has room for a row of weights
  EXPECT_EQ(compile(scores, target).fused, Normalisation::kSoftmax);
  for (const Tile& tile : lower(scores, target).tiles) EXPECT_EQ(tile.columns, 4096);
}

// 40 x 40 times 40 x 40 in tiles of 2 x 2 x 2 blocks: the first of the two along `inner` loads the
// part of the bias that lies where its results do, and all add to it. 1600 bytes each, then the
// bias: 40 int32, or 40 rows of them.
TEST(LowerMatmul, TheFirstTileAlongInnerLoadsTheBias) {
  Target target;
  for (const Bias bias : {Bias::kRow, Bias::kFull}) {
    const Operator op = matmul(40, 40, 40, RightOperand::kWeights, Activation::kNone, bias);
    const Program program = lower(op, target, MatmulTile{2, 2, 2});
    const int stride = bias == Bias::kRow ? 0 : 160;
    EXPECT_EQ(program.bytes, 4800 + (bias == Bias::kRow ? 192 : 6400));  // whole lines
    ASSERT_EQ(program.tiles.size(), 8U);
    for (int n = 0; n < 8; ++n) {
      const Tile& tile = program.tiles[static_cast<std::size_t>(n)];
      const int i = n / 4, j = n / 2 % 2, k = n % 2;
      EXPECT_EQ(tile.load_sums, k == 0);
      EXPECT_TRUE(tile.accumulate);
      EXPECT_EQ(tile.store, k == 1);
      if (k > 0) continue;
      EXPECT_EQ(tile.sums.address, 4800 + i * 32 * stride + j * 128);
      EXPECT_EQ(tile.sums.stride, stride);
      EXPECT_EQ(tile.sums.element_bytes, 4);
    }
  }
}

// The same with `inner` outermost: all four tiles of results leave unfinished and come back, the
// bias in them.
TEST(LowerMatmul, SumsThatComeBackHoldTheBias) {
  MatmulSchedule schedule(MatmulTile{2, 2, 2});
  schedule.order = {MatmulLoop::kInner, MatmulLoop::kRows, MatmulLoop::kColumns};
  const Operator op = matmul(40, 40, 40, RightOperand::kWeights, Activation::kNone, Bias::kFull);
  const Program program = lower(op, Target(), schedule);
  ASSERT_EQ(program.tiles.size(), 8U);
  for (int n = 0; n < 8; ++n) {
    const Tile& tile = program.tiles[static_cast<std::size_t>(n)];
    const int k = n / 4, i = n / 2 % 2, j = n % 2;
    EXPECT_TRUE(tile.load_sums && tile.accumulate && tile.store);
    const int place = i * 32 * 160 + j * 128;
    EXPECT_EQ(tile.sums.address, (k == 0 ? 4800 + 6400 : 4800) + place);
    EXPECT_EQ(tile.result.address, k == 0 ? 4800 + place : 3200 + i * 32 * 40 + j * 32);
  }
}

// 40 positions of a head of 32 in blocks of 32 rows, rows of all matrices but the results 32 bytes
// apart. A block is a loop over the head and one over the extra columns. Queries are at 0, keys at
// 1280, results at 2560, the identity at 4160, the triangle at 5184: 32 rows of zeros, then 32 for
// the keys of a diagonal block. The second block is over 32 keys before its own: it begins with the
// zeros.
TEST(LowerRowBlocks, ByHand) {
  const Operator op = matmul(40, 32, 40, RightOperand::kTransposedActivations, Activation::kSoftmax,
                             Bias::kTriangle);
  const Program program = lower(op, find_target("gemmini_transformer"));
  EXPECT_EQ(program.bytes, 5184 + 64 * 32);
  ASSERT_EQ(program.tiles.size(), 4U);
  struct Expected {
    int rows, inner, columns, left, right, result;
  };
  constexpr Expected kExpected[] = {{32, 32, 32, 0, 1280, 2560},
                                    {32, 32, 32, 4160, 5184 + 32 * 32, 2560},
                                    {8, 32, 40, 32 * 32, 1280, 2560 + 32 * 40},
                                    {8, 8, 40, 4160, 5184, 2560 + 32 * 40}};
  for (int n = 0; n < 4; ++n) {
    const Tile& tile = program.tiles[static_cast<std::size_t>(n)];
    const Expected& expected = kExpected[n];
    EXPECT_EQ(tile.rows, expected.rows);
    EXPECT_EQ(tile.inner, expected.inner);
    EXPECT_EQ(tile.columns, expected.columns);
    EXPECT_EQ(tile.left.address, expected.left);
    EXPECT_EQ(tile.right.address, expected.right);
    EXPECT_EQ(tile.result.address, expected.result);
    EXPECT_EQ(tile.left.stride, 32);
    EXPECT_EQ(tile.right.stride, 32);
    EXPECT_EQ(tile.begins_results, n % 2 == 0);
    EXPECT_EQ(tile.accumulate, n % 2 == 1);
    EXPECT_EQ(tile.store, n % 2 == 1);
    EXPECT_EQ(tile.left_half, n % 2);
    EXPECT_EQ(tile.result_half, n / 2);
    EXPECT_EQ(tile.normalisation, Normalisation::kSoftmax);
    EXPECT_TRUE(tile.transposed_right && tile.load_left && tile.load_right && !tile.load_sums);
  }
}

TEST(LowerRowBlocks, NeedTheNormaliserAndBlocksNoHigherThanAHead) {
  const Operator op = matmul(64, 32, 64, RightOperand::kTransposedActivations, Activation::kSoftmax,
                             Bias::kTriangle);
  EXPECT_THAT(lowering_error(op, find_target("gemmini_cnn")), HasSubstr("cannot be fused"));
  EXPECT_THAT(lowering_error(op, find_target("gemmini_transformer"), MatmulTile{3, 2, 4}),
              HasSubstr("row blocks of 48 are too high: expected at most the width of a head, 32"));
}

// 16 rows of 64 numbers of B, 100 bytes apart.
TEST(LowerMatmul, RowsOfTheRightOperandMayLieApart) {
  const Target target;
  Call call = compile(matmul(16, 16, 64), target);
  call.right_stride = 100;
  const Program program = lower(call, target);
  ASSERT_EQ(program.tiles.size(), 1U);
  EXPECT_EQ(program.tiles[0].right.stride, 100);
  EXPECT_EQ(program.tiles[0].result.address, 256 + 16 * 100);
}

// 16 x 32 results whose tile has half of a row: nothing could be normalised.
TEST(LowerMatmul, NormalisedRowsMustBeWhole) {
  const Target target = find_target("gemmini_transformer");
  for (const Activation activation : {Activation::kSoftmax, Activation::kLayerNorm}) {
    const Operator op = matmul(16, 16, 32, RightOperand::kWeights, activation);
    EXPECT_EQ(lowering_error(op, target, MatmulTile{1, 1, 2}), "no error");
    EXPECT_THAT(lowering_error(op, target, MatmulTile{1, 1, 1}), HasSubstr("cannot be fused"));
  }
}

// 48 x 64 times 64 x 128: 8 KiB of accumulator are 8 blocks, half of them 4, so that a row of 8
// blocks takes turns with the next; 16 KiB hold two.
TEST(LowerMatmul, RowsOfAFusedLayerNormAreTiles) {
  const Operator op = matmul(48, 64, 128, RightOperand::kWeights, Activation::kLayerNorm);
  Target target = find_target("gemmini_transformer");
  target.accumulator_kib = 8;
  EXPECT_EQ(compile(op, target).fused, Normalisation::kNone);
  EXPECT_THAT(lowering_error(op, target), HasSubstr("cannot be fused: expected the normaliser"));
  for (const int kib : {8, 16}) {
    target.accumulator_kib = kib;
    target.fusion = Fusion::kOn;
    ASSERT_EQ(compile(op, target).fused, Normalisation::kLayerNorm);
    const Program program = lower(op, target);
    ASSERT_EQ(program.tiles.size(), 3U);
    EXPECT_EQ(program.bytes, 48 * 64 + 64 * 128 + 48 * 128);
    for (int i = 0; i < 3; ++i) {
      const Tile& tile = program.tiles[static_cast<std::size_t>(i)];
      EXPECT_TRUE(tile.store && !tile.load_sums && !tile.accumulate);
      EXPECT_EQ(tile.takes_turns, kib == 8);
      EXPECT_EQ(tile.result_half, kib == 8 ? 0 : i % 2);
      EXPECT_EQ(tile.normalisation, Normalisation::kLayerNorm);
      EXPECT_EQ(tile.result.address, 48 * 64 + 64 * 128 + i * 16 * 128);
    }
  }
}

TEST(LowerMatmul, ScoresThatAreNotToBeFusedLeaveAsSums) {
  const Operator scores =
      matmul(64, 64, 128, RightOperand::kTransposedActivations, Activation::kSums);
  const Tile tile = lower(scores, find_target("gemmini_transformer")).tiles.front();
  EXPECT_EQ(tile.result.element_bytes, 4);
  EXPECT_EQ(tile.normalisation, Normalisation::kNone);
}

TEST(LowerMatmul, TilesThatDoNotFitAreRefused) {
  const Target target;  // 1024 blocks of scratchpad, 64 of accumulator
  EXPECT_EQ(
      lowering_error(matmul(512, 512, 512), target, MatmulTile{8, 4, 8}),
      "a tile of 8 x 4 x 8 blocks does not fit the accumulator: it needs 64 blocks, expected at "
      "most 32 (half of it)");
  EXPECT_THAT(lowering_error(matmul(512, 4096, 512), target, MatmulTile{4, 128, 4}),
              HasSubstr("does not fit the scratchpad: it needs 1024 blocks, expected at most 512"));
  // Gemmini's own library knows only part of this one's memories; given tiles may use all.
  EXPECT_EQ(
      lowering_error(matmul(128, 1024, 128), find_target("gemmini_dosa"), MatmulTile{8, 64, 8}),
      "no error");
}

TEST(LowerMatmul, OutputStationaryTilesHaveTheMemoriesToThemselves) {
  Target target;
  target.dataflow = Dataflow::kOutputStationary;
  EXPECT_EQ(lowering_error(matmul(512, 512, 512), target, MatmulTile{8, 4, 8}), "no error");
  const MatmulTile tile = greedy_tile(matmul(512, 512, 512), target);
  EXPECT_GT(tile.rows * tile.columns, 32);
  for (const Tile& each : lower(matmul(512, 512, 512), target).tiles)
    EXPECT_EQ(each.left_half + each.right_half + each.result_half, 0);
}

TEST(Lower, OperandsBeyondTheAddressSpaceAreRefused) {
  EXPECT_THAT(lowering_error(matmul(1 << 16, 1 << 16, 16), Target{}),
              HasSubstr("does not fit the simulator's address space"));
  EXPECT_THAT(lowering_error(matmul(1 << 20, 1 << 20, 1 << 20), Target{}),
              HasSubstr("address space"));
}

TEST(Lower, ElementwiseTilesCoverEveryElementOnce) {
  const Target target = find_target("gemmini_transformer");
  for (const OperatorKind kind : {OperatorKind::kLayerNorm, OperatorKind::kResidualAdd,
                                  OperatorKind::kEmbedding, OperatorKind::kSoftmax})
    for (const int columns : {1, 17, 768, 4000})
      for (const int rows : {1, 100, 513}) {
        std::int64_t elements = 0;
        for (const Tile& tile : lower(elementwise(kind, rows, columns), target).tiles) {
          elements += std::int64_t{tile.rows} * tile.columns;
          const bool whole_rows =
              kind == OperatorKind::kLayerNorm || kind == OperatorKind::kSoftmax;
          EXPECT_TRUE(!whole_rows || tile.columns == columns);
        }
        EXPECT_EQ(elements, std::int64_t{rows} * columns);
        std::int64_t activated = 0;
        for (const Tile& tile : lower(of_int8(OperatorKind::kGelu, rows, columns), target).tiles)
          activated += std::int64_t{tile.rows} * tile.columns;
        EXPECT_EQ(activated, elements);
      }
}

}  // namespace
}  // namespace paretoformer::accel_sim
