#include "accel_sim/mapper/mapping_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "accel_sim/mapper/mapspace.hpp"
#include "support/json.hpp"
#include "tests/error_of.hpp"

namespace paretoformer::accel_sim {
namespace {

using ::testing::HasSubstr;

MappedWorkpiece mapping_of(const std::string& text) {
  const Json json = parse_json(text, "m.json");
  return mapping_from_json(JsonNode(json, "m.json"), Target());
}

std::string mapping_error(const std::string& text) {
  return error_of([&] { mapping_of(text); });
}

TEST(MappingFile, ComesBackAsItWas) {
  for (const Factors factors : {Factors::kPerfect, Factors::kBlocks})
    for (const Workpiece& work : {matmul_workpiece(96, 200, 768), matmul_workpiece(96, 200, 768, 4),
                                  Workpiece{{7, 7, 64, 96, 3, 3}, 2}}) {
      const Mapspace space(work, Target(), factors);
      Random random(1);
      for (int i = 0; i < 200; ++i) {
        const Mapping mapping = space.sample(random);
        const MappedWorkpiece read = mapping_of(to_json(MappedWorkpiece{work, mapping}).dump());
        EXPECT_EQ(read.work, work);
        EXPECT_EQ(read.mapping.tile, mapping.tile);
        EXPECT_EQ(read.mapping.inner, mapping.inner);
        // Loops of one tile may stand anywhere.
        EXPECT_EQ(describe(read.mapping, work), describe(mapping, work));
      }
    }
}

TEST(MappingFile, ByHandNeedsOnlyWhatMatters) {
  const MappedWorkpiece read = mapping_of(R"({"workpiece": {"P": 64, "C": 48, "K": 32}, "mapping":
      {"tile": {"P": 64, "C": 48, "K": 16}, "dram": [{"dimension": "K", "tiles": 2}]}})");
  EXPECT_EQ(read.work, matmul_workpiece(64, 48, 32));
  EXPECT_EQ(describe(read.mapping, read.work), "DRAM K2 | tile P64 C48 K16 | array P64 C16x K16x");
  EXPECT_FALSE(read.mapping.reloads);
}

// What a tile takes of the memories must fit 64 bits.
TEST(MappingFile, ConvolutionsAreNoLargerThanMapTakesThem) {
  const auto of = [](const std::string& workpiece, const std::string& tile) {
    return mapping_error(R"({"workpiece": )" + workpiece + R"(, "mapping": {"tile": )" + tile +
                         R"(, "dram": []}})");
  };
  const std::string large = R"({"P": 65536, "Q": 65536, "C": 65536, "K": 65536, "R": 32, "S": 32,
                                "stride": 32})";
  EXPECT_THAT(of(large, large.substr(0, large.rfind(',')) + "}"), HasSubstr("does not fit"));
  EXPECT_THAT(of(R"({"P": 1048576, "Q": 2})", "{}"), HasSubstr("/workpiece/P: 1048576 is out of"));
  EXPECT_THAT(of(R"({"P": 1, "Q": 1, "stride": 33})", "{}"), HasSubstr("/workpiece/stride: 33"));
  EXPECT_THAT(of(R"({"P": 1, "R": 33})", "{}"), HasSubstr("/workpiece/R: 33"));
  EXPECT_THAT(of(R"({"P": 1048576, "C": 1048576, "K": 1048576})",
                 R"({"P": 1048576, "C": 1048576, "K": 1048576})"),
              HasSubstr("does not fit"));
}

TEST(MappingFile, ErrorsSayWhereAndWhat) {
  const auto with = [](const std::string& mapping) {
    return mapping_error(R"({"workpiece": {"P": 64, "C": 48, "K": 32}, "mapping": )" + mapping +
                         "}");
  };
  EXPECT_THAT(mapping_error("{}"), HasSubstr("workpiece"));
  EXPECT_THAT(with(R"({"tile": {"P": 65}, "dram": []})"),
              HasSubstr("m.json: /mapping/tile/P: 65 is out of range: expected an integer from 1"));
  EXPECT_THAT(with(R"({"tile": {"P": 64, "C": 48, "K": 16}, "dram": []})"),
              HasSubstr("has no loop over K: expected one of 2 tiles"));
  EXPECT_THAT(with(R"({"tile": {"P": 64, "C": 48, "K": 16}, "dram":
                      [{"dimension": "K", "tiles": 3}]})"),
              HasSubstr("m.json: /mapping/dram/0/tiles: 3 is out of range"));
  EXPECT_THAT(with(R"({"tile": {"P": 64, "C": 48, "K": 16}, "dram":
                      [{"dimension": "K", "tiles": 2}, {"dimension": "K", "tiles": 2}]})"),
              HasSubstr("there twice"));
  EXPECT_THAT(with(R"({"tile": {"P": 64, "C": 48, "K": 16}, "dram":
                      [{"dimension": "N", "tiles": 2}]})"),
              HasSubstr("m.json: /mapping/dram/0/dimension"));
  EXPECT_THAT(with(R"({"tile": {"P": 64, "C": 48, "K": 32}, "dram": [], "array": {"K": 17}})"),
              HasSubstr("m.json: /mapping/array/K: 17 is out of range"));
  EXPECT_THAT(with(R"({"tile": {"P": 64, "C": 48, "K": 32}, "dram": [], "array": {"P": 5}})"),
              HasSubstr("expected P and Q that divide the tile's"));
  EXPECT_THAT(with(R"({"tile": {"P": 64, "C": 48, "K": 32}, "dram": [], "loops": 1})"),
              HasSubstr("loops"));
  const auto of_bits = [](const std::string& rest) {
    return mapping_error(R"({"workpiece": {"P": 4, )" + rest +
                         R"(}, "mapping": {"tile": {"P": 4}, "dram": []}})");
  };
  EXPECT_THAT(of_bits(R"("weight_bits": 5)"), HasSubstr("m.json: /workpiece/weight_bits: 5 is"));
  EXPECT_THAT(of_bits(R"("Q": 2, "weight_bits": 4)"), HasSubstr("expected 8, or 4 in a matmul"));
  EXPECT_THAT(mapping_error(R"({"workpiece": {"P": 512, "C": 48, "K": 512}, "mapping":
                          {"tile": {"P": 512, "C": 48, "K": 512}, "dram": []}})"),
              HasSubstr("/mapping/tile: "));
}

}  // namespace
}  // namespace paretoformer::accel_sim
