#include "accel_sim/lowering/tiling.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace paretoformer::accel_sim {
namespace {

Target memories(int scratchpad_kib, int accumulator_kib) {
  Target target;
  target.scratchpad_kib = scratchpad_kib;
  target.accumulator_kib = accumulator_kib;
  return target;
}

// rows, inner and columns of the matmul; then tile rows, inner and columns.
TEST(GreedyTile, IsTheTileOfTheMeasuredPrograms) {
  // The "auto" rows of DOSA's FireSim runs (firesim_test_data), scratchpad 256, accumulator 64 KiB.
  const Target cnn = memories(256, 64);
  EXPECT_EQ(greedy_tile(matmul(128, 768, 768), cnn), (MatmulTile{5, 48, 5}));
  EXPECT_EQ(greedy_tile(matmul(128, 64, 128), cnn), (MatmulTile{5, 4, 6}));
  EXPECT_EQ(greedy_tile(matmul(128, 128, 64), cnn), (MatmulTile{8, 8, 4}));
  EXPECT_EQ(greedy_tile(matmul(128, 3072, 768), cnn), (MatmulTile{5, 51, 5}));
  EXPECT_EQ(greedy_tile(matmul(1, 2048, 1000), cnn), (MatmulTile{1, 56, 8}));
  // Twice the accumulator, as in ibertInferenceConfig.
  EXPECT_EQ(greedy_tile(matmul(128, 768, 768), memories(256, 128)), (MatmulTile{8, 32, 8}));
}

TEST(GreedyTile, AlwaysFitsAndCannotGrow) {
  for (const Target& target : {memories(256, 64), memories(64, 256), memories(1, 1024)}) {
    for (int rows : {1, 17, 512}) {
      for (int inner : {16, 200, 3072}) {
        for (int columns : {1, 64, 768, 50257}) {
          const Operator op = matmul(rows, inner, columns);
          const MatmulTile tile = greedy_tile(op, target);
          const MatmulTile whole = blocks(op, target);
          EXPECT_TRUE(tile.rows >= 1 && tile.inner >= 1 && tile.columns >= 1) << describe(op);
          EXPECT_TRUE(fits(tile, target)) << describe(op);
          for (int MatmulTile::*extent :
               {&MatmulTile::rows, &MatmulTile::inner, &MatmulTile::columns}) {
            MatmulTile larger = tile;
            ++(larger.*extent);
            EXPECT_FALSE(larger.*extent <= whole.*extent && fits(larger, target));
          }
        }
      }
    }
  }
}

// Of 8 blocks: eight tiles of 1, four of 2, three of 3 at most (3 + 3 + 2), two of 4 to 7, one.
TEST(TileExtents, AreTheSmallestAndTheLargestOfEveryNumberOfTiles) {
  EXPECT_EQ(tile_extents(8), (std::vector<int>{1, 2, 3, 4, 7, 8}));
  EXPECT_EQ(tile_extents(1), (std::vector<int>{1}));
}

TEST(Fits, InAllOfTheAccumulatorOrAHalf) {
  const Target target = memories(256, 64);  // 64 blocks of sums, half of them 32
  EXPECT_TRUE(fits({1, 1, 32}, target));
  EXPECT_FALSE(fits({2, 1, 32}, target));
  EXPECT_TRUE(fits({2, 1, 32}, target, /*whole_accumulator=*/true));
  EXPECT_FALSE(fits({3, 1, 32}, target, /*whole_accumulator=*/true));
  EXPECT_FALSE(fits({2, 32, 32}, target, /*whole_accumulator=*/true));  // 1088 of 512 blocks
}

TEST(WholeRowTile, KeepsRowsTogetherOrGivesUp) {
  // Half of 64 KiB holds 32 blocks: one block row of 512 columns, and no more.
  EXPECT_EQ(whole_row_tile(matmul(512, 64, 512), memories(256, 64)), (MatmulTile{1, 4, 32}));
  EXPECT_EQ(whole_row_tile(matmul(512, 64, 528), memories(256, 64)), std::nullopt);
  // Half of 256 KiB holds 128 blocks.
  EXPECT_EQ(whole_row_tile(matmul(512, 64, 512), memories(256, 256)), (MatmulTile{4, 4, 32}));
}

}  // namespace
}  // namespace paretoformer::accel_sim
