#include "supernet/training/pruning.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "supernet/model/evaluation.hpp"
#include "support/random.hpp"
#include "tests/supernet/lively_parameters.hpp"

namespace paretoformer::supernet {
namespace {

using ::testing::ElementsAre;

const Architecture kUnprunedNetwork{12, 4, 11, {{3, 10}, {2, 6}, {2, 5}}};
constexpr int kPrunedLength = 9;

struct Sequences {
  explicit Sequences(int sequences) {
    Random random(5);
    for (int i = 0; i <= sequences * kPrunedLength; ++i)
      tokens.push_back(static_cast<std::int32_t>(random.below(11)));
  }
  Batch batch() const {
    return {tokens.data(), tokens.data() + 1, static_cast<int>(tokens.size()) / kPrunedLength,
            kPrunedLength};
  }
  std::vector<std::int32_t> tokens;
};

// Of all sequences together.
double loss_of(const ParameterLayout& layout, const std::vector<float>& parameters,
               const Sequences& text) {
  CpuLosses<float> losses(layout, parameters, kPrunedLength, Products::fp32);
  const auto sums = losses.sequence_losses({&layout.largest(), 1}, text.batch());
  return std::accumulate(sums[0].begin(), sums[0].end(), 0.0);
}
double loss_of(const PrunedNetwork& network, const Sequences& text) {
  return loss_of(network.layout, network.parameters, text);
}

void scale_columns(std::vector<float>& parameters, std::size_t offset, int columns, int first,
                   int count, float factor) {
  for (int row = 0; row < kUnprunedNetwork.model_width; ++row)
    for (int c = first; c < first + count; ++c)
      parameters[offset + static_cast<std::size_t>(row * columns + c)] *= factor;
}

bool has(const std::vector<int>& indices, int i) {
  return std::find(indices.begin(), indices.end(), i) != indices.end();
}

// The largest network with masks: outputs of what is not kept are zero.
std::vector<float> masked(const ParameterLayout& layout, std::vector<float> parameters,
                          const std::vector<Kept>& kept) {
  for (int l = 0; l < kUnprunedNetwork.depth(); ++l) {
    const LayerOffsets& o = layout.layer(l);
    const Kept& each = kept[static_cast<std::size_t>(l)];
    for (int h = 0; h < o.attention_width / kUnprunedNetwork.head_width; ++h)
      if (!has(each.heads, h))
        scale_columns(parameters, o.output, o.attention_width, h * kUnprunedNetwork.head_width,
                      kUnprunedNetwork.head_width, 0);
    for (int c = 0; c < o.ffn_width; ++c)
      if (!has(each.channels, c)) scale_columns(parameters, o.down, o.ffn_width, c, 1, 0);
  }
  return parameters;
}

// One sequence: the derivative of its mean loss in a factor of what a head or channel puts out.
TEST(Pruning, MaskGradientsAreDerivatives) {
  const ParameterLayout layout(kUnprunedNetwork, kPrunedLength);
  const std::vector<float> parameters = lively_parameters<float>(layout);
  const Sequences text(1);
  TrainingConfig config;
  config.context = kPrunedLength;
  const MaskGradients gradients = mask_gradients(layout, parameters, text.tokens, config, 1);
  const auto expect = [&](double found, std::size_t offset, int columns, int first, int count) {
    const auto with_factor = [&](double factor) {
      std::vector<double> scaled(parameters.begin(), parameters.end());
      for (int row = 0; row < kUnprunedNetwork.model_width; ++row)
        for (int c = first; c < first + count; ++c)
          scaled[offset + static_cast<std::size_t>(row * columns + c)] *= factor;
      CpuLosses<double> losses(layout, scaled, kPrunedLength, Products::fp32);
      return losses.sequence_losses({&kUnprunedNetwork, 1}, text.batch())[0][0] / kPrunedLength;
    };
    constexpr double kStep = 1e-5;
    const double derivative = (with_factor(1 + kStep) - with_factor(1 - kStep)) / (2 * kStep);
    // fp32 gradients of sums over 12 rows.
    EXPECT_NEAR(found, derivative, 1e-4 * std::abs(derivative) + 1e-6);
  };
  for (int l = 0; l < kUnprunedNetwork.depth(); ++l) {
    const LayerOffsets& o = layout.layer(l);
    const std::vector<double>& heads = gradients.heads[static_cast<std::size_t>(l)][0];
    const std::vector<double>& channels = gradients.channels[static_cast<std::size_t>(l)][0];
    ASSERT_EQ(heads.size(), static_cast<std::size_t>(o.attention_width / 4));
    ASSERT_EQ(channels.size(), static_cast<std::size_t>(o.ffn_width));
    for (std::size_t h = 0; h < heads.size(); ++h)
      expect(heads[h], o.output, o.attention_width, static_cast<int>(h) * 4, 4);
    for (std::size_t c = 0; c < channels.size(); ++c)
      expect(channels[c], o.down, o.ffn_width, static_cast<int>(c), 1);
  }
}

TEST(Pruning, MagnitudesAreOfAllWeightsOfAHeadOrChannel) {
  const ParameterLayout layout(kUnprunedNetwork, kPrunedLength);
  std::vector<float> parameters(layout.size());
  const LayerOffsets& o = layout.layer(1);
  const std::size_t head = o.qkv + 3 * 4 * 12;  // q, k and v of the second head
  parameters[head] = 3;                         // the first
  parameters[head + 3 * 4 * 12 - 1] = 4;        // and the last of these
  parameters[o.output + 2 * 8 + 4] = 12;        // row 2, its first column
  parameters[o.up + 5 * 12] = 1;                // of the last channel
  parameters[o.down + 11 * 6 + 5] = 2;          // last row
  const Importance importance = magnitude_importance(layout, parameters);
  EXPECT_THAT(importance.heads[1], ElementsAre(0, 169));
  EXPECT_THAT(importance.channels[1], ElementsAre(0, 0, 0, 0, 0, 5));
  EXPECT_THAT(importance.heads[0], ElementsAre(0, 0, 0));
}

TEST(Pruning, KeepsTheMostImportantOfEveryLayer) {
  const Importance importance{{{1, 3, 2}, {1, 2}}, {{5, 4, 3, 9}, {1, 2, 3}}};
  const Layer sizes[] = {{2, 3}, {0, 2}};
  const std::vector<Kept> kept = most_important(importance, sizes);
  EXPECT_THAT(kept, ElementsAre(Kept{{1, 2}, {0, 1, 3}}, Kept{}));
}

TEST(Pruning, ComputesWhatTheMaskedNetworkDoes) {
  const ParameterLayout layout(kUnprunedNetwork, kPrunedLength);
  const std::vector<float> parameters = lively_parameters<float>(layout);
  const Sequences text(3);
  for (const std::vector<Kept>& kept :
       {std::vector<Kept>{{{0, 2}, {1, 4, 9}}, {{1}, {0, 5}}, {{0}, {2, 3}}},
        {{}, {{0, 1}, {0, 1, 2, 3, 4, 5}}, {{1}, {0}}},
        {{{1}, {3, 7}}, {}, {{0, 1}, {1, 2}}},
        {{{2}, {8}}, {}, {}}}) {
    const PrunedNetwork network = pruned(layout, parameters, kept);
    EXPECT_NEAR(loss_of(network, text), loss_of(layout, masked(layout, parameters, kept), text),
                1e-3);  // of about 100, in fp32
    EXPECT_GT(std::abs(loss_of(network, text) - loss_of(layout, parameters, text)), 0.01);
  }
}

// Leaving out two of three: by the diagonal the first two, whose gradients add up; with the third,
// the first takes away nearly nothing.
TEST(Pruning, RearrangingFindsGradientsThatCancel) {
  const MaskGradients gradients{{{{1, 1, -1.1}, {2, 2, -2.1}}},
                                {{{0.1, 1, 5, 3}, {0.1, -1, 5, 3}}}};
  const Layer sizes[] = {{1, 3}};
  EXPECT_THAT(most_important(fisher_importance(gradients), sizes),
              ElementsAre(Kept{{2}, {1, 2, 3}}));
  const std::vector<Kept> kept = rearranged(gradients, sizes);
  ASSERT_EQ(kept[0].heads.size(), 1u);
  EXPECT_NE(kept[0].heads[0], 2);
  EXPECT_THAT(kept[0].channels, ElementsAre(1, 2, 3));  // one alone: the diagonal is exact
}

TEST(Pruning, RearrangingNeverLosesMoreThanTheDiagonal) {
  Random random(3);
  MaskGradients gradients{{{}}, {{}}};
  for (int s = 0; s < 20; ++s) {
    std::vector<double> row(12);
    for (double& each : row) each = random.normal();
    gradients.heads[0].push_back({1, 2});
    gradients.channels[0].push_back(row);
  }
  const auto lost = [&](const Kept& kept) {
    double sum = 0;
    for (const std::vector<double>& row : gradients.channels[0]) {
      double out = 0;
      for (int c = 0; c < 12; ++c)
        out += has(kept.channels, c) ? 0 : row[static_cast<std::size_t>(c)];
      sum += out * out;
    }
    return sum;
  };
  const Importance importance = fisher_importance(gradients);
  int better = 0;
  for (int count = 1; count < 12; ++count) {
    const Layer sizes[] = {{2, count}};
    const double before = lost(most_important(importance, sizes)[0]);
    const Kept after = rearranged(gradients, sizes)[0];
    ASSERT_EQ(after.channels.size(), static_cast<std::size_t>(count));
    EXPECT_LE(lost(after), before + 1e-9);
    better += lost(after) < before - 1e-9;
  }
  EXPECT_GT(better, 5);
}

// Copies of a head and of a channel are left out: twice the others are the whole network.
TEST(Pruning, TuningMakesUpForCopies) {
  const ParameterLayout layout(kUnprunedNetwork, kPrunedLength);
  std::vector<float> parameters = lively_parameters<float>(layout);
  const LayerOffsets& o = layout.layer(1);
  std::copy_n(parameters.begin() + static_cast<std::ptrdiff_t>(o.qkv), 3 * 4 * 12,
              parameters.begin() + static_cast<std::ptrdiff_t>(o.qkv) + 3 * 4 * 12);
  std::copy_n(parameters.begin() + static_cast<std::ptrdiff_t>(o.qkv_bias), 12,
              parameters.begin() + static_cast<std::ptrdiff_t>(o.qkv_bias) + 12);
  std::copy_n(parameters.begin() + static_cast<std::ptrdiff_t>(o.up), 12,
              parameters.begin() + static_cast<std::ptrdiff_t>(o.up) + 3 * 12);
  parameters[o.up_bias + 3] = parameters[o.up_bias];
  for (std::size_t row = 0; row < 12; ++row) {
    for (std::size_t c = 0; c < 4; ++c)
      parameters[o.output + row * 8 + 4 + c] = parameters[o.output + row * 8 + c];
    parameters[o.down + row * 6 + 3] = parameters[o.down + row * 6];
  }
  const std::vector<Kept> kept{{{0, 1, 2}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9}},
                               {{0}, {0, 1, 2, 4, 5}},
                               {{0, 1}, {0, 1, 2, 3, 4}}};
  const Sequences text(40);
  PrunedNetwork network = pruned(layout, parameters, kept);
  const double whole = loss_of(layout, parameters, text);
  const double before = loss_of(network, text);
  tune_masks(layout, parameters, kept, text.batch(), network);
  const double after = loss_of(network, text);
  EXPECT_GT(std::abs(before - whole), 1);
  EXPECT_NEAR(after, whole, 0.02 * std::abs(before - whole));
  const LayerOffsets& t = network.layout.layer(1);
  EXPECT_NEAR(network.parameters[t.output + 2] / parameters[o.output + 2], 2, 0.01);
  EXPECT_NEAR(network.parameters[t.down] / parameters[o.down], 2, 0.01);
  EXPECT_NEAR(network.parameters[t.down + 1] / parameters[o.down + 1], 1, 0.01);
}

// Of a layer that is left out, too: the next one's factors follow the whole network's stream.
TEST(Pruning, TuningBringsTheStreamNearer) {
  const ParameterLayout layout(kUnprunedNetwork, kPrunedLength);
  const std::vector<float> parameters = lively_parameters<float>(layout);
  const std::vector<Kept> kept{{{0, 1}, {0, 1, 2, 3, 4, 5}}, {}, {{0, 1}, {0, 1, 2, 4}}};
  const Sequences text(60);
  // What tells how far the streams are apart: the logits of the same head.
  const auto distance = [&](const PrunedNetwork& network) {
    Activations<float> one(layout, 1, kPrunedLength, Activations<float>::Keep::nothing);
    Activations<float> two(network.layout, 1, kPrunedLength, Activations<float>::Keep::nothing);
    double sum = 0;
    for (int s = 0; s < 60; ++s) {
      const Batch batch{text.tokens.data() + s * kPrunedLength, nullptr, 1, kPrunedLength};
      const Pass<float> a{layout, parameters.data(), kUnprunedNetwork, batch, one};
      const Pass<float> b{network.layout, network.parameters.data(), network.layout.largest(),
                          batch, two};
      forward(a, 0);
      forward(b, 0);
      for (int i = 0; i < kPrunedLength * 12; ++i)
        sum += std::pow(static_cast<double>(one.output[i]) - static_cast<double>(two.output[i]), 2);
    }
    return sum;
  };
  PrunedNetwork network = pruned(layout, parameters, kept);
  const double before = distance(network);
  tune_masks(layout, parameters, kept, text.batch(), network);
  EXPECT_LT(distance(network), 0.95 * before);
}

}  // namespace
}  // namespace paretoformer::supernet
