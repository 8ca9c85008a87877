// Every algorithm chooses hardware with the network.
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "nas/core/algorithms.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

SearchSpace designs() {
  const Json json = parse_json(
      R"({"head_width": 16, "depth": [1, 2, 3], "model_width": [16, 32, 48], "heads": [1, 2, 4],
          "ffn_width": [32, 64, 128]})",
      "space");
  return SearchSpace::from_json(JsonNode(json, "space")).with_hardware({3, 2});
}

// Larger machines are faster and take more room; the second key helps and costs nothing.
Objectives objectives_of(const Architecture& network) {
  double work = 0;
  for (const Layer& layer : network.layers)
    work += network.model_width * (64.0 * layer.heads + 2.0 * layer.ffn_width);
  Objectives objectives;
  objectives.validation_loss = 5 - 0.3 * std::log(work);
  objectives.perplexity = std::exp(objectives.validation_loss);
  objectives.area_mm2 = network.hardware[0];
  objectives.latency = work / std::pow(network.hardware[0], 1.5) / network.hardware[1];
  objectives.energy_pj = work;
  return objectives;
}

TEST(HardwareSearch, EveryAlgorithmFindsAFrontOverThreeObjectives) {
  const SearchSpace space = designs();
  const CostFunction cost = objectives_of;
  for (const std::string& algorithm : algorithm_names()) {
    SCOPED_TRACE(algorithm);
    SearchConfig config;
    config.algorithm = algorithm;
    Archive archive({Objective::kPerplexity, Objective::kEdp, Objective::kArea});
    std::set<int> sizes;
    std::set<std::vector<int>> proposed;
    for (int generation = 0; generation < 8; ++generation)
      for (const Proposal& proposal : propose({space, archive, config, generation, 1, cost})) {
        EXPECT_TRUE(space.contains(proposal.architecture));
        proposed.insert(proposal.architecture.hardware);
        EXPECT_EQ(proposal.id, architecture_id(proposal.architecture));
        archive.add({proposal.id, proposal.architecture, objectives_of(proposal.architecture),
                     generation, proposal.parents});
      }
    for (const std::size_t member : archive.front())
      sizes.insert(archive.candidates()[member].architecture.hardware[0]);
    EXPECT_EQ(proposed.size(), 6u);
    EXPECT_EQ(sizes, (std::set{1, 2, 3}));
    EXPECT_GT(archive.hypervolume(reference_point(archive)), 0);
  }
}

}  // namespace
}  // namespace paretoformer::nas
