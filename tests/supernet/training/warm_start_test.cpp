#include "supernet/training/warm_start.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "search_spaces/search_space.hpp"
#include "supernet/model/evaluation.hpp"
#include "support/json.hpp"
#include "support/random.hpp"
#include "tests/supernet/lively_parameters.hpp"

namespace paretoformer::supernet {
namespace {

const Architecture kRankedNetwork{12, 4, 11, {{3, 10}, {2, 6}}};
constexpr int kRankedLength = 9;

std::vector<std::int32_t> random_text(int size) {
  Random random(5);
  std::vector<std::int32_t> text(static_cast<std::size_t>(size));
  for (std::int32_t& token : text) token = static_cast<std::int32_t>(random.below(11));
  return text;
}

// Mean loss of the network on its first sequence, in double.
double loss_of(const ParameterLayout& layout, const std::vector<double>& parameters,
               const std::vector<std::int32_t>& text,
               const Architecture& network = kRankedNetwork) {
  CpuLosses<double> losses(layout, parameters, kRankedLength, Products::fp32);
  return losses.sequence_losses({&network, 1},
                                {text.data(), text.data() + 1, 1, kRankedLength})[0][0] /
         kRankedLength;
}

// A text of one sequence: importance is the square of one derivative.
TEST(WarmStart, ImportanceIsTheSquaredDerivativeInAFactor) {
  const ParameterLayout layout(kRankedNetwork, kRankedLength);
  const std::vector<float> parameters = lively_parameters<float>(layout);
  const std::vector<std::int32_t> text = random_text(kRankedLength + 1);
  TrainingConfig config;
  config.context = kRankedLength;
  const Importance importance = fisher_importance(layout, parameters, text, config, 1);
  const auto expect = [&](double found, std::size_t offset, int columns, int first, int count) {
    const auto with_factor = [&](double factor) {
      std::vector<double> scaled(parameters.begin(), parameters.end());
      for (int row = 0; row < kRankedNetwork.model_width; ++row)
        for (int c = first; c < first + count; ++c)
          scaled[offset + static_cast<std::size_t>(row * columns + c)] *= factor;
      return loss_of(layout, scaled, text);
    };
    constexpr double kStep = 1e-5;
    const double derivative = (with_factor(1 + kStep) - with_factor(1 - kStep)) / (2 * kStep);
    // fp32 gradients of sums over 12 rows.
    EXPECT_NEAR(found, derivative * derivative, 1e-4 * derivative * derivative + 1e-9);
  };
  for (int l = 0; l < kRankedNetwork.depth(); ++l) {
    const LayerOffsets& o = layout.layer(l);
    const auto layer = static_cast<std::size_t>(l);
    ASSERT_EQ(importance.heads[layer].size(),
              static_cast<std::size_t>(kRankedNetwork.layers[layer].heads));
    for (std::size_t h = 0; h < importance.heads[layer].size(); ++h)
      expect(importance.heads[layer][h], o.output, o.attention_width, static_cast<int>(h) * 4, 4);
    for (std::size_t c = 0; c < importance.channels[layer].size(); ++c)
      expect(importance.channels[layer][c], o.down, o.ffn_width, static_cast<int>(c), 1);
  }
}

TEST(WarmStart, SortingChangesNothingButTheOrder) {
  const ParameterLayout layout(kRankedNetwork, kRankedLength);
  const std::vector<float> parameters = lively_parameters<float>(layout);
  const std::vector<std::int32_t> text = random_text(200);
  TrainingConfig config;
  config.context = kRankedLength;
  const Importance importance = fisher_importance(layout, parameters, text, config, 1);
  std::vector<float> sorted = parameters;
  sort_by_importance(layout, importance, sorted);
  EXPECT_NE(sorted, parameters);
  const std::vector<double> before(parameters.begin(), parameters.end());
  const std::vector<double> after(sorted.begin(), sorted.end());
  EXPECT_NEAR(loss_of(layout, after, text), loss_of(layout, before, text), 1e-12);
  // Sequences are the same, so importance goes with what it is of.
  const Importance again = fisher_importance(layout, sorted, text, config, 1);
  for (std::size_t l = 0; l < importance.heads.size(); ++l)
    for (const auto& [found, expected] : {std::pair(again.heads[l], importance.heads[l]),
                                          std::pair(again.channels[l], importance.channels[l])}) {
      std::vector<double> descending = expected;
      std::sort(descending.rbegin(), descending.rend());
      for (std::size_t i = 0; i < found.size(); ++i)
        EXPECT_NEAR(found[i], descending[i], 1e-3 * descending[0]) << l << " " << i;
    }
}

SearchSpace small_space() {
  const Json json = parse_json(R"({"head_width": 4, "vocabulary": 11, "depth": [1, 2],
      "model_width": [8, 12], "heads": [1, 2, 3], "ffn_width": [6, 10]})",
                               "space.json");
  return SearchSpace::from_json(JsonNode(json, "space.json"));
}

// A supernet is sorted in its own layout, by its largest network.
TEST(WarmStart, ASupernetIsSortedAsItsLargestNetworkIs) {
  const SearchSpace space = small_space();
  const ParameterLayout supernet(space, kRankedLength);
  const ParameterLayout own(space.largest(), kRankedLength);
  std::vector<float> shared = lively_parameters<float>(supernet);
  std::vector<float> alone = extract(supernet, shared, own);
  const std::vector<std::int32_t> text = random_text(200);
  TrainingConfig config;
  config.context = kRankedLength;
  const Importance importance = fisher_importance(supernet, shared, text, config, 1);
  EXPECT_EQ(importance.heads, fisher_importance(own, alone, text, config, 1).heads);
  EXPECT_EQ(importance.channels, fisher_importance(own, alone, text, config, 1).channels);
  const auto loss = [&](const Architecture& network) {
    return loss_of(supernet, {shared.begin(), shared.end()}, text, network);
  };
  Architecture slice = space.largest();
  slice.layers[0] = {1, 6};
  const double of_slice = loss(slice);
  const double of_largest = loss(space.largest());
  sort_by_importance(supernet, importance, shared);
  sort_by_importance(own, importance, alone);
  EXPECT_EQ(extract(supernet, shared, own), alone);
  EXPECT_NEAR(loss(space.largest()), of_largest, 1e-12);
  EXPECT_GT(std::abs(loss(slice) - of_slice), 1e-6);
}

TEST(WarmStart, ASupernetHoldsTheNetworkThatItStartsFrom) {
  const SearchSpace space = small_space();
  const ParameterLayout supernet(space, kRankedLength);
  const ParameterLayout own(space.largest(), kRankedLength);
  const std::vector<float> parameters = lively_parameters<float>(own);
  const std::vector<float> shared = supernet_of(own, parameters, supernet);
  EXPECT_EQ(extract(supernet, shared, own), parameters);
  // A narrower network has the first values of the largest's LayerNorms.
  Architecture narrow = space.largest();
  narrow.model_width = 8;
  EXPECT_EQ(shared[supernet.layer(1).norm1_gain + supernet.norm_row(narrow) + 7],
            parameters[own.layer(1).norm1_gain + 7]);
  narrow.layers.pop_back();
  EXPECT_EQ(shared[supernet.final_gain + supernet.final_norm_row(narrow) + 7],
            parameters[own.final_gain + 7]);
}

}  // namespace
}  // namespace paretoformer::supernet
