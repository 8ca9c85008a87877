#include "accel_sim/mapper/mapping.hpp"

#include <gtest/gtest.h>

#include "accel_sim/mapper/library_rule.hpp"
#include "accel_sim/workload/operators.hpp"

namespace paretoformer::accel_sim {
namespace {

TEST(Mapping, FitsWhatGemminisRuleFits) {
  Target target;
  for (int rows : {1, 16, 80, 128, 500})
    for (int inner : {1, 48, 768, 1024})
      for (int columns : {1, 80, 128, 512}) {
        const Workpiece work = matmul_workpiece(rows, inner, columns);
        EXPECT_EQ(fits(work.extent, work, target),
                  fits(blocks(matmul(rows, inner, columns), target), target))
            << rows << ' ' << inner << ' ' << columns;
      }
}

TEST(Mapping, ATileOfAConvolutionNeedsItsHalo) {
  // 3 x 3 kernel at stride 2, 4 x 4 outputs: the library counts 10 x 10 inputs (9 x 9 are read).
  const TileRows rows = tile_rows({4, 4, 40, 20, 3, 3}, {{8, 8, 40, 20, 3, 3}, 2}, 16);
  EXPECT_EQ(rows.inputs, 100 * 3);
  EXPECT_EQ(rows.weights, 9 * 40 * 2);
  EXPECT_EQ(rows.results, 16 * 2);
}

TEST(Mapping, ValidityRefusesWhatIsNoMapping) {
  Target target;
  target.accumulator_kib = 256;
  const Workpiece work = matmul_workpiece(64, 96, 1000);
  Mapping mapping;
  mapping.tile = {32, 1, 96, 500, 1, 1};
  mapping.inner = {16, 1, 16, 10, 1, 1};
  EXPECT_TRUE(is_valid(mapping, work, target));
  const auto refused = [&](auto change) {
    Mapping changed = mapping;
    change(changed);
    return !is_valid(changed, work, target);
  };
  EXPECT_TRUE(refused([](Mapping& m) { m.order[0] = kK; }));  // K twice
  EXPECT_TRUE(refused([](Mapping& m) { m.order[0] = 6; }));   // no dimension
  EXPECT_TRUE(refused([](Mapping& m) { m.tile[kP] = 65; }));  // larger than the extent
  EXPECT_TRUE(refused([](Mapping& m) { m.inner[kP] = 0; }));
  EXPECT_TRUE(refused([](Mapping& m) { m.inner[kP] = 5; }));   // does not divide 32
  EXPECT_TRUE(refused([](Mapping& m) { m.inner[kC] = 32; }));  // larger than the array
  EXPECT_TRUE(refused([](Mapping& m) { m.tile[kP] = 64, m.tile[kK] = 1000; }));  // does not fit
  EXPECT_FALSE(refused([](Mapping& m) { m.tile[kP] = 16, m.tile[kK] = 1000, m.inner[kK] = 16; }));
}

TEST(Mapping, IsDescribedFromTheOutsideToTheInside) {
  const Workpiece work = matmul_workpiece(512, 768, 768);
  const Mapping mapping = library_mapping({5, 48, 5}, work, Target());
  EXPECT_EQ(describe(mapping, work), "DRAM P7 K10 | tile P80 C768 K80 | array P80 C16x K16x");
  EXPECT_TRUE(is_valid(mapping, work, Target()));
}

}  // namespace
}  // namespace paretoformer::accel_sim
