#include "nas/core/layer_losses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "latency_predictor/latency_predictor.hpp"
#include "latency_predictor/tables.hpp"
#include "nas/core/pareto.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

SearchSpace small_space() {
  const Json json = parse_json(
      R"({"depth": [1, 3, 4], "model_width": [32, 48], "head_width": 16, "heads": [1, 2, 3],
          "ffn_width": [32, 64]})",
      "space.json");
  return SearchSpace::from_json(JsonNode(json, "space.json"));
}

LayerLosses read(const std::string& text, const SearchSpace& space) {
  const Json json = parse_json(text, "losses.json");
  return LayerLosses::from_json(JsonNode(json, "losses.json"), space);
}

double loss_of(const LayerLosses& losses, const Architecture& network) {
  double sum = 0;
  for (int i = 0; i < network.depth(); ++i)
    sum += losses.layer(network.model_width, i, network.layers[static_cast<std::size_t>(i)]);
  return sum + losses.frame(network.depth(), network.model_width);
}

std::vector<AdditiveNetwork> front_of(const SearchSpace& space, const LayerLosses& losses,
                                      const LayerTerm& cost) {
  return additive_front(
      space,
      [&](int width, int index, const Layer& layer) { return losses.layer(width, index, layer); },
      cost, [&](int depth, int width) { return losses.frame(depth, width); });
}

TEST(LayerLosses, RowsAreOfAllThatTheyDoNotName) {
  const LayerLosses losses = read(
      R"({"layers": [{"layer": 0, "heads": 1, "loss": 5}, {"layer": 0, "heads": 2, "loss": 4},
                     {"layer": 0, "heads": 3, "loss": 3}, {"layer": 1, "loss": 2},
                     {"layer": 2, "ffn_width": 32, "loss": 1},
                     {"layer": 2, "ffn_width": 64, "loss": -1},
                     {"layer": 3, "model_width": 32, "loss": 0.5},
                     {"layer": 3, "model_width": 48, "loss": 0.25}],
          "networks": [{"depth": 1, "loss": 10}, {"depth": 3, "loss": 20},
                       {"depth": 4, "model_width": 32, "loss": 30},
                       {"depth": 4, "model_width": 48, "loss": 40}]})",
      small_space());
  EXPECT_EQ(losses.layer(32, 0, {2, 64}), 4);
  EXPECT_EQ(losses.layer(48, 0, {2, 32}), 4);
  EXPECT_EQ(losses.layer(48, 1, {3, 32}), 2);
  EXPECT_EQ(losses.layer(48, 2, {3, 64}), -1);
  EXPECT_EQ(losses.layer(48, 3, {1, 32}), 0.25);
  EXPECT_EQ(losses.frame(3, 48), 20);
  EXPECT_EQ(losses.frame(4, 48), 40);
}

TEST(LayerLosses, ComeBackAsTheyWereWritten) {
  const SearchSpace space = small_space();
  const LayerLosses losses(space, [](int width, int index, const Layer& layer) {
    return 1.0 / (width + index) - 0.1 * layer.heads + 1e-9 * layer.ffn_width;
  });
  const LayerLosses again = read(to_text(losses.to_json()), space);
  EXPECT_EQ(to_text(again.to_json()), to_text(losses.to_json()));
  space.enumerate([&](const Architecture& network) {
    EXPECT_EQ(loss_of(again, network), loss_of(losses, network));
    return true;
  });
}

TEST(LayerLosses, WrongFilesAreRefusedInOneLine) {
  const SearchSpace space = small_space();
  const auto refused = [&](const std::string& text, const std::string& why) {
    try {
      read(text, space);
      ADD_FAILURE() << text;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("losses.json: " + why));
      EXPECT_EQ(std::string(error.what()).find('\n'), std::string::npos);
    }
  };
  refused(
      R"({"layers": [{"layer": 0, "loss": 1}, {"layer": 1, "loss": 1}, {"layer": 3, "loss": 1}]})",
      "/layers: 3 rows, of which none is of layer 2, model_width 32, heads 1, ffn_width 32: "
      "expected one for every choice");
  refused(R"({"layers": [{"loss": 1}, {"layer": 2, "heads": 3, "loss": 1}]})",
          "/layers/1: {\"layer\":2,\"heads\":3,\"loss\":1} is of layer 2, model_width 32, heads 3, "
          "ffn_width 32 as row 0 is: expected one row for each");
  refused(R"({"layers": [{"heads": 4, "loss": 1}]})",
          "/layers/0/heads: 4 is no choice of the search space: expected one of 1, 2, 3");
  refused(R"({"layers": [{"layer": 4, "loss": 1}]})", "/layers/0/layer: 4 is no choice");
  refused(R"({"layers": [{"head": 1, "loss": 1}]})", "/layers/0/head");
  refused(R"({"layers": [{"loss": "low"}]})", "/layers/0/loss: \"low\"");
  refused(R"({"layers": [{"heads": 1}]})", "/layers/0");
  refused(R"({"layers": [{"loss": 1}], "networks": [{"depth": 1, "loss": 0}]})",
          "/networks: 1 rows, of which none is of depth 3, model_width 32");
  refused(R"({"format": "paretoformer.layer_losses.9", "layers": []})", "/format");
  refused("{}", "/");
}

// Losses of layers and of frames, small whole numbers, so that there are ties.
TEST(LayerLosses, FrontIsThatOfAllNetworks) {
  const SearchSpace space = small_space();
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    Random random(seed);
    Json rows = Json::array(), networks = Json::array();
    for (int layer = 0; layer < 4; ++layer)
      for (const int heads : {1, 2, 3})
        for (const int width : {32, 64})
          rows.push_back({{"layer", layer},
                          {"heads", heads},
                          {"ffn_width", width},
                          {"loss", static_cast<int>(random.below(6))}});
    for (const int depth : {1, 3, 4})
      networks.push_back({{"depth", depth}, {"loss", 3 * static_cast<int>(random.below(4))}});
    const Json file{{"layers", rows}, {"networks", networks}};
    const LayerLosses losses = read(file.dump(), space);
    const LayerTerm cost = [](int width, int index, const Layer& layer) {
      return static_cast<double>(width / 16 * (layer.heads + layer.ffn_width / 32) +
                                 (index == 0 ? 1 : 0));
    };
    std::vector<Point> points, found, expected;
    space.enumerate([&](const Architecture& network) {
      double spent = 0;
      for (int i = 0; i < network.depth(); ++i)
        spent += cost(network.model_width, i, network.layers[static_cast<std::size_t>(i)]);
      points.push_back({spent, loss_of(losses, network)});
      return true;
    });
    for (const std::size_t index : non_dominated(points)) expected.push_back(points[index]);
    std::sort(expected.begin(), expected.end());
    expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
    for (const AdditiveNetwork& member : front_of(space, losses, cost)) {
      EXPECT_EQ(member.loss, loss_of(losses, member.architecture));
      found.push_back({member.cost, member.loss});
    }
    EXPECT_EQ(found, expected) << "seed " << seed;
  }
}

TEST(LayerLosses, MinusParametersAddsUp) {
  const SearchSpace space = small_space().with_vocabulary(100);
  const LayerLosses losses = minus_parameters(space);
  space.enumerate([&](const Architecture& network) {
    EXPECT_EQ(loss_of(losses, network), -static_cast<double>(parameter_count(network)));
    return true;
  });
}

TEST(FittedLosses, FindSumsOfWhatTheyAreMadeOf) {
  const SearchSpace space = SearchSpace::find("quickstart");
  const auto loss = [](const Architecture& network) {
    double sum = 5 - 0.1 * std::log2(network.model_width);
    for (const Layer& layer : network.layers)
      sum -= 0.02 * std::log2(layer.ffn_width) + 0.01 * std::log2(layer.heads);
    return sum;
  };
  Random random(3);
  std::vector<Architecture> known;
  std::vector<double> losses;
  for (int i = 0; i < 400; ++i) {
    known.push_back(space.sample(random));
    losses.push_back(loss(known.back()));
  }
  const FittedLosses fitted = fitted_losses(space, known, losses);
  const LayerLosses table(space, fitted.loss);
  EXPECT_LT(fitted.leave_one_out_error, 1e-3);
  for (int i = 0; i < 100; ++i) {
    const Architecture network = space.sample(random);
    EXPECT_NEAR(loss_of(table, network), loss(network), 3e-3);  // the ridge's penalty
  }
}

// The survey's 3.7e12 networks: nothing on the front dominates anything else there, costs are those
// of whole networks to the cycle, and no network drawn at random lies below it.
TEST(LayerLosses, FrontOfTheSurveysSpaceIsWellFormed) {
  const SearchSpace space = SearchSpace::find("survey");
  EXPECT_GT(space.count(), 3.6e12);
  const accel_sim::Target hardware = accel_sim::find_target("gemmini_transformer");
  const accel_sim::Workload workload{128, accel_sim::Mode::kPrefill};
  const latency_predictor::LatencyPredictor predictor(
      hardware, workload, latency_predictor::analytical_table(hardware));
  const auto cycles = [&](const Architecture& network) {
    return static_cast<double>(predictor.predict(network).latency.value());
  };
  const LayerLosses losses = minus_parameters(space);
  const std::vector<AdditiveNetwork> front =
      front_of(space, losses, layer_shares(space.smallest(), cycles));
  ASSERT_GT(front.size(), 100u);
  EXPECT_EQ(front.front().architecture, space.smallest());
  EXPECT_EQ(front.back().architecture, space.largest());
  for (std::size_t i = 0; i < front.size(); ++i) {
    EXPECT_EQ(front[i].cost, cycles(front[i].architecture));
    EXPECT_EQ(front[i].loss, loss_of(losses, front[i].architecture));
    if (i == 0) continue;
    EXPECT_GT(front[i].cost, front[i - 1].cost);
    EXPECT_LT(front[i].loss, front[i - 1].loss);
  }
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const Architecture network = space.sample(random);
    const auto after = std::upper_bound(
        front.begin(), front.end(), cycles(network),
        [](double value, const AdditiveNetwork& member) { return value < member.cost; });
    EXPECT_LE((after - 1)->loss, loss_of(losses, network));
  }
}

}  // namespace
}  // namespace paretoformer::nas
