// Weights of four bits: the grid, the choice of multipliers, and what compensation is for.
#include "supernet/quantization/int4_weights.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "supernet/quantization/int8_evaluation.hpp"
#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

Linear random_linear(int outputs, int inputs, std::uint64_t seed) {
  Random random(seed);
  Linear linear{outputs, inputs, {}, std::vector<float>(static_cast<std::size_t>(outputs))};
  for (std::size_t i = 0; i < area(outputs, inputs); ++i)
    linear.weight.push_back(static_cast<float>(random.normal()));
  return linear;
}

float unpacked(const Int4Weights& weights, std::size_t i) {
  return static_cast<float>(weights.weight[i]) * weights.scale;
}

// Sum over outputs of what rounding changes in them, squared, for inputs of those moments:
// (w - w') H (w - w')^T.
double output_error(const Linear& linear, const Int4Weights& weights,
                    const std::vector<double>& moments) {
  double sum = 0;
  const auto inputs = static_cast<std::size_t>(linear.inputs);
  for (int o = 0; o < linear.outputs; ++o) {
    const std::size_t row = area(o, linear.inputs);
    for (std::size_t i = 0; i < inputs; ++i)
      for (std::size_t j = 0; j < inputs; ++j)
        sum += (linear.weight[row + i] - unpacked(weights, row + i)) * moments[i * inputs + j] *
               (linear.weight[row + j] - unpacked(weights, row + j));
  }
  return sum;
}

// Inputs of which each is much like the one before.
SecondMoments correlated_inputs(int inputs, int rows) {
  Random random(8);
  std::vector<float> x(area(rows, inputs));
  for (std::size_t i = 0; i < x.size(); ++i)
    x[i] = static_cast<float>(random.normal()) +
           (i % static_cast<std::size_t>(inputs) > 0 ? 0.9F * x[i - 1] : 0);
  SecondMoments moments;
  moments.add(x, inputs);
  return moments;
}

TEST(Int4Weights, AreProductsOfFourBitsAndTheirGroupsMultiplier) {
  for (const int group : {4, 16, 100}) {
    const Linear linear = random_linear(7, 45, 1);
    const Int4Weights weights = to_int4(linear, correlated_inputs(45, 200), group);
    const int groups = (45 + group - 1) / group;
    ASSERT_EQ(weights.multipliers.size(), area(7, groups));
    for (int o = 0; o < 7; ++o)
      for (int i = 0; i < 45; ++i) {
        const int m = weights.multipliers[area(o, groups) + static_cast<std::size_t>(i / group)];
        const int w = weights.weight[area(o, 45) + static_cast<std::size_t>(i)];
        EXPECT_GE(m, 1);
        EXPECT_LE(m, 16);
        EXPECT_EQ(w % m, 0);
        EXPECT_LE(std::abs(w / m), 7);
      }
  }
}

// What lies on the grid stays as it is, with and without inputs.
TEST(Int4Weights, OfTheGridAreExact) {
  Random random(2);
  Linear linear{5, 40, std::vector<float>(200), std::vector<float>(5)};
  for (int o = 0; o < 5; ++o)
    for (int i = 0; i < 40; i += 8) {
      const int m = i == 0 ? 16 : 1 + static_cast<int>(random.below(16));
      for (int j = i; j < i + 8; ++j)
        linear.weight[area(o, 40) + static_cast<std::size_t>(j)] =
            static_cast<float>(0.25 * m * (j == i ? 7 : static_cast<int>(random.below(15)) - 7));
    }
  for (const SecondMoments& inputs : {SecondMoments(), correlated_inputs(40, 100)}) {
    const Int4Weights weights = to_int4(linear, inputs, 8);
    EXPECT_EQ(weights.scale, 0.25F);
    for (std::size_t i = 0; i < linear.weight.size(); ++i)
      EXPECT_EQ(unpacked(weights, i), linear.weight[i]) << i;
  }
}

// The multiplier of a group is the best of all, and each weight the nearest: by trying them.
TEST(Int4Weights, WithoutInputsAreTheNearestThereAre) {
  const Linear linear = random_linear(3, 32, 4);
  const Int4Weights weights = to_int4(linear, {}, 16);
  for (std::size_t group = 0; group < 6; ++group) {
    double least = std::numeric_limits<double>::infinity();
    for (int m = 1; m <= 16; ++m) {
      double error = 0;
      for (std::size_t i = 16 * group; i < 16 * (group + 1); ++i) {
        double nearest = std::numeric_limits<double>::infinity();
        for (int number = -7; number <= 7; ++number)
          nearest = std::min<double>(
              nearest, std::abs(linear.weight[i] - static_cast<float>(number * m) * weights.scale));
        error += nearest * nearest;
      }
      least = std::min(least, error);
    }
    double error = 0;
    for (std::size_t i = 16 * group; i < 16 * (group + 1); ++i)
      error += std::pow(linear.weight[i] - unpacked(weights, i), 2);
    EXPECT_NEAR(error, least, 1e-5 * least);
  }
}

// Worked out by hand: two inputs that are always alike. Scale 7 / 112 and a multiplier of 16 make
// steps of 1: 7 stays, and the third group's 0.4 becomes 0, for which its twin's 1.3 has to grow to
// 1.7, nearly (there is damping), and becomes 2.
TEST(Int4Weights, MakeGoodForWhatInputsBeforeThemLost) {
  Linear linear{1, 3, {7, 0.4F, 1.3F}, {0}};
  const std::vector<float> x{1, 0, 0, 0, 1, 1, 0, -2, -2, 3, 0, 0};
  SecondMoments inputs;
  inputs.add(x, 3);
  EXPECT_EQ(inputs.sums(), (std::vector<double>{10, 0, 0, 0, 5, 5, 0, 5, 5}));
  EXPECT_EQ(to_int4(linear, {}, 3).weight, (std::vector<std::int8_t>{112, 0, 16}));
  EXPECT_EQ(to_int4(linear, inputs, 3).weight, (std::vector<std::int8_t>{112, 0, 32}));
}

TEST(Int4Weights, LoseLessInOutputsOfCorrelatedInputs) {
  const SecondMoments inputs = correlated_inputs(64, 500);
  const Linear linear = random_linear(20, 64, 6);
  const double plain = output_error(linear, to_int4(linear, {}), inputs.sums());
  const double compensated = output_error(linear, to_int4(linear, inputs), inputs.sums());
  EXPECT_LT(compensated, 0.8 * plain);
}

TEST(Int4Weights, OfZerosAndOfZeroInputsAreFine) {
  const Linear zeros{2, 20, std::vector<float>(40), {0, 0}};
  EXPECT_EQ(to_int4(zeros, {}).weight, std::vector<std::int8_t>(40));
  SecondMoments nothing;
  nothing.add(std::vector<float>(100), 20);
  const Linear linear = random_linear(2, 20, 9);
  EXPECT_EQ(to_int4(linear, nothing).weight, to_int4(linear, {}).weight);
}

TEST(Int4Weights, ThatAreNotFiniteAreRefused) {
  Linear linear = random_linear(2, 20, 9);
  linear.weight[21] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_THROW(to_int4(linear, {}), InputError);
}

// A network of which one layer has four bits.
struct Networks {
  Networks() {
    Random random(11);
    const ParameterLayout layout(network, 24);
    std::vector<float> parameters(layout.size());
    for (float& parameter : parameters) parameter = static_cast<float>(0.25 * random.normal());
    for (int i = 0; i <= 9 * 24; ++i) tokens.push_back(static_cast<std::int32_t>(random.below(31)));
    batch = {tokens.data(), tokens.data() + 1, 9, 24};
    eight = fold(layout, parameters.data(), network);
    network.layers[1].weight_bits = 4;
    mixed = fold(layout, parameters.data(), network);
  }

  Architecture network{24, 8, 31, {{3, 40}, {2, 56}}};
  std::vector<std::int32_t> tokens;
  Batch batch;
  FoldedNetwork eight, mixed;
};

TEST(Int4Weights, AreThoseOfTheirLayersAlone) {
  const Networks networks;
  const QuantizedNetwork eight = calibrated(networks.eight, networks.batch);
  const QuantizedNetwork mixed = calibrated(networks.mixed, networks.batch);
  EXPECT_EQ(mixed.layers[0].up.weight, eight.layers[0].up.weight);
  EXPECT_TRUE(mixed.layers[0].up.multipliers.empty());
  EXPECT_EQ(mixed.head.weight, eight.head.weight);
  const IntegerLayer& layer = mixed.layers[1];
  for (const IntegerLinear* const linear :
       {&layer.query, &layer.key, &layer.value, &layer.output, &layer.up, &layer.down}) {
    const int groups = (linear->inputs + kInt4Group - 1) / kInt4Group;
    ASSERT_EQ(linear->multipliers.size(), area(linear->outputs, groups));
  }
  EXPECT_EQ(layer.down.weight, to_int4(networks.mixed.layers[1].down,
                                       moments_of(networks.mixed, networks.batch)[1].gelu)
                                   .weight);
  const double loss = integer_loss(mixed, networks.batch);
  EXPECT_NE(loss, integer_loss(eight, networks.batch));
  EXPECT_NEAR(loss, integer_loss(eight, networks.batch), 0.1);
}

TEST(Int4Weights, InputsAreGatheredWhereTheyAreWanted) {
  const Networks networks;
  const std::vector<LayerMoments> moments = moments_of(networks.mixed, networks.batch);
  EXPECT_TRUE(moments[0].norm1.empty());
  // A normalised row has squares that add up to its length.
  double trace = 0;
  for (std::size_t i = 0; i < 24; ++i) trace += moments[1].norm2.sums()[i * 25];
  EXPECT_NEAR(trace, 9 * 24 * 24, 1e-2 * 9 * 24 * 24);
  EXPECT_EQ(moments[1].gelu.sums().size(), area(56, 56));
  EXPECT_EQ(moments[1].context.sums().size(), area(16, 16));
}

}  // namespace
}  // namespace paretoformer::supernet
