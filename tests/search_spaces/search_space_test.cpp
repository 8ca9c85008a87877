#include "search_spaces/search_space.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <set>

#include "support/error.hpp"
#include "support/json.hpp"

namespace paretoformer {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

SearchSpace parse(const std::string& text) {
  const Json json = parse_json(text, "space.json");
  return SearchSpace::from_json(JsonNode(json, "space.json"));
}

// Depths that are not contiguous, so that a step in depth is two layers.
SearchSpace small_space() {
  return parse(R"({"name": "small", "head_width": 16, "depth": [1, 3], "model_width": [32, 48, 64],
                   "heads": [1, 2], "ffn_width": {"from": 32, "to": 96, "step": 32}})");
}

// "depth:WHAT" replaced in an otherwise good document.
std::string with(const std::string& key, const std::string& value) {
  std::map<std::string, std::string> parts{
      {"depth", "[1, 2]"}, {"model_width", "[32]"}, {"heads", "[1, 2]"}, {"ffn_width", "[64]"}};
  parts[key] = value;
  std::string text;
  for (const auto& [name, part] : parts)
    text += (text.empty() ? "{\"" : ", \"") + name + "\": " + part;
  return text + "}";
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const InputError& error) {
    return error.what();
  }
  return "no InputError";
}

TEST(SearchSpacePresets, SurveyHasAsManyNetworksAsItsTable8) {
  const SearchSpace survey = SearchSpace::find("survey");
  EXPECT_EQ(survey.name(), "survey");
  EXPECT_EQ(survey.head_width(), 64);
  // 5 widths x sum over N = 3..6 of (5 head counts x 19 FFN widths)^N.
  EXPECT_EQ(survey.count(), 3714560040000);
  EXPECT_EQ(survey.largest(), (Architecture{768, 64, 0, std::vector<Layer>(6, Layer{12, 3072})}));
  EXPECT_TRUE(survey.contains(
      {672, 64, 0, {{12, 1280}, {6, 1280}, {12, 2560}, {8, 768}, {10, 2048}, {6, 1024}}}));
}

TEST(SearchSpacePresets, AllAreValidAndNamedAsTheirFiles) {
  EXPECT_THAT(SearchSpace::preset_names(),
              testing::UnorderedElementsAre("enumerable", "survey", "quickstart", "quickstart_int4",
                                            "wikitext2"));
  for (const std::string& name : SearchSpace::preset_names()) {
    const SearchSpace space = SearchSpace::find(name);
    EXPECT_EQ(space.name(), name);
    EXPECT_EQ(space, SearchSpace::find(std::string(PARETOFORMER_SOURCE_DIR) + "/search_spaces/" +
                                       name + ".json"));
  }
}

TEST(SearchSpacePresets, UnknownNameSuggestsTheNearest) {
  EXPECT_THAT(error_of([] { SearchSpace::find("quikstart"); }),
              AllOf(HasSubstr("\"quikstart\""), HasSubstr("did you mean \"quickstart\"?")));
}

TEST(SearchSpaceJson, RoundTrip) {
  const SearchSpace space = small_space().with_vocabulary(500);
  const Json json = space.to_json();
  EXPECT_EQ(SearchSpace::from_json(JsonNode(json, "x")), space);
}

TEST(SearchSpaceJson, ErrorsNameTheKeyAndWhatWasExpected) {
  const auto error = [](const std::string& key, const std::string& value) {
    return error_of([&] { parse(with(key, value)); });
  };
  EXPECT_THAT(error("heads", "[1, 2, 2]"), HasSubstr("space.json: /heads/2: 2 appears twice"));
  EXPECT_THAT(error("heads", "[2, 1]"), HasSubstr("/heads/1: 1 is out of order"));
  EXPECT_THAT(error("heads", "[]"), HasSubstr("/heads: [] is empty"));
  EXPECT_THAT(error("heads", "[0]"), HasSubstr("/heads/0: 0 is out of range"));
  EXPECT_THAT(error("heads", "4"), HasSubstr("/heads: 4 has the wrong type"));
  EXPECT_THAT(
      error_of([] {
        parse(R"({"head_width": 65536, "depth": [1], "model_width": [8], "heads": [1, 65536],
                          "ffn_width": [8]})");
      }),
      HasSubstr("/heads/1: 65536 is out of range: expected an integer from 1 to 16"));
  EXPECT_THAT(error("depth", "[2000]"), HasSubstr("/depth/0: 2000 is out of range"));
  EXPECT_THAT(error("ffn_width", R"({"from": 64, "to": 32, "step": 16})"),
              HasSubstr("/ffn_width/to: 32 is below"));
  EXPECT_THAT(error("ffn_width", R"({"from": 64, "to": 100, "step": 16})"),
              HasSubstr("/ffn_width/to: 100 is not reached"));
  EXPECT_THAT(error("ffn_width", R"({"from": 64, "to": 128, "step": 0})"),
              HasSubstr("/ffn_width/step: 0 is out of range"));
  EXPECT_THAT(error("ffn_width", R"({"from": 1, "to": 100000, "step": 1})"),
              HasSubstr("too many choices"));
  EXPECT_THAT(error("ffn_width", R"({"from": 64, "to": 128, "stop": 64})"), HasSubstr("\"step\""));
  EXPECT_THAT(error("hieght", "[1]"), HasSubstr("/hieght: unknown key"));
  EXPECT_THAT(error_of([] { parse(R"({"depth": [1]})"); }), HasSubstr("is missing"));
}

TEST(SearchSpaceIndex, IsABijectionAndEnumerateFollowsIt) {
  const SearchSpace space = small_space();
  ASSERT_EQ(space.count(), 3 * (6 + 216));
  std::set<std::uint64_t> ids;
  std::int64_t index = 0;
  space.enumerate([&](const Architecture& network) {
    EXPECT_TRUE(space.contains(network));
    EXPECT_EQ(space.index_of(network), index);
    EXPECT_EQ(space.at(index++), network);
    ids.insert(architecture_id(network));
    return true;
  });
  EXPECT_EQ(index, space.count());
  EXPECT_EQ(static_cast<std::int64_t>(ids.size()), space.count());
  EXPECT_THROW(space.at(-1), Error);
  EXPECT_THROW(space.at(space.count()), Error);
}

TEST(SearchSpaceIndex, EnumerateStopsWhenTold) {
  int visits = 0;
  SearchSpace::find("survey").enumerate([&](const Architecture&) { return ++visits < 10; });
  EXPECT_EQ(visits, 10);
}

TEST(SearchSpaceIndex, HoldsOverTheWholeSurveySpace) {
  const SearchSpace space = SearchSpace::find("survey");
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const auto index = static_cast<std::int64_t>(random.below(3714560040000));
    EXPECT_EQ(space.index_of(space.at(index)), index);
    const Architecture network = space.sample(random);
    EXPECT_EQ(space.at(space.index_of(network)), network);
  }
}

TEST(SearchSpaceIndex, BeyondSixtyThreeBitsIsAnError) {
  const SearchSpace space = parse(with("depth", "[1, 2, 64, 100]"));
  EXPECT_THROW(space.count(), Error);
  EXPECT_EQ(space.count_up_to(1000), 1000);
  EXPECT_EQ(space.at(5), (Architecture{32, 64, 0, {{2, 64}, {2, 64}}}));
  EXPECT_EQ(space.index_of(space.at(5)), 5);
  EXPECT_THROW(space.index_of(space.largest()), Error);
  EXPECT_THROW(space.at(-1), Error);
  EXPECT_THROW(space.at(std::numeric_limits<std::int64_t>::min()), Error);
}

TEST(SearchSpaceExtremes, AreTheCornersOnce) {
  const std::vector<Architecture> corners = SearchSpace::find("survey").extremes();
  EXPECT_EQ(corners.size(), 16u);
  EXPECT_EQ(corners[0], SearchSpace::find("survey").smallest());
  EXPECT_EQ(corners[1], SearchSpace::find("survey").largest());
  EXPECT_EQ(parse(with("depth", "[2]")).extremes().size(), 2u);
}

// Pearson's statistic against equal shares.
double chi_square(const std::map<int, int>& counts, std::size_t choices) {
  double total = 0;
  for (const auto& [value, count] : counts) total += count;
  const double expected = total / static_cast<double>(choices);
  double sum = expected * static_cast<double>(choices - counts.size());
  for (const auto& [value, count] : counts)
    sum += (count - expected) * (count - expected) / expected;
  return sum;
}

TEST(SearchSpaceSample, IsUniformPerGene) {
  const SearchSpace space = SearchSpace::find("survey");
  Random random(3);
  std::map<int, int> depths, widths, heads, ffn_widths;
  for (int i = 0; i < 20000; ++i) {
    const Architecture network = space.sample(random);
    ASSERT_TRUE(space.contains(network));
    ++depths[static_cast<int>(network.layers.size())];
    ++widths[network.model_width];
    ++heads[network.layers[2].heads];
    ++ffn_widths[network.layers[0].ffn_width];
  }
  // The 99.99 % quantiles for 3, 4, 4 and 18 degrees of freedom.
  EXPECT_LT(chi_square(depths, 4), 21.1);
  EXPECT_LT(chi_square(widths, 5), 23.5);
  EXPECT_LT(chi_square(heads, 5), 23.5);
  EXPECT_LT(chi_square(ffn_widths, 19), 49.2);
}

TEST(SearchSpaceMutate, AlwaysGivesADifferentNetworkOfTheSpace) {
  for (const SearchSpace& space : {small_space(), SearchSpace::find("survey"),
                                   parse(with("depth", "[2]")), parse(with("heads", "[1]"))}) {
    Random random(4);
    for (double rate : {0.0, 0.1, 1.0}) {
      for (int i = 0; i < 500; ++i) {
        const Architecture parent = space.sample(random);
        const Architecture child = space.mutate(parent, rate, random);
        EXPECT_TRUE(space.contains(child));
        EXPECT_NE(child, parent);
      }
    }
  }
}

TEST(SearchSpaceMutate, HalfOfTheMovesGoToAnAdjacentChoice) {
  // One gene of nineteen choices, in the middle: 1/2 + 1/2 * 2/18 of the moves are one step.
  const SearchSpace space = parse(R"({"depth": [1], "model_width": [32], "heads": [1],
                "ffn_width": {"from": 128, "to": 2432, "step": 128}})");
  const Architecture parent{32, 64, 0, {{1, 1280}}};
  Random random(5);
  int steps = 0;
  for (int i = 0; i < 10000; ++i)
    steps += std::abs(space.mutate(parent, 0.5, random).layers[0].ffn_width - 1280) == 128;
  EXPECT_NEAR(steps, 5556, 250);  // 5 standard deviations
}

TEST(SearchSpaceMutate, RefusesASpaceOfOneNetworkAndAStranger) {
  const SearchSpace one =
      parse(R"({"depth": [1], "model_width": [32], "heads": [1], "ffn_width": [64]})");
  Random random(6);
  EXPECT_THROW(one.mutate(one.smallest(), 0.1, random), Error);
  EXPECT_THROW(small_space().mutate(one.smallest(), 0.1, random), InputError);
}

TEST(SearchSpaceCrossover, EveryGeneComesFromAParent) {
  const SearchSpace space = SearchSpace::find("survey");
  Random random(7);
  for (int i = 0; i < 2000; ++i) {
    const Architecture a = space.sample(random);
    const Architecture b = space.sample(random);
    const Architecture child = space.crossover(a, b, random);
    ASSERT_TRUE(space.contains(child));
    EXPECT_TRUE(child.layers.size() == a.layers.size() || child.layers.size() == b.layers.size());
    for (std::size_t layer = 0; layer < child.layers.size(); ++layer) {
      const auto from = [&](const Architecture& parent, int Layer::*gene) {
        return layer < parent.layers.size() &&
               parent.layers[layer].*gene == child.layers[layer].*gene;
      };
      EXPECT_TRUE(from(a, &Layer::heads) || from(b, &Layer::heads));
      EXPECT_TRUE(from(a, &Layer::ffn_width) || from(b, &Layer::ffn_width));
    }
    EXPECT_EQ(space.crossover(a, a, random), a);
  }
}

TEST(SearchSpaceNeighbours, AreSymmetricExceptInDepth) {
  const SearchSpace space = small_space();
  space.enumerate([&](const Architecture& network) {
    std::set<std::uint64_t> ids;
    for (const Architecture& neighbour : space.neighbours(network)) {
      EXPECT_TRUE(space.contains(neighbour));
      EXPECT_NE(neighbour, network);
      ids.insert(architecture_id(neighbour));
      const std::vector<Architecture> back = space.neighbours(neighbour);
      const bool mutual = std::find(back.begin(), back.end(), network) != back.end();
      // Cutting layers forgets them; growing repeats the last one, which cutting undoes.
      EXPECT_TRUE(mutual || neighbour.layers.size() < network.layers.size());
    }
    EXPECT_EQ(ids.size(), space.neighbours(network).size());
    return true;
  });
}

TEST(SearchSpaceContains, SaysWhyNot) {
  const SearchSpace space = small_space();
  const auto why = [&](const Architecture& network) {
    std::string reason;
    EXPECT_FALSE(space.contains(network, &reason));
    EXPECT_FALSE(space.contains(network));
    return reason;
  };
  EXPECT_THAT(why({32, 64, 0, {{1, 32}}}), HasSubstr("head_width 64"));
  EXPECT_THAT(why({32, 16, 9, {{1, 32}}}), HasSubstr("vocabulary 9"));
  EXPECT_THAT(why({32, 16, 0, {{1, 32}, {1, 32}}}), HasSubstr("depth 2"));
  EXPECT_THAT(why({40, 16, 0, {{1, 32}}}), HasSubstr("model_width 40"));
  EXPECT_THAT(why({32, 16, 0, {{3, 32}}}), HasSubstr("layer 1: heads 3"));
  EXPECT_THAT(why({32, 16, 0, {{1, 32}, {1, 32}, {1, 40}}}),
              HasSubstr("layer 3: ffn_width 40 is not a choice: expected one of 32, 64, 96"));
}

}  // namespace
}  // namespace paretoformer
