#include "search_spaces/gene.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/search_spaces/third_gene.hpp"

namespace paretoformer {
namespace {

using ::testing::HasSubstr;

TEST(Gene, EveryOneIsPartOfIdentityTextAndJson) {
  const Architecture network{96, 16, 0, {{4, 384}, {2, 128}}};
  const auto expect_told = [&](const Architecture& changed) {
    EXPECT_NE(architecture_id(changed), architecture_id(network));
    EXPECT_NE(describe(changed), describe(network));
    const Json json = to_json(changed);
    EXPECT_EQ(architecture_from_json(JsonNode(json, "x")), changed);
  };
  for (const Gene<Architecture>& gene : kNetworkGenes) {
    Architecture changed = network;
    gene.set(changed, 7);
    EXPECT_EQ(gene.get(changed), 7);
    expect_told(changed);
    EXPECT_EQ(to_json(changed).at(std::string(gene.key)), 7);
  }
  for (const Gene<Layer>& gene : kLayerGenes) {
    const int value = gene.is_optional() ? gene.either[0] : 7;
    Architecture changed = network;
    gene.set(changed.layers[1], value);
    EXPECT_EQ(gene.get(changed.layers[1]), value);
    expect_told(changed);
    EXPECT_EQ(to_json(changed).at("layers").at(1).at(std::string(gene.key)), value);
  }
  EXPECT_EQ(describe(network), "d=96 h=[4,2] f=[384,128]");
}

TEST(Gene, DepthCutsOrRepeatsTheLastLayer) {
  Architecture network{96, 16, 0, {}};
  kDepth.set(network, 1);
  EXPECT_EQ(network.layers, std::vector<Layer>(1));
  network.layers = {{4, 384}, {2, 128}};
  kDepth.set(network, 3);
  EXPECT_EQ(network.layers, (std::vector<Layer>{{4, 384}, {2, 128}, {2, 128}}));
  kDepth.set(network, 1);
  EXPECT_EQ(network.layers, (std::vector<Layer>{{4, 384}}));
  EXPECT_EQ(kDepth.get(network), 1);
}

TEST(ThirdGene, IsReadWrittenAndJudged) {
  const SearchSpace space = three_gene_space();
  const Json json = space.to_json();
  EXPECT_EQ(json.at("groups"), Json({1, 2, 4}));
  EXPECT_EQ(SearchSpace::from_json(JsonNode(json, "x"), kThreeLayerGenes), space);
  EXPECT_THROW(SearchSpace::from_json(JsonNode(json, "x")), InputError);  // has two
  EXPECT_TRUE(space.contains({32, 64, 0, {{1, 64 + 4}}}));
  std::string why;
  EXPECT_FALSE(space.contains({32, 64, 0, {{1, 64 + 4}, {1, 64 + 3}, {1, 64 + 1}}}, &why));
  EXPECT_THAT(why, HasSubstr("layer 2: groups 3 is not a choice: expected one of 1, 2, 4"));
}

TEST(ThirdGene, IsCountedAndListed) {
  const SearchSpace space = three_gene_space();
  EXPECT_EQ(space.count(), 5220);
  std::set<std::uint64_t> ids;
  for (std::int64_t index = 0; index < space.count(); ++index) {
    const Architecture network = space.at(index);
    EXPECT_TRUE(space.contains(network));
    EXPECT_EQ(space.index_of(network), index);
    ids.insert(architecture_id(network));
  }
  EXPECT_EQ(ids.size(), 5220u);
  EXPECT_EQ(space.at(1), (Architecture{32, 64, 0, {{1, 64 + 2}}}));  // the least digit
  EXPECT_EQ(space.largest(), (Architecture{64, 64, 0, std::vector<Layer>(3, Layer{2, 128 + 4})}));
  const std::vector<Architecture> corners = space.extremes();
  EXPECT_EQ(corners.size(), 32u);
  for (const Architecture& corner : corners)
    for (const Layer& layer : corner.layers) EXPECT_EQ(layer, corner.layers[0]);
  EXPECT_EQ(space.gene_count(space.largest()), 2 + 3 * 3);
}

TEST(ThirdGene, IsDrawnMutatedAndInherited) {
  const SearchSpace space = three_gene_space();
  Random random(1);
  std::map<int, int> drawn;
  std::set<std::pair<int, int>> moves;
  int alone = 0;
  for (int i = 0; i < 3000; ++i) {
    const Architecture a = space.sample(random), b = space.sample(random);
    ++drawn[groups_of(a.layers[0])];
    const Architecture mutant = space.mutate(a, 0, random);  // in one gene
    EXPECT_TRUE(space.contains(mutant));
    if (mutant.layers[0] != a.layers[0] &&
        mutant.layers[0].ffn_width / 8 == a.layers[0].ffn_width / 8)
      moves.insert({groups_of(a.layers[0]), groups_of(mutant.layers[0])});
    const Architecture child = space.crossover(a, b, random);
    EXPECT_TRUE(space.contains(child));
    const int groups = groups_of(child.layers[0]), width = child.layers[0].ffn_width - groups;
    EXPECT_TRUE(groups == groups_of(a.layers[0]) || groups == groups_of(b.layers[0]));
    alone += width + groups != a.layers[0].ffn_width && width + groups != b.layers[0].ffn_width;
  }
  for (int groups : {1, 2, 4}) EXPECT_NEAR(drawn[groups], 1000, 150);  // 5.8 standard deviations
  EXPECT_EQ(moves.size(), 6u + 3u);  // the six of groups, and heads' at every number of them
  // FFN width from one parent, groups from the other: where both differ, half of the children.
  EXPECT_NEAR(alone, 3000 * 0.5 * (2.0 / 3) * 0.5, 150);
}

TEST(ThirdGene, HasNeighbours) {
  const SearchSpace space = three_gene_space();
  const std::vector<Architecture> found = space.neighbours({32, 64, 0, {{1, 64 + 2}}});
  const auto holds = [&](const Architecture& network) {
    return std::find(found.begin(), found.end(), network) != found.end();
  };
  EXPECT_TRUE(holds({32, 64, 0, {{1, 64 + 1}}}));
  EXPECT_TRUE(holds({32, 64, 0, {{1, 64 + 4}}}));
  EXPECT_EQ(found.size(), 6u);  // depth, width, heads, FFN width, and those two
}

}  // namespace
}  // namespace paretoformer
