#include "nas/algorithms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/error.hpp"

namespace paretoformer {
namespace {

using ::testing::HasSubstr;

SearchSpace parse(const std::string& text) {
  const Json json = parse_json(text, "space.json");
  return SearchSpace::from_json(JsonNode(json, "space.json"));
}

// A stand-in for training and simulation: every layer lowers the loss, with diminishing returns
// that depend on where it stands, so that the best networks are not uniform; the cost is MACs.
Objectives synthetic(const Architecture& network) {
  double capacity = 0;
  double macs = 0;
  const double d = network.model_width;
  for (std::size_t i = 0; i < network.layers.size(); ++i) {
    const double attention = network.layers[i].heads * network.head_width;
    const double ffn = network.layers[i].ffn_width;
    const double wants_heads = i % 2 == 0 ? 1.0 : 0.3;
    capacity += wants_heads * std::log1p(attention / 128) +
                (1.3 - wants_heads) * std::log1p(ffn / 512) + 0.3 * std::log1p(d / 256);
    macs += 4 * attention * d + 2 * ffn * d;
  }
  Objectives objectives;
  objectives.validation_loss = 2 + 4 * std::exp(-capacity / 6);
  objectives.perplexity = std::exp(objectives.validation_loss);
  objectives.latency_cycles = macs;
  objectives.energy_pj = 1;
  objectives.parameters = parameter_count(network);
  return objectives;
}

void add(Archive& archive, const Proposal& proposal, int generation) {
  archive.add({proposal.id, proposal.architecture, synthetic(proposal.architecture), generation,
               proposal.parents});
}

std::vector<Proposal> propose(const SearchSpace& space, const Archive& archive,
                              const SearchConfig& config, int generation, std::uint64_t seed) {
  const CostFunction cost = [](const Architecture& network) {
    Objectives objectives = synthetic(network);
    objectives.validation_loss = objectives.perplexity = 0;
    return objectives;
  };
  return paretoformer::propose({space, archive, config, generation, seed, cost});
}

// As many whole generations as the budget holds.
Archive search(const SearchSpace& space, const SearchConfig& config, std::uint64_t seed,
               std::vector<Limit> limits = {}) {
  Archive archive({Objective::kPerplexity, Objective::kLatency}, std::move(limits));
  for (int generation = 0;; ++generation) {
    const std::vector<Proposal> proposals = propose(space, archive, config, generation, seed);
    const auto after = static_cast<std::int64_t>(archive.size() + proposals.size());
    if (proposals.empty() || after > config.evaluations) return archive;
    for (const Proposal& proposal : proposals) add(archive, proposal, generation);
  }
}

std::vector<std::uint64_t> ids(const Archive& archive) {
  std::vector<std::uint64_t> result;
  for (const Candidate& candidate : archive.candidates()) result.push_back(candidate.id);
  return result;
}

TEST(SearchConfigJson, DefaultsRoundTripAndErrors) {
  const Json empty = Json::object();
  EXPECT_EQ(search_config_from_json(JsonNode(empty, "x")), SearchConfig{});
  const SearchConfig config{"random", 80, 8,     0.2, 0.5,
                            0.1,      3,  false, 5,   {SearchSpace::find("survey").smallest()}};
  const Json json = to_json(config);
  EXPECT_EQ(search_config_from_json(JsonNode(json, "x")), config);
  const auto error = [](const Json& wrong) -> std::string {
    try {
      search_config_from_json(JsonNode(wrong, "x"));
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  };
  EXPECT_THAT(error({{"algorithm", "evolutoin"}}), HasSubstr("did you mean \"evolution\"?"));
  EXPECT_THAT(error({{"population", 0}}), HasSubstr("/population: 0 is out of range"));
  EXPECT_THAT(error({{"mutation_rate", 1.5}}), HasSubstr("/mutation_rate"));
  EXPECT_THAT(error({{"poplation", 4}}), HasSubstr("did you mean \"population\"?"));
}

TEST(Propose, FortyGenerationsWithoutADuplicate) {
  const SearchSpace space = SearchSpace::find("survey");
  for (const char* algorithm : {"evolution", "random"}) {
    SearchConfig config;
    config.algorithm = algorithm;
    // Archive::add throws on a duplicate.
    const Archive archive = search(space, config, 1);
    EXPECT_EQ(archive.size(), 1600u);
    for (const Candidate& candidate : archive.candidates()) {
      EXPECT_TRUE(space.contains(candidate.architecture));
      EXPECT_EQ(candidate.id, architecture_id(candidate.architecture));
      EXPECT_LE(candidate.parents.size(), 2u);
      for (std::uint64_t parent : candidate.parents) {
        ASSERT_TRUE(archive.contains(parent));
        EXPECT_LT(archive.find(parent)->generation, candidate.generation);
      }
    }
  }
}

TEST(Propose, GenerationZeroIsTheCornersThenRandomForBothAlgorithms) {
  const SearchSpace space = SearchSpace::find("quickstart");
  const Archive empty({Objective::kPerplexity});
  SearchConfig config;
  const std::vector<Proposal> first = propose(space, empty, config, 0, 7);
  ASSERT_EQ(first.size(), 40u);
  EXPECT_EQ(first[0].architecture, space.smallest());
  EXPECT_EQ(first[1].architecture, space.largest());
  config.algorithm = "random";
  EXPECT_EQ(propose(space, empty, config, 0, 7), first);
  config.population = 5;
  EXPECT_EQ(propose(space, empty, config, 0, 7).size(), 5u);
}

TEST(Propose, SameSeedSameSearchOtherSeedAnother) {
  const SearchSpace space = SearchSpace::find("quickstart");
  SearchConfig config;
  config.evaluations = 400;
  EXPECT_EQ(ids(search(space, config, 1)), ids(search(space, config, 1)));
  EXPECT_NE(ids(search(space, config, 1)), ids(search(space, config, 2)));
}

TEST(Propose, AnInterruptedGenerationIsProposedAgain) {
  const SearchSpace space = SearchSpace::find("quickstart");
  SearchConfig config;
  config.evaluations = 200;
  Archive archive = search(space, config, 3);
  const std::vector<Proposal> whole = propose(space, archive, config, 5, 3);
  for (std::size_t i = 0; i < 17; ++i) add(archive, whole[i], 5);
  EXPECT_EQ(propose(space, archive, config, 5, 3), whole);
}

TEST(Propose, TheOrderOfEvaluationDoesNotMatter) {
  // Few distinct costs, so that ranks and crowding are full of ties.
  const SearchSpace space = SearchSpace::find("quickstart");
  SearchConfig config;
  config.evaluations = 160;
  const Archive archive = search(space, config, 3);
  for (double limit : {1e9, 1.0}) {
    Archive forwards({Objective::kLatency}, {{Objective::kLatency, limit}});
    Archive backwards = forwards;
    std::vector<Candidate> candidates = archive.candidates();
    for (Candidate& candidate : candidates)
      candidate.objectives.latency_cycles = static_cast<double>(candidate.id % 3 + 2);
    for (const Candidate& candidate : candidates) forwards.add(candidate);
    std::reverse(candidates.begin(), candidates.end());
    for (const Candidate& candidate : candidates) backwards.add(candidate);
    EXPECT_EQ(propose(space, forwards, config, 4, 3), propose(space, backwards, config, 4, 3));
  }
}

TEST(Propose, ExhaustsATinySpaceVisitingEveryNetworkOnce) {
  const SearchSpace space =
      parse(R"({"head_width": 16, "depth": [1, 2], "model_width": [32, 48], "heads": [1, 2, 3],
                "ffn_width": [32, 64, 96]})");
  ASSERT_EQ(space.count(), 2 * (9 + 81));
  for (const char* algorithm : {"evolution", "random"}) {
    SearchConfig config;
    config.algorithm = algorithm;
    const Archive archive = search(space, config, 1);
    EXPECT_EQ(static_cast<std::int64_t>(archive.size()), space.count());
    EXPECT_EQ(archive.candidates().back().generation, 4);  // 180 networks in forties
    EXPECT_TRUE(propose(space, archive, config, 5, 1).empty());
  }
}

TEST(Propose, ASpaceOfOneNetworkEndsAtOnce) {
  const SearchSpace space =
      parse(R"({"depth": [1], "model_width": [32], "heads": [1], "ffn_width": [64]})");
  EXPECT_EQ(search(space, SearchConfig{}, 1).size(), 1u);
}

TEST(Propose, EvolutionBeatsRandomAtEqualBudget) {
  const SearchSpace space = SearchSpace::find("survey");
  const Objectives smallest = synthetic(space.smallest());
  const Objectives largest = synthetic(space.largest());
  const Point reference{smallest.perplexity * 1.01, largest.latency_cycles * 1.01};
  SearchConfig config;
  config.evaluations = 800;
  SearchConfig random = config;
  random.algorithm = "random";
  std::vector<double> gains;
  int wins = 0;
  for (std::uint64_t seed = 1; seed <= 7; ++seed) {
    const Archive evolved = search(space, config, seed);
    const Archive drawn = search(space, random, seed);
    ASSERT_EQ(evolved.size(), drawn.size());
    gains.push_back(evolved.hypervolume(reference) / drawn.hypervolume(reference) - 1);
    wins += gains.back() > 0;
  }
  std::sort(gains.begin(), gains.end());
  RecordProperty("median_gain", std::to_string(gains[3]));
  EXPECT_EQ(wins, 7);
  EXPECT_GT(gains[3], 0.01);
}

TEST(Propose, LimitsComeFirst) {
  // A latency that 1 in some hundred random networks keeps.
  const SearchSpace space = SearchSpace::find("survey");
  const double limit = synthetic(space.smallest()).latency_cycles * 1.6;
  SearchConfig config;
  config.evaluations = 800;
  const auto share = [&](const Archive& archive) {
    double kept = 0;
    for (const Candidate& candidate : archive.candidates())
      kept += feasible(candidate.objectives, archive.limits());
    return kept / static_cast<double>(archive.size());
  };
  const Archive evolved = search(space, config, 1, {{Objective::kLatency, limit}});
  for (std::size_t member : evolved.front())
    EXPECT_LE(evolved.candidates()[member].objectives.latency_cycles, limit);
  EXPECT_GT(evolved.front().size(), 10u);
  config.algorithm = "random";
  EXPECT_GT(share(evolved), 5 * share(search(space, config, 1, {{Objective::kLatency, limit}})));
}

TEST(Propose, AnUnreachableLimitStillEndsAndApproachesIt) {
  const SearchSpace space = SearchSpace::find("quickstart");
  SearchConfig config;
  config.evaluations = 320;
  const Archive archive = search(space, config, 1, {{Objective::kLatency, 1}});
  EXPECT_EQ(archive.size(), 320u);
  EXPECT_TRUE(archive.front().empty());
  const auto mean_cost = [&](int generation) {
    double sum = 0;
    for (const Candidate& candidate : archive.candidates())
      if (candidate.generation == generation) sum += candidate.objectives.latency_cycles;
    return sum / 40;
  };
  EXPECT_LT(mean_cost(7), 0.5 * mean_cost(0));
}

}  // namespace
}  // namespace paretoformer
