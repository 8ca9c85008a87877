#include "nas/core/knapsack.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "nas/core/pareto.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

SearchSpace parse_space(const std::string& text) {
  const Json json = parse_json(text, "space.json");
  return SearchSpace::from_json(JsonNode(json, "space.json"));
}

double sum(const LayerTerm& term, const Architecture& network) {
  double total = 0;
  for (int i = 0; i < network.depth(); ++i)
    total += term(network.model_width, i, network.layers[static_cast<std::size_t>(i)]);
  return total;
}

// Whole numbers from `least` on, so many of them.
LayerTerm random_term(std::uint64_t seed, std::uint64_t which, std::uint64_t values, double least) {
  return [=](int width, int index, const Layer& layer) {
    Random random(seed, {which, static_cast<std::uint64_t>(width),
                         static_cast<std::uint64_t>(index), static_cast<std::uint64_t>(layer.heads),
                         static_cast<std::uint64_t>(layer.ffn_width)});
    return least + static_cast<double>(random.below(values));
  };
}

// Sums of the true front, one per pair, cheapest first, by looking at every network.
std::vector<Point> brute_force(const SearchSpace& space, const LayerTerm& loss,
                               const LayerTerm& cost) {
  std::vector<Point> points;
  space.enumerate([&](const Architecture& network) {
    points.push_back({sum(cost, network), sum(loss, network)});
    return true;
  });
  std::vector<Point> front;
  for (std::size_t index : non_dominated(points)) front.push_back(points[index]);
  std::sort(front.begin(), front.end());
  front.erase(std::unique(front.begin(), front.end()), front.end());
  return front;
}

// Two layers, one choice each of heads and width, FFN widths a and b. Costs: a 1, b 3; losses of
// the first layer: a -1, b -2; of the second: a -1, b -5. Networks (first, second) and (cost,
// loss): aa (2, -2), ab (4, -6), ba (4, -3), bb (6, -7). ba is dominated by ab.
TEST(AdditiveFront, ByHand) {
  const SearchSpace space =
      parse_space(R"({"depth": [2], "model_width": [64], "heads": [1], "ffn_width": [64, 128]})");
  const LayerTerm cost = [](int, int, const Layer& layer) { return layer.ffn_width > 64 ? 3 : 1; };
  const LayerTerm loss = [](int, int index, const Layer& layer) {
    return layer.ffn_width == 64 ? -1 : index == 0 ? -2 : -5;
  };
  const std::vector<AdditiveNetwork> front = additive_front(space, loss, cost);
  ASSERT_EQ(front.size(), 3u);
  EXPECT_EQ(front[0].architecture.layers, (std::vector<Layer>{{1, 64}, {1, 64}}));
  EXPECT_EQ(front[1].architecture.layers, (std::vector<Layer>{{1, 64}, {1, 128}}));
  EXPECT_EQ(front[2].architecture.layers, (std::vector<Layer>{{1, 128}, {1, 128}}));
  EXPECT_EQ(front[1].cost, 4);
  EXPECT_EQ(front[1].loss, -6);
}

TEST(AdditiveFront, IsThatOfAllNetworksForRandomTerms) {
  const SearchSpace space = parse_space(
      R"({"depth": [1, 3, 4], "model_width": [32, 48], "heads": [1, 2, 3], "ffn_width": [32, 64]})");
  for (std::uint64_t seed = 0; seed < 40; ++seed) {
    // Small integers make ties, which sums of doubles hide.
    const std::uint64_t values = seed % 2 == 0 ? 4 : 1 << 20;
    const auto term = [&](std::uint64_t which, double least) {
      return random_term(seed, which, values, least);
    };
    const LayerTerm cost = term(1, 1), loss = term(2, -2);
    std::vector<Point> found;
    for (const AdditiveNetwork& member : additive_front(space, loss, cost)) {
      EXPECT_TRUE(space.contains(member.architecture));
      EXPECT_EQ(member.cost, sum(cost, member.architecture));
      EXPECT_EQ(member.loss, sum(loss, member.architecture));
      found.push_back({member.cost, member.loss});
    }
    EXPECT_EQ(found, brute_force(space, loss, cost)) << "seed " << seed;
  }
}

// Of costs that pull apart, so that there is much between the hulls, and of ones that do not.
TEST(ProductFront, IsThatOfAllNetworksForRandomTerms) {
  const SearchSpace space = parse_space(
      R"({"depth": [1, 3, 4], "model_width": [32, 48], "heads": [1, 2, 3], "ffn_width": [32, 64]})");
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    const std::uint64_t values = seed % 2 == 0 ? 5 : 1 << 20;
    const auto term = [&](std::uint64_t which, double least) {
      return random_term(seed, which, values, least);
    };
    const LayerTerm loss = term(2, -2), first = term(1, 1), other = term(3, 1);
    const LayerTerm second = [&](int width, int index, const Layer& layer) {
      const double most = static_cast<double>(values) + 1;
      return seed % 3 == 0 ? most - first(width, index, layer) : 1 + other(width, index, layer);
    };
    std::vector<Point> points, found, expected;
    space.enumerate([&](const Architecture& network) {
      points.push_back({sum(first, network) * sum(second, network), sum(loss, network)});
      return true;
    });
    for (std::size_t index : non_dominated(points)) expected.push_back(points[index]);
    std::sort(expected.begin(), expected.end());
    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    for (const AdditiveNetwork& member : product_front(space, loss, first, second)) {
      EXPECT_EQ(member.cost, sum(first, member.architecture) * sum(second, member.architecture));
      EXPECT_EQ(member.loss, sum(loss, member.architecture));
      found.push_back({member.cost, member.loss});
    }
    EXPECT_EQ(found, expected) << "seed " << seed;
  }
}

// Layers may be none at all, and cost and lose what they like.
TEST(AdditiveFront, OfOneFrameIsThatOfAllItsNetworks) {
  const std::vector<Layer> choices{{0, 0}, {1, 32}, {2, 32}, {2, 64}};
  const Architecture frame{48, 16, 0, {{2, 64}, {2, 64}, {2, 64}}};
  const LayerTerm cost = [](int, int, const Layer& layer) {
    return layer.heads == 0 ? 0 : 1 + 3 * layer.heads + layer.ffn_width / 32;
  };
  const LayerTerm loss = [](int, int index, const Layer& layer) {
    Random random(7, {static_cast<std::uint64_t>(index)});
    const double heads = random.uniform(), channels = random.uniform();
    return heads * (2 - layer.heads) + channels * (64 - layer.ffn_width) / 32;
  };
  std::vector<Point> points;
  for (const Layer& a : choices)
    for (const Layer& b : choices)
      for (const Layer& c : choices) {
        const Architecture network{48, 16, 0, {a, b, c}};
        points.push_back({sum(cost, network), sum(loss, network)});
      }
  std::vector<Point> expected;
  for (std::size_t index : non_dominated(points)) expected.push_back(points[index]);
  std::sort(expected.begin(), expected.end());
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  std::vector<Point> found;
  for (const AdditiveNetwork& member : additive_front(frame, choices, loss, cost)) {
    EXPECT_EQ(member.architecture.depth(), 3);
    EXPECT_EQ(member.cost, sum(cost, member.architecture));
    found.push_back({member.cost, member.loss});
  }
  EXPECT_EQ(found, expected);
  EXPECT_GT(found.size(), 5u);
}

TEST(AdditiveFront, OfTheSurveysSpaceHoldsItsEnds) {
  const SearchSpace space = SearchSpace::find("survey");
  const LayerTerm cost = [](int width, int, const Layer& layer) {
    return width * (4.0 * 64 * layer.heads + 2.0 * layer.ffn_width);
  };
  // What a layer gains falls with what it has: the front is long.
  const LayerTerm loss = [](int width, int index, const Layer& layer) {
    return -std::log1p(width * layer.heads * 1e-4) / (index + 1) -
           std::log1p(layer.ffn_width * 1e-3);
  };
  const std::vector<AdditiveNetwork> front = additive_front(space, loss, cost);
  EXPECT_EQ(front.front().architecture, space.smallest());
  EXPECT_EQ(front.back().architecture, space.largest());
  for (std::size_t i = 1; i < front.size(); ++i) {
    EXPECT_GT(front[i].cost, front[i - 1].cost);
    EXPECT_LT(front[i].loss, front[i - 1].loss);
  }
  // No random network is better than the front.
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const Architecture network = space.sample(random);
    const double spent = sum(cost, network);
    const auto after = std::upper_bound(
        front.begin(), front.end(), spent,
        [](double value, const AdditiveNetwork& member) { return value < member.cost; });
    EXPECT_LE((after - 1)->loss, sum(loss, network) + 1e-9);
  }
}

TEST(AdditiveFront, OfEqualTermsAndOfFiniteOnesOnly) {
  const SearchSpace space =
      parse_space(R"({"depth": [2], "model_width": [64], "heads": [1], "ffn_width": [64, 128]})");
  const LayerTerm zero = [](int, int, const Layer&) { return 0.0; };
  EXPECT_EQ(additive_front(space, zero, zero).size(), 1u);
  for (const double wrong : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    const LayerTerm bad = [&](int, int, const Layer& l) { return l.ffn_width > 64 ? wrong : 1; };
    EXPECT_THROW(additive_front(space, bad, zero), Error);
    EXPECT_THROW(additive_front(space, zero, bad), Error);
  }
}

}  // namespace
}  // namespace paretoformer::nas
