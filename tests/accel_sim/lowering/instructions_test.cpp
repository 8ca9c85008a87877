#include "accel_sim/lowering/instructions.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "accel_sim/engines/requests.hpp"
#include "support/random.hpp"

namespace paretoformer::accel_sim {
namespace {

// "L01" is a step of the left operand: row of blocks 0, column of blocks 1.
std::string order(const Tile& tile, const Target& target) {
  LoadSequence sequence(tile, target);
  std::string text;
  while (const auto step = sequence.next())
    text += std::string(text.empty() ? "" : " ") + "LRS"[static_cast<std::size_t>(step->operand)] +
            std::to_string(step->row) + std::to_string(step->column);
  return text;
}

Tile only_tile(const Operator& op, const Target& target) {
  const Program program = lower(op, target, blocks(op, target));
  EXPECT_EQ(program.tiles.size(), 1U);
  return program.tiles.front();
}

// 2 x 5 blocks times 5 x 2: a DMA command moves four blocks of a row. The arbiter begins with the
// right operand, then takes all rows of the left one, then rows of the right one until it has
// caught up with the four columns that the left one is ahead.
TEST(LoadSequence, OperandsTakeTurns) {
  const Target target;
  EXPECT_EQ(order(only_tile(matmul(32, 80, 32), target), target),
            "R00 L00 L10 R10 R20 R30 L04 L14 R40");
}

// Transposed keys are stored 2 x 5 blocks: their rows are columns of the product.
TEST(LoadSequence, TransposedKeysGoAlongTheirOwnRows) {
  const Target target;
  const Operator scores = matmul(32, 80, 32, RightOperand::kTransposedActivations);
  EXPECT_EQ(order(only_tile(scores, target), target), "R00 L00 L10 R10 L04 L14 R04 R14");
}

// "S" is a step of the sums: before all else, down the rows, a block at a time of int32 and four of
// int8, which are scaled on the way.
TEST(LoadSequence, SumsComeFirst) {
  const Target target;
  Tile tile = only_tile(matmul(32, 16, 32), target);
  tile.load_sums = tile.accumulate = true;
  tile.sums = {4096, 128, 4};
  EXPECT_EQ(order(tile, target), "S00 S10 S01 S11 R00 L00 L10");
  LoadSequence sequence(tile, target);
  sequence.next();
  const Mvin mvin = sequence.mvin(*sequence.next());
  EXPECT_EQ(mvin.address, 4096 + 16 * 128);
  EXPECT_EQ(mvin.row_bytes, 64);
  EXPECT_EQ(mvin.target.memory, Memory::kAccumulator);
  EXPECT_EQ(mvin.target.index, 2);
  EXPECT_FALSE(mvin.accumulate);
  EXPECT_FALSE(mvin.scaled);

  tile.sums = {4096, 32, 1};
  EXPECT_EQ(order(tile, target), "S00 S10 R00 L00 L10");
  LoadSequence narrow(tile, target);
  EXPECT_TRUE(narrow.mvin(*narrow.next()).scaled);
}

// A row of bias for 24 rows of 40 results: the two rows of blocks and three columns take an mvin
// each, which reads 64 or, at the end, 32 bytes of the one row and writes them 16 or 8 times.
TEST(LoadSequence, ARowOfBiasIsReadOnceForABlock) {
  const Target target;
  const Tile tile =
      only_tile(matmul(24, 16, 40, RightOperand::kWeights, Activation::kNone, Bias::kRow), target);
  EXPECT_EQ(order(tile, target), "S00 S10 S01 S11 S02 S12 R00 L00 L10");
  LoadSequence sequence(tile, target);
  for (int n = 0; n < 6; ++n) {
    const Mvin mvin = sequence.mvin(*sequence.next());
    EXPECT_EQ(mvin.address, tile.sums.address + n / 2 * 64);
    EXPECT_EQ(mvin.rows, 1);
    EXPECT_EQ(mvin.copies, n % 2 == 0 ? 16 : 8);
    EXPECT_EQ(mvin.row_bytes, n < 4 ? 64 : 32);
    EXPECT_FALSE(mvin.scaled || mvin.accumulate);
  }
}

// Both operands of 16 x 16 pass the scaling units, unless their scales are 1.
TEST(LoadSequence, AScaleOfOneBypassesTheScalingUnits) {
  const Target target = find_target("gemmini_transformer");
  Call call = compile(elementwise(OperatorKind::kResidualAdd, 16, 16), target);
  for (const bool scaled : {true, false}) {
    call.scaled = scaled;
    const Program program = lower(call, target);
    ASSERT_EQ(program.tiles.size(), 1U);
    LoadSequence sequence(program.tiles[0], target);
    int mvins = 0;
    for (; const auto step = sequence.next(); ++mvins)
      EXPECT_EQ(sequence.mvin(*step).scaled, scaled);
    EXPECT_EQ(mvins, 2);
  }
}

// 20 x 80 int8: four blocks and one, in two rows of blocks, each read four times running, of which
// the last three are added. Then a row of blocks leaves as it came.
TEST(LoadSequence, ANormalisationMayReadItsRowsAgain) {
  const Target target = find_target("gemmini_transformer");
  const Program program = lower(of_int8(OperatorKind::kLayerNorm, 20, 80), target);
  ASSERT_EQ(program.tiles.size(), 1U);
  EXPECT_EQ(order(program.tiles[0], target),
            "L00 L00 L00 L00 L04 L04 L04 L04 L10 L10 L10 L10 L14 L14 L14 L14");
  LoadSequence sequence(program.tiles[0], target);
  for (int n = 0; n < 16; ++n) {
    const Mvin mvin = sequence.mvin(*sequence.next());
    EXPECT_EQ(mvin.accumulate, n % 4 > 0);
    EXPECT_EQ(mvin.element_bytes, 1);
    EXPECT_EQ(mvin.target.memory, Memory::kAccumulator);
    EXPECT_EQ(mvin.target.index, n / 8 * 5 + n / 4 % 2 * 4);
    EXPECT_EQ(mvin.rows, n < 8 ? 16 : 4);
    EXPECT_EQ(mvin.row_bytes, n / 4 % 2 == 0 ? 64 : 16);
    EXPECT_FALSE(mvin.scaled);
  }
  EXPECT_FALSE(sequence.next());
}

// 18 x 80: the positions of 16 rows, four blocks and one; onto them the row of each token,
// likewise; then the same of 2 rows, which are in the blocks after them. Rows of blocks leave in
// turn.
TEST(LoadSequence, AGatherAddsRowsOneByOne) {
  const Target target = find_target("gemmini_transformer");
  const Program program = lower(of_int8(OperatorKind::kEmbedding, 18, 80), target);
  ASSERT_EQ(program.tiles.size(), 1U);
  const Tile& tile = program.tiles[0];
  LoadSequence loads(tile, target);
  for (int row = 0; row < 18; row += 16) {
    const int rows = std::min(16, 18 - row), first = row / 16 * 5;
    for (int r = -1; r < rows; ++r)
      for (const int column : {0, 4}) {
        const auto step = loads.next();
        ASSERT_TRUE(step);
        const Mvin mvin = loads.mvin(*step);
        const Matrix& from = r < 0 ? tile.left : tile.right;
        EXPECT_EQ(mvin.address, from.at(row + std::max(r, 0), column * 16).address);
        EXPECT_EQ(mvin.rows, r < 0 ? rows : 1);
        EXPECT_EQ(mvin.first_row, std::max(r, 0));
        EXPECT_EQ(mvin.row_bytes, column == 0 ? 64 : 16);
        EXPECT_EQ(mvin.accumulate, r >= 0);
        EXPECT_FALSE(mvin.scaled);
        EXPECT_EQ(mvin.target.memory, Memory::kAccumulator);
        EXPECT_EQ(mvin.target.index, first + column);
      }
  }
  EXPECT_FALSE(loads.next());
  StoreSequence stores(tile, target);
  for (const int block : {0, 4, 5, 9}) {
    const Mvout mvout = *stores.next();
    EXPECT_EQ(mvout.source.index, block);
    EXPECT_EQ(mvout.rows, block < 5 ? 16 : 2);
  }
  EXPECT_FALSE(stores.next());
}

// 32 x 80 of one operand come in down the rows first, as they leave.
TEST(LoadSequence, OneOperandGoesDownItsRows) {
  const Target target = find_target("gemmini_transformer");
  const Program program = lower(of_int8(OperatorKind::kGelu, 32, 80), target);
  EXPECT_EQ(order(program.tiles[0], target), "L00 L10 L04 L14");
}

// All of the left operand, then all of the right one, which is added.
TEST(LoadSequence, AResidualAddLoadsOneOperandAfterTheOther) {
  const Target target = find_target("gemmini_transformer");
  const Program program = lower(elementwise(OperatorKind::kResidualAdd, 32, 80), target);
  EXPECT_EQ(order(program.tiles[0], target), "L00 L04 L10 L14 R00 R04 R10 R14");
}

// 16 x 80 go into the accumulator, not added to anything nor scaled, and leave from there.
TEST(LoadSequence, AGeluGoesThroughTheAccumulator) {
  const Target target = find_target("gemmini_transformer");
  const Program program = lower(of_int8(OperatorKind::kGelu, 16, 80), target);
  ASSERT_EQ(program.tiles.size(), 1U);
  const Tile& tile = program.tiles[0];
  EXPECT_EQ(order(tile, target), "L00 L04");
  LoadSequence loads(tile, target);
  StoreSequence stores(tile, target);
  for (int i = 0; i < 2; ++i) {
    const Mvin mvin = loads.mvin(*loads.next());
    const Mvout mvout = *stores.next();
    EXPECT_EQ(mvin.target.memory, Memory::kAccumulator);
    EXPECT_EQ(mvin.target.index, 4 * i);
    EXPECT_FALSE(mvin.accumulate || mvin.scaled);
    EXPECT_EQ(mvout.source.index, mvin.target.index);
    EXPECT_EQ(mvout.rows, 16);
    EXPECT_EQ(mvout.pass, NormPass::kNone);
  }
  EXPECT_FALSE(stores.next());
}

TEST(LoadSequence, TheHostLoadsTheRightOperandFirst) {
  Target target;
  target.dataflow = Dataflow::kOutputStationary;
  EXPECT_EQ(order(only_tile(matmul(32, 80, 32), target), target),
            "R00 R10 R20 R30 R40 L00 L04 L10 L14");
}

TEST(LoadSequence, ResidentOperandsAreNotLoaded) {
  const Target target;
  Tile tile = only_tile(matmul(32, 32, 32), target);
  tile.load_left = false;
  EXPECT_EQ(order(tile, target), "R00 R10");
  tile.load_right = false;
  EXPECT_EQ(order(tile, target), "");
}

TEST(LoadSequence, MvinsOfAPaddedTile) {
  // 20 x 70: the last row of blocks has 4 rows, the last DMA command of a row 6 bytes.
  const Target target;
  const Tile tile = only_tile(matmul(20, 70, 16), target);
  LoadSequence sequence(tile, target);
  std::vector<Mvin> left;
  while (const auto step = sequence.next())
    if (step->operand == LoadSequence::Operand::kLeft) left.push_back(sequence.mvin(*step));
  ASSERT_EQ(left.size(), 4U);
  EXPECT_EQ(left[0].rows, 16);
  EXPECT_EQ(left[0].row_bytes, 64);
  EXPECT_EQ(left[0].blocks, 4);
  EXPECT_EQ(left[1].rows, 4);
  EXPECT_EQ(left[1].address, 16 * 70);
  EXPECT_EQ(left[1].target.index, 5);  // five blocks to a row
  EXPECT_EQ(left[2].row_bytes, 6);
  EXPECT_EQ(left[2].blocks, 1);
  EXPECT_EQ(left[2].address, 64);
  EXPECT_EQ(left[2].stride, 70);
}

// Bytes that LeanGemmini's read counter reports for 128x256x256 with a repeating bias on FireSim
// (OpenASDx): 557 056. The counter adds a request's size for each of its beats (DMA.scala
// L319-320); the bias takes one request of 64 bytes for each of the 8 x 16 blocks of results.
TEST(LoadSequence, RequestsAgreeWithAReadCounterOfRtl) {
  const Target target;  // 256 KiB and 64 KiB
  const Operator op = matmul(128, 256, 256, RightOperand::kWeights, Activation::kNone, Bias::kRow);
  ASSERT_EQ(compile(op, target).schedule->tile, (MatmulTile{5, 16, 6}));
  const auto counted = [](int bytes) { return std::int64_t{bytes} * (bytes / 16); };
  std::int64_t counter = 0;
  const Program program = lower(op, target);
  for (const Tile& tile : program.tiles) {
    LoadSequence sequence(tile, target);
    while (const auto step = sequence.next()) {
      const Mvin mvin = sequence.mvin(*step);
      for (int row = 0; row < mvin.rows; ++row) {
        int offset = static_cast<int>((mvin.address + row * mvin.stride) % 64);
        for (int left = mvin.row_bytes; left > 0; offset = 0) {
          const int useful = std::min(64 - offset, left);
          counter += counted(request_bytes(offset, useful, 16));
          left -= useful;
        }
      }
    }
  }
  EXPECT_EQ(counter, 557056);
}

// Whatever the shape: every block of either operand is loaded once, to a place of its own in its
// half of the scratchpad, and every byte of the matrices is asked for once; those of a last block's
// rows that the right one does not have as well.
TEST(LoadSequence, CoversEveryBlockOnce) {
  Random random(5);
  for (int i = 0; i < 300; ++i) {
    Target target;
    target.array_size = 8 << random.below(3);
    const auto extent = [&](int most) { return 1 + static_cast<int>(random.below(most)); };
    const Operator op = matmul(
        extent(200), extent(200), extent(200),
        random.below(2) == 0 ? RightOperand::kWeights : RightOperand::kTransposedActivations);
    for (const Tile& tile : lower(op, target).tiles) {
      std::set<int> places;
      std::int64_t bytes = 0, blocks = 0;
      LoadSequence sequence(tile, target);
      while (const auto step = sequence.next()) {
        const Mvin mvin = sequence.mvin(*step);
        bytes += std::int64_t{mvin.rows} * mvin.row_bytes;
        blocks += mvin.blocks;
        for (int b = 0; b < mvin.blocks; ++b) places.insert(mvin.target.index + b);
      }
      EXPECT_EQ(places.size(), static_cast<std::size_t>(blocks)) << describe(op);
      const bool transposed = op.right == RightOperand::kTransposedActivations;
      const int rows = transposed ? tile.columns : tile.inner;
      const int size = target.array_size;
      EXPECT_EQ(bytes, (tile.load_left ? std::int64_t{tile.rows} * tile.inner : 0) +
                           (tile.load_right ? std::int64_t{(rows + size - 1) / size * size} *
                                                  (transposed ? tile.inner : tile.columns)
                                            : 0))
          << describe(op);
      const int half = target.scratchpad_blocks() / 2;
      for (const int place : places) {
        EXPECT_GE(place, 0);
        EXPECT_TRUE(place / half == tile.left_half || place / half == tile.right_half);
      }
    }
  }
}

TEST(StoreSequence, RowsInTurnWithinColumnsOfADmaCommand) {
  const Target target;
  const Tile tile = only_tile(matmul(20, 16, 80), target);
  StoreSequence sequence(tile, target);
  std::vector<Mvout> stores;
  while (const auto store = sequence.next()) stores.push_back(*store);
  ASSERT_EQ(stores.size(), 4U);
  EXPECT_EQ(stores[0].rows, 16);
  EXPECT_EQ(stores[0].row_bytes, 64);
  EXPECT_EQ(stores[1].rows, 4);
  EXPECT_EQ(stores[1].source.index, 5);
  EXPECT_EQ(stores[2].blocks, 1);
  EXPECT_EQ(stores[2].row_bytes, 16);
  EXPECT_EQ(stores[3].address - stores[2].address, 16 * 80);
}

TEST(StoreSequence, SumsThatStayAreNotStored) {
  const Target target;
  for (const Normalisation normalisation : {Normalisation::kNone, Normalisation::kSoftmax}) {
    Tile tile = only_tile(matmul(32, 32, 32), target);
    tile.store = false;
    tile.normalisation = normalisation;
    EXPECT_FALSE(StoreSequence(tile, target).next());
  }
}

// Three rows of five blocks: a pair, then the third. Per pass and row, a mvout of four blocks and
// one of one block; rows of a pair take turns by pass.
TEST(StoreSequence, NormalisedRowsGoThroughThreePassesInPairs) {
  Target target = find_target("gemmini_transformer");
  const Operator scores =
      matmul(3, 16, 80, RightOperand::kTransposedActivations, Activation::kSoftmax);
  const Program program = lower(scores, target);
  ASSERT_EQ(program.tiles.size(), 1U);
  StoreSequence sequence(program.tiles.front(), target);
  std::string text;
  while (const auto store = sequence.next()) {
    EXPECT_EQ(store->rows, 1);
    EXPECT_EQ(store->normalisation, Normalisation::kSoftmax);
    EXPECT_EQ(store->first_of_pass, store->blocks == 4);
    EXPECT_EQ(store->last_of_pass, store->blocks == 1);
    if (!store->first_of_pass) continue;
    const auto row = (store->address - program.tiles.front().result.address) / 80;
    text += std::to_string(row) + "p" + std::to_string(static_cast<int>(store->pass)) + " ";
  }
  EXPECT_EQ(text, "0p1 1p1 0p2 1p2 0p3 1p3 2p1 2p2 2p3 ");
}

}  // namespace
}  // namespace paretoformer::accel_sim
