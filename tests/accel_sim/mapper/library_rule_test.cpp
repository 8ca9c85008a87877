#include "accel_sim/mapper/library_rule.hpp"

#include <gtest/gtest.h>

#include "accel_sim/program.hpp"

namespace paretoformer {
namespace {

TEST(LibraryRule, AMatmulHasTheLibrarysTile) {
  const Hardware hardware = find_hardware("gemmini_cnn");
  const Mapping mapping = greedy_mapping(matmul_workpiece(128, 3072, 768), hardware);
  EXPECT_EQ(mapping, library_mapping({5, 51, 5}, matmul_workpiece(128, 3072, 768), hardware));
  EXPECT_EQ(mapping.tile, (PerDimension<int>{80, 1, 816, 80, 1, 1}));
}

// Tiles of tiled_conv_stride_auto (gemmini.h), followed step by step in another program.
TEST(LibraryRule, AConvolutionHasTheLibrarysTile) {
  const Hardware hardware = find_hardware("gemmini_cnn");
  const auto tile = [&](const Workpiece& work) { return greedy_mapping(work, hardware).tile; };
  using Tile = PerDimension<int>;
  EXPECT_EQ(tile({{7, 7, 512, 512, 3, 3}, 1}), (Tile{7, 7, 119, 112, 3, 3}));
  EXPECT_EQ(tile({{56, 56, 64, 64, 3, 3}, 1}), (Tile{22, 23, 64, 16, 3, 3}));
  EXPECT_EQ(tile({{112, 112, 3, 64, 7, 7}, 2}), (Tile{22, 23, 3, 16, 7, 7}));
}

TEST(LibraryRule, GivesValidMappings) {
  for (const char* preset : {"gemmini_cnn", "gemmini_transformer", "gemmini_dosa"}) {
    const Hardware hardware = find_hardware(preset);
    for (const Workpiece& work :
         {matmul_workpiece(1, 1, 1), matmul_workpiece(127, 131, 50257),
          Workpiece{{1, 1, 2048, 10, 3, 3}, 1}, Workpiece{{33, 9, 300, 20, 5, 1}, 2}})
      EXPECT_TRUE(is_valid(greedy_mapping(work, hardware), work, hardware));
  }
}

}  // namespace
}  // namespace paretoformer
