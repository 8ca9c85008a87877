#include "accel_sim/mapper/library_rule.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "accel_sim/lowering/program.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

TEST(LibraryRule, AMatmulHasTheLibrarysTile) {
  const Target target = find_target("gemmini_cnn");
  const Mapping mapping = greedy_mapping(matmul_workpiece(128, 3072, 768), target);
  EXPECT_EQ(mapping, library_mapping({5, 51, 5}, matmul_workpiece(128, 3072, 768), target));
  EXPECT_EQ(mapping.tile, (PerDimension<int>{80, 1, 816, 80, 1, 1}));
}

// Tiles of tiled_conv_stride_auto (gemmini.h), followed step by step in another program.
TEST(LibraryRule, AConvolutionHasTheLibrarysTile) {
  const Target target = find_target("gemmini_cnn");
  const auto tile = [&](const Workpiece& work) { return greedy_mapping(work, target).tile; };
  using Tile = PerDimension<int>;
  EXPECT_EQ(tile({{7, 7, 512, 512, 3, 3}, 1}), (Tile{7, 7, 119, 112, 3, 3}));
  EXPECT_EQ(tile({{56, 56, 64, 64, 3, 3}, 1}), (Tile{22, 23, 64, 16, 3, 3}));
  EXPECT_EQ(tile({{112, 112, 3, 64, 7, 7}, 2}), (Tile{22, 23, 3, 16, 7, 7}));
}

TEST(LibraryRule, GivesValidMappings) {
  for (const char* preset : {"gemmini_cnn", "gemmini_transformer", "gemmini_dosa"}) {
    const Target target = find_target(preset);
    for (const Workpiece& work :
         {matmul_workpiece(1, 1, 1), matmul_workpiece(127, 131, 50257),
          Workpiece{{1, 1, 2048, 10, 3, 3}, 1}, Workpiece{{33, 9, 300, 20, 5, 1}, 2}})
      EXPECT_TRUE(is_valid(greedy_mapping(work, target), work, target));
  }
}

TEST(ScheduleOf, ALibrarysMappingIsItsTile) {
  const Target target = find_target("gemmini_cnn");
  const Workpiece work = matmul_workpiece(128, 3072, 768);
  const MatmulTile tile{5, 51, 5};
  EXPECT_EQ(schedule_of(library_mapping(tile, work, target), work, target), MatmulSchedule(tile));
}

// K C P from outside to inside: columns, inner, rows. 100 rows end in a block of 4.
TEST(ScheduleOf, KeepsTheOrderOfTheLoops) {
  const Target target = find_target("gemmini_cnn");
  Mapping mapping{{100, 1, 64, 32, 1, 1}, {100, 1, 16, 16, 1, 1}, {kQ, kK, kR, kC, kS, kP}, false};
  const MatmulSchedule schedule = schedule_of(mapping, matmul_workpiece(100, 128, 64), target);
  EXPECT_EQ(schedule.tile, (MatmulTile{7, 4, 2}));
  EXPECT_EQ(schedule.order,
            (std::array{MatmulLoop::kColumns, MatmulLoop::kInner, MatmulLoop::kRows}));
  EXPECT_FALSE(schedule.reloads);
}

TEST(ScheduleOf, RefusesWhatTheSimulatorCannotRun) {
  const Target target = find_target("gemmini_cnn");
  const auto error = [&](const Workpiece& work, const PerDimension<int>& tile,
                         const PerDimension<int>& inner) -> std::string {
    try {
      schedule_of({tile, inner}, work, target);
    } catch (const InputError& refused) {
      return refused.what();
    }
    return "no error";
  };
  const Workpiece work = matmul_workpiece(96, 96, 96);
  EXPECT_EQ(error(work, {96, 1, 32, 32, 1, 1}, {96, 1, 16, 16, 1, 1}), "no error");
  EXPECT_EQ(error(work, {96, 1, 24, 32, 1, 1}, {96, 1, 16, 16, 1, 1}),
            "tile C: 24 is not what the simulator runs: expected a multiple of 16 or all 96");
  EXPECT_EQ(error(work, {96, 1, 32, 32, 1, 1}, {48, 1, 16, 16, 1, 1}),
            "array P: 48 is not what the simulator runs: expected 96");
  EXPECT_EQ(error(work, {96, 1, 32, 32, 1, 1}, {96, 1, 16, 8, 1, 1}),
            "array K: 8 is not what the simulator runs: expected 16");
  EXPECT_THAT(error(work, {96, 1, 96, 2048, 1, 1}, {96, 1, 16, 16, 1, 1}),
              ::testing::HasSubstr("is no mapping to this hardware"));
  EXPECT_THAT(error(Workpiece{{7, 7, 16, 16, 3, 3}, 1}, {7, 7, 16, 16, 3, 3}, {7, 7, 16, 16, 1, 1}),
              ::testing::HasSubstr("runs matmuls"));
}

}  // namespace
}  // namespace paretoformer::accel_sim
