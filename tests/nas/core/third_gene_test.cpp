// What only a table names is searched as well: with a gene that no product has.
#include "tests/search_spaces/third_gene.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include "nas/core/algorithms.hpp"
#include "nas/core/knapsack.hpp"
#include "nas/core/screening.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

// More groups are better, in later layers more so, and cost nothing.
double loss_by_groups(const Architecture& network) {
  double loss = 5;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const Layer& layer = network.layers[i];
    loss -= 0.1 * std::log2(network.model_width * (layer.heads + layer.ffn_width / 8 / 8.0)) / 6;
    loss -= 0.05 * (1 + static_cast<double>(i)) * std::log2(groups_of(layer));
  }
  return loss;
}

Objectives objectives_by_groups(const Architecture& network) {
  Objectives objectives;
  objectives.validation_loss = loss_by_groups(network);
  objectives.perplexity = std::exp(objectives.validation_loss);
  for (const Layer& layer : network.layers)
    objectives.latency += network.model_width * (64.0 * layer.heads + layer.ffn_width / 8);
  objectives.energy_pj = 1;
  objectives.parameters = 1;
  return objectives;
}

TEST(ThirdGene, TheSurrogateSeesIt) {
  const SearchSpace space = three_gene_space();
  const SearchSpace blind = [] {
    const Json json = parse_json(R"({"depth": [1, 3], "model_width": [32, 48, 64],
                                     "heads": [1, 2], "ffn_width": [64, 128]})",
                                 "space.json");
    return SearchSpace::from_json(JsonNode(json, "space.json"));
  }();
  Random random(1);
  std::vector<Architecture> known;
  std::vector<double> losses;
  for (int i = 0; i < 200; ++i) {
    known.push_back(space.sample(random));
    losses.push_back(loss_by_groups(known.back()));
  }
  const auto squares = [&](const SearchSpace& features) {
    const LossSurrogate surrogate(features, known, losses);
    Random others(2);
    double sum = 0;
    for (int i = 0; i < 200; ++i) {
      const Architecture network = space.sample(others);
      sum += std::pow(surrogate.estimate(network).loss - loss_by_groups(network), 2);
    }
    return sum;
  };
  EXPECT_LT(squares(space), 0.01 * squares(blind));
}

TEST(ThirdGene, EveryAlgorithmSearchesIt) {
  const SearchSpace space = three_gene_space();
  const CostFunction cost = objectives_by_groups;
  for (const std::string& algorithm : algorithm_names()) {
    SCOPED_TRACE(algorithm);
    SearchConfig config;
    config.algorithm = algorithm;
    Archive archive({Objective::kPerplexity, Objective::kLatency});
    std::set<int> groups;
    for (int generation = 0; generation < 20; ++generation)
      for (const Proposal& proposal : propose({space, archive, config, generation, 1, cost})) {
        const Architecture& network = proposal.architecture;
        ASSERT_TRUE(space.contains(network));
        for (const Layer& layer : network.layers) groups.insert(groups_of(layer));
        archive.add(
            {proposal.id, network, objectives_by_groups(network), generation, proposal.parents});
      }
    EXPECT_EQ(groups, (std::set<int>{1, 2, 4}));
    if (algorithm != "evolution" && algorithm != "knapsack") continue;
    std::vector<std::size_t> everything(archive.size());
    for (std::size_t i = 0; i < everything.size(); ++i) everything[i] = i;
    for (std::size_t member : archive.front(everything))
      for (const Layer& layer : archive.candidates()[member].architecture.layers)
        EXPECT_EQ(groups_of(layer), 4);
  }
}

TEST(ThirdGene, TheKnapsackIsExactWithIt) {
  const SearchSpace space = three_gene_space();
  const LayerTerm cost = [](int width, int, const Layer& layer) {
    return width * (layer.heads + layer.ffn_width / 64) + 40.0 * groups_of(layer);
  };
  const LayerTerm loss = [](int width, int index, const Layer& layer) {
    return -std::log(width * layer.ffn_width / 8 * layer.heads) / (2 + index) -
           (1 + index) * std::log(groups_of(layer));
  };
  const auto sum = [](const LayerTerm& term, const Architecture& network) {
    double total = 0;
    for (int i = 0; i < network.depth(); ++i)
      total += term(network.model_width, i, network.layers[static_cast<std::size_t>(i)]);
    return total;
  };
  std::vector<std::pair<double, double>> all, expected, found;
  space.enumerate([&](const Architecture& network) {
    all.emplace_back(sum(cost, network), sum(loss, network));
    return true;
  });
  std::sort(all.begin(), all.end());
  for (const auto& each : all)
    if (expected.empty() || each.second < expected.back().second) expected.push_back(each);
  for (const AdditiveNetwork& member : additive_front(space, loss, cost))
    found.emplace_back(member.cost, member.loss);
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace paretoformer::nas
