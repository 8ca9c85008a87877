#include "nas/core/algorithms.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
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
  objectives.latency = macs;
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
  return nas::propose({space, archive, config, generation, seed, cost});
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
  for (const std::string& algorithm : algorithm_names()) {
    if (algorithm == "survey_literal" || algorithm == "knapsack") continue;  // see below
    SCOPED_TRACE(algorithm);
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

TEST(Propose, GenerationZeroIsTheCornersThenRandomForAllAlgorithms) {
  const SearchSpace space = SearchSpace::find("quickstart");
  const Archive empty({Objective::kPerplexity});
  SearchConfig config;
  const std::vector<Proposal> first = propose(space, empty, config, 0, 7);
  ASSERT_EQ(first.size(), 40u);
  EXPECT_EQ(first[0].architecture, space.smallest());
  EXPECT_EQ(first[1].architecture, space.largest());
  for (const std::string& algorithm : algorithm_names()) {
    if (algorithm == "uniform") continue;  // of other networks
    config.algorithm = algorithm;
    EXPECT_EQ(propose(space, empty, config, 0, 7), first) << algorithm;
  }
  config.algorithm = "evolution";
  config.population = 5;
  EXPECT_EQ(propose(space, empty, config, 0, 7).size(), 5u);
}

TEST(Propose, SeedArchitecturesComeFirstAndAllOfThem) {
  const SearchSpace space = SearchSpace::find("quickstart").with_vocabulary(512);
  const Archive empty({Objective::kPerplexity});
  SearchConfig config;
  config.population = 20;
  Random random(1);
  std::set<std::uint64_t> ids;
  while (ids.size() < 30) {
    Architecture network = SearchSpace::find("quickstart").sample(random);
    if (ids.insert(architecture_id(network)).second) config.seed_architectures.push_back(network);
  }
  const std::vector<Proposal> all = propose(space, empty, config, 0, 7);
  ASSERT_EQ(all.size(), 30u);
  for (std::size_t i = 0; i < 30; ++i) {
    Architecture expected = config.seed_architectures[i];
    expected.vocabulary = 512;
    EXPECT_EQ(all[i].architecture, expected);
  }
  config.seed_architectures.resize(3);
  const std::vector<Proposal> some = propose(space, empty, config, 0, 7);
  ASSERT_EQ(some.size(), 20u);
  EXPECT_EQ(some[3].architecture, space.smallest());
}

class EveryAlgorithm : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Algorithms, EveryAlgorithm, ::testing::ValuesIn(algorithm_names()),
                         [](const auto& info) { return info.param; });

TEST_P(EveryAlgorithm, SameSeedSameSearchOtherSeedAnother) {
  const SearchSpace space = SearchSpace::find("quickstart");
  SearchConfig config;
  config.algorithm = GetParam();
  config.evaluations = 200;
  EXPECT_EQ(ids(search(space, config, 1)), ids(search(space, config, 1)));
  // uniform has nothing to draw.
  EXPECT_EQ(ids(search(space, config, 1)) == ids(search(space, config, 2)),
            config.algorithm == "uniform");
}

TEST_P(EveryAlgorithm, AnInterruptedGenerationIsProposedAgain) {
  const SearchSpace space = SearchSpace::find("quickstart");
  SearchConfig config;
  config.algorithm = GetParam();
  config.evaluations = 120;
  Archive archive = search(space, config, 3);
  const int next = archive.candidates().back().generation + 1;
  const std::vector<Proposal> whole = propose(space, archive, config, next, 3);
  ASSERT_GT(whole.size(), 5u);
  for (std::size_t i = 0; i < 5; ++i) add(archive, whole[i], next);
  EXPECT_EQ(propose(space, archive, config, next, 3), whole);
}

TEST_P(EveryAlgorithm, TheOrderInWhichCandidatesWereAddedDoesNotMatter) {
  const SearchSpace space = SearchSpace::find("quickstart");
  SearchConfig config;
  config.algorithm = GetParam();
  config.evaluations = 120;
  const Archive archive = search(space, config, 3);
  const int next = archive.candidates().back().generation + 1;
  Archive backwards(archive.objectives());
  for (auto c = archive.candidates().rbegin(); c != archive.candidates().rend(); ++c)
    backwards.add(*c);
  EXPECT_EQ(propose(space, backwards, config, next, 3), propose(space, archive, config, next, 3));
}

// What NSGA-II does from one generation to the next, written out.
TEST(Nsga2, BreedsFromTheSurvivorsOfAllGenerations) {
  const SearchSpace space = SearchSpace::find("quickstart");
  SearchConfig config;
  config.algorithm = "nsga2";
  config.population = 12;
  config.evaluations = 120;
  const Archive archive = search(space, config, 5);
  std::vector<std::size_t> population;
  for (int generation = 0; generation < 9; ++generation) {
    for (std::size_t i = 0; i < archive.size(); ++i)
      if (archive.candidates()[i].generation == generation) population.push_back(i);
    std::sort(population.begin(), population.end(), [&](std::size_t a, std::size_t b) {
      return archive.candidates()[a].id < archive.candidates()[b].id;
    });
    const std::vector<Standing> standings = archive.standings(population);
    std::vector<std::size_t> order(population.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return better(standings[a], standings[b]);
    });
    std::vector<std::size_t> survivors;
    std::set<std::uint64_t> ids;
    for (std::size_t i = 0; i < 12; ++i) {
      survivors.push_back(population[order[i]]);
      ids.insert(archive.candidates()[survivors.back()].id);
    }
    population = survivors;
    for (const Candidate& child : archive.candidates()) {
      if (child.generation != generation + 1) continue;
      for (std::uint64_t parent : child.parents) EXPECT_TRUE(ids.count(parent));
    }
  }
}

TEST(SurveyLiteral, StallsOnceTheFrontFillsThePopulation) {
  const SearchSpace space = SearchSpace::find("survey");
  SearchConfig config;
  config.algorithm = "survey_literal";
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Archive archive = search(space, config, seed);
    EXPECT_LT(archive.size(), 800u);
    EXPECT_GE(archive.front().size(), 40u);
    config.algorithm = "survey";
    EXPECT_EQ(search(space, config, seed).size(), 1600u);
    config.algorithm = "survey_literal";
  }
}

TEST(Survey, MutatesTheFrontAndNothingElse) {
  const SearchSpace space = SearchSpace::find("survey");
  SearchConfig config;
  config.algorithm = "survey";
  config.evaluations = 400;
  const Archive archive = search(space, config, 1);
  for (const Candidate& child : archive.candidates()) {
    if (child.generation == 0) continue;
    ASSERT_EQ(child.parents.size(), 1u);
    std::vector<std::size_t> earlier;
    for (std::size_t i = 0; i < archive.size(); ++i)
      if (archive.candidates()[i].generation < child.generation) earlier.push_back(i);
    bool on_front = false;
    for (std::size_t member : archive.front(earlier))
      on_front = on_front || archive.candidates()[member].id == child.parents[0];
    EXPECT_TRUE(on_front);
  }
}

TEST(RegularizedEvolution, ChangesOneGeneOfTheYoung) {
  const SearchSpace space = SearchSpace::find("survey");
  SearchConfig config;
  config.algorithm = "regularized_evolution";
  config.evaluations = 200;
  const Archive archive = search(space, config, 1);
  const std::vector<Candidate>& all = archive.candidates();
  EXPECT_EQ(all.back().generation, 20);  // 40 networks, then 8 at a time
  for (const Candidate& child : all) {
    if (child.generation == 0) continue;
    ASSERT_EQ(child.parents.size(), 1u);
    const Candidate& parent = *archive.find(child.parents[0]);
    // 40 networks are five generations of eight.
    EXPECT_GE(parent.generation, child.generation - 5);
    const Architecture& a = parent.architecture;
    const Architecture& b = child.architecture;
    int changes = a.model_width != b.model_width;
    changes += a.depth() != b.depth();
    for (std::size_t i = 0; i < std::min(a.layers.size(), b.layers.size()); ++i)
      changes += (a.layers[i].heads != b.layers[i].heads) +
                 (a.layers[i].ffn_width != b.layers[i].ffn_width);
    EXPECT_EQ(changes, 1);
  }
}

// A loss that is a sum over the layers: the first generation that the solver proposes is the true
// front but for what the fit does not know.
TEST(Knapsack, FindsTheFrontOfAnAdditiveLoss) {
  const SearchSpace space =
      parse(R"({"head_width": 16, "depth": [1, 2, 3], "model_width": [32, 48, 64],
                "heads": [1, 2, 4], "ffn_width": [32, 64, 128]})");
  const auto additive = [](const Architecture& network) {
    Objectives objectives;
    objectives.validation_loss = 5;
    for (std::size_t i = 0; i < network.layers.size(); ++i) {
      objectives.validation_loss -= (0.2 + 0.1 * std::log2(network.layers[i].heads) +
                                     0.07 * std::log2(network.layers[i].ffn_width / 32.0)) /
                                    static_cast<double>(i + 1);
      objectives.latency += network.model_width *
                            (64.0 * network.layers[i].heads + 2.0 * network.layers[i].ffn_width);
    }
    objectives.validation_loss -= 0.1 * std::log2(network.model_width / 32.0);
    objectives.perplexity = std::exp(objectives.validation_loss);
    return objectives;
  };
  const CostFunction cost = additive;
  SearchConfig config;
  config.algorithm = "knapsack";
  Archive archive({Objective::kPerplexity, Objective::kLatency});
  Archive whole = archive;
  space.enumerate([&](const Architecture& network) {
    whole.add({architecture_id(network), network, additive(network)});
    return true;
  });
  const Point reference{200, 1e6};
  for (int generation = 0; generation < 4; ++generation)
    for (const Proposal& p : nas::propose({space, archive, config, generation, 1, cost}))
      archive.add({p.id, p.architecture, additive(p.architecture), generation});
  EXPECT_EQ(archive.size(), 160u);  // of 2457
  EXPECT_GT(archive.hypervolume(reference), 0.9999 * whole.hypervolume(reference));
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
      candidate.objectives.latency = static_cast<double>(candidate.id % 3 + 2);
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
  for (const std::string& algorithm : algorithm_names()) {
    if (algorithm == "survey_literal" || algorithm == "uniform") continue;  // stall earlier
    SCOPED_TRACE(algorithm);
    SearchConfig config;
    config.algorithm = algorithm;
    const Archive archive = search(space, config, 1);
    EXPECT_EQ(static_cast<std::int64_t>(archive.size()), space.count());
    const int last = archive.candidates().back().generation;
    EXPECT_EQ(last, algorithm == "regularized_evolution" ? 18 : 4);  // 180 networks
    EXPECT_TRUE(propose(space, archive, config, last + 1, 1).empty());
  }
}

bool is_uniform(const Architecture& network) {
  return std::all_of(network.layers.begin(), network.layers.end(),
                     [&](const Layer& layer) { return layer == network.layers[0]; });
}

TEST(Uniform, ProposesAllNetworksOfEqualLayersAndNoOthers) {
  const SearchSpace space =
      parse(R"({"head_width": 16, "depth": [1, 2, 4], "model_width": [32, 48], "heads": [1, 2, 3],
                "ffn_width": [32, 64, 96], "weight_bits": [4, 8]})");
  SearchConfig config;
  config.algorithm = "uniform";
  config.population = 20;  // more than corners
  const Archive archive = search(space, config, 1);
  std::set<std::uint64_t> expected;
  space.enumerate([&](const Architecture& network) {
    if (is_uniform(network)) expected.insert(architecture_id(network));
    return true;
  });
  EXPECT_EQ(expected.size(), 3u * 2 * 3 * 3 * 2);
  EXPECT_EQ(archive.size(), expected.size());
  for (const Candidate& each : archive.candidates()) EXPECT_TRUE(expected.contains(each.id));
}

// Of n networks in the order of cost every n / k-th is among the first k, give or take one.
TEST(Uniform, ASmallBudgetIsSpreadOverCost) {
  const SearchSpace space = SearchSpace::find("quickstart");
  std::vector<double> costs;
  for (const Architecture& network : space.uniform()) costs.push_back(synthetic(network).latency);
  std::sort(costs.begin(), costs.end());
  ASSERT_EQ(costs.size(), 768u);
  SearchConfig config;
  config.algorithm = "uniform";
  config.population = 64;
  config.evaluations = 64;
  const Archive archive = search(space, config, 1);
  ASSERT_EQ(archive.size(), 64u);
  const std::size_t corners = space.extremes().size();
  for (std::size_t part = 0; part < 8; ++part) {
    const auto in_part = std::count_if(
        archive.candidates().begin() + static_cast<std::ptrdiff_t>(corners),
        archive.candidates().end(), [&](const Candidate& each) {
          const auto rank = std::lower_bound(costs.begin(), costs.end(), each.objectives.latency);
          return static_cast<std::size_t>(rank - costs.begin()) * 8 / costs.size() == part;
        });
    EXPECT_NEAR(static_cast<double>(in_part), static_cast<double>(64 - corners) / 8, 2) << part;
  }
  for (const Candidate& each : archive.candidates()) EXPECT_TRUE(is_uniform(each.architecture));
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
  const Point reference{smallest.perplexity * 1.01, largest.latency * 1.01};
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
  const double limit = synthetic(space.smallest()).latency * 1.6;
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
    EXPECT_LE(evolved.candidates()[member].objectives.latency, limit);
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
      if (candidate.generation == generation) sum += candidate.objectives.latency;
    return sum / 40;
  };
  EXPECT_LT(mean_cost(7), 0.5 * mean_cost(0));
}

TEST(Propose, SoftLimitsDrawTheSearchAndForbidNothing) {
  // On something that is no objective: the front itself may be far beyond it.
  const SearchSpace space = SearchSpace::find("survey");
  const double limit = 3.0 * static_cast<double>(parameter_count(space.smallest()));
  SearchConfig config;
  config.evaluations = 800;
  const std::vector<Limit> soft{{Objective::kParameters, limit, true}};
  const auto share = [&](const Archive& archive) {
    double kept = 0;
    for (const Candidate& candidate : archive.candidates())
      kept += violation(candidate.objectives, soft) == Violation{};
    return kept / static_cast<double>(archive.size());
  };
  const Archive drawn = search(space, config, 1, soft);
  EXPECT_GT(share(drawn), 2 * share(search(space, config, 1)));
  double largest = 0;
  for (std::size_t member : drawn.front())
    largest = std::max(largest, value(drawn.candidates()[member].objectives, soft[0].objective));
  EXPECT_GT(largest, limit);
}

}  // namespace
}  // namespace paretoformer::nas
