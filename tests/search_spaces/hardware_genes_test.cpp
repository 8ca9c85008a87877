// Networks of a space that each run on one of several machines.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "search_spaces/search_space.hpp"
#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer {
namespace {

using ::testing::HasSubstr;

SearchSpace networks() {
  const Json json = parse_json(
      R"({"head_width": 16, "depth": [1, 2], "model_width": [16, 32], "heads": [1, 2],
          "ffn_width": [32]})",
      "space");
  return SearchSpace::from_json(JsonNode(json, "space"));
}

// 2 * 2 + 2 * 2 * 2 networks of one and of two layers, on 3 * 2 machines.
SearchSpace designs() { return networks().with_hardware({3, 2}); }

TEST(HardwareGenes, AreCountedAndListedWithTheNetworks) {
  const SearchSpace space = designs();
  EXPECT_EQ(networks().count(), 12);
  EXPECT_EQ(space.count(), 72);
  std::set<std::uint64_t> ids;
  std::map<std::vector<int>, int> on;
  std::int64_t index = 0;
  space.enumerate([&](const Architecture& network) {
    ids.insert(architecture_id(network));
    ++on[network.hardware];
    EXPECT_EQ(space.index_of(network), index++);
    EXPECT_TRUE(networks().contains(without_hardware(network)));
    EXPECT_FALSE(networks().contains(network));
    return true;
  });
  EXPECT_EQ(ids.size(), 72u);
  ASSERT_EQ(on.size(), 6u);
  for (const auto& [unused, count] : on) EXPECT_EQ(count, 12);
  EXPECT_EQ(space.hardware().size(), 6u);
  EXPECT_EQ(space.only_on({3, 1}).count(), 12);
  EXPECT_EQ(space.only_on({3, 1}).largest().hardware, (std::vector{3, 1}));
  EXPECT_EQ(space.with_hardware({}), networks());
}

TEST(HardwareGenes, ChangeAndCrossAsOthersDo) {
  const SearchSpace space = designs();
  Random random(1);
  std::set<std::vector<int>> drawn, mutated;
  int hardware_alone = 0;
  for (int i = 0; i < 400; ++i) {
    const Architecture a = space.sample(random), b = space.sample(random);
    drawn.insert(a.hardware);
    const Architecture child = space.crossover(a, b, random);
    for (std::size_t key = 0; key < 2; ++key)
      EXPECT_TRUE(child.hardware[key] == a.hardware[key] || child.hardware[key] == b.hardware[key]);
    const Architecture mutant = space.mutate(a, 0, random);
    EXPECT_TRUE(space.contains(mutant));
    EXPECT_NE(mutant, a);
    mutated.insert(mutant.hardware);
    hardware_alone += without_hardware(mutant) == without_hardware(a);
  }
  EXPECT_EQ(drawn.size(), 6u);
  EXPECT_EQ(mutated.size(), 6u);
  // Two of five to six genes that have a choice.
  EXPECT_GT(hardware_alone, 80);
  EXPECT_LT(hardware_alone, 240);
}

TEST(HardwareGenes, NeighboursAndCorners) {
  const SearchSpace space = designs();
  Architecture middle = networks().smallest();
  middle.hardware = {2, 1};
  int others = 0;
  for (const Architecture& each : space.neighbours(middle))
    others += without_hardware(each) == networks().smallest();
  EXPECT_EQ(others, 3);  // 1, 1; 3, 1; 2, 2
  // Every corner of the networks on the first choices and on the last ones.
  EXPECT_EQ(space.extremes().size(), 2 * networks().extremes().size());
  EXPECT_EQ(space.smallest().hardware, (std::vector{1, 1}));
  EXPECT_EQ(space.extremes()[1], space.largest());
  EXPECT_EQ(space.largest().hardware, (std::vector{3, 2}));
}

TEST(HardwareGenes, AreInFilesAndIdentitiesWhereTheyAreChosen) {
  const Architecture alone = networks().largest();
  EXPECT_FALSE(to_json(alone).contains("hardware"));
  Architecture on = alone;
  on.hardware = {2, 1};
  EXPECT_NE(architecture_id(on), architecture_id(alone));
  const Json json = to_json(on);
  EXPECT_EQ(json["hardware"], (Json{2, 1}));
  EXPECT_EQ(architecture_from_json(JsonNode(json, "n")), on);
  EXPECT_EQ(designs().on_hardware(alone).hardware, (std::vector{1, 1}));
  EXPECT_EQ(designs().on_hardware(on), on);
  std::string why;
  EXPECT_FALSE(designs().contains(alone, &why));
  EXPECT_THAT(why, HasSubstr("hardware"));
  on.hardware = {4, 1};
  EXPECT_FALSE(designs().contains(on, &why));
  EXPECT_THAT(why, HasSubstr("hardware 4 is not a choice: expected one of 1, 2, 3"));
  Json wrong = json;
  wrong["hardware"] = {0};
  EXPECT_THROW(architecture_from_json(JsonNode(wrong, "n")), InputError);
  wrong["hardware"] = std::vector<int>(13, 1);
  EXPECT_THROW(architecture_from_json(JsonNode(wrong, "n")), InputError);
}

}  // namespace
}  // namespace paretoformer
