#include "latency_predictor/learned/learned_ridge.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/random.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr double kPenalty = 0.7;

FeatureVector random_input(Random& random) {
  FeatureVector x;
  for (double& value : x) value = random.normal();
  x[0] = 1;  // the constant
  return x;
}

struct Data {
  std::vector<FeatureVector> inputs;
  std::vector<TargetVector> targets;
};

// Two targets that are linear in the inputs but for some noise.
Data example(int count) {
  Random random(1);
  const FeatureVector first = random_input(random), second = random_input(random);
  Data data;
  for (int n = 0; n < count; ++n) {
    const FeatureVector x = random_input(random);
    data.inputs.push_back(x);
    data.targets.push_back(
        {dot(first, x) + 0.1 * random.normal(), dot(second, x) + 0.1 * random.normal()});
  }
  return data;
}

TEST(LearnedRidge, TheInverseGrowsByOneInputAtATime) {
  const Data data = example(40);
  FeatureMatrix inverse = prior_inverse(kPenalty);
  for (const FeatureVector& x : data.inputs) add_to_inverse(inverse, x);
  const RidgeFit fit = fit_ridge(data.inputs, data.targets, kPenalty);
  for (std::size_t i = 0; i < kLearnedFeatures; ++i)
    for (std::size_t j = 0; j < kLearnedFeatures; ++j)
      EXPECT_NEAR(inverse[i][j], fit.inverse[i][j], 1e-9) << i << ", " << j;
}

// Where the penalised squared error is least, its gradient is zero.
TEST(LearnedRidge, CoefficientsAreWhereTheErrorIsLeast) {
  const Data data = example(40);
  const RidgeFit fit = fit_ridge(data.inputs, data.targets, kPenalty);
  for (std::size_t t = 0; t < kLearnedTargets; ++t) {
    FeatureVector gradient{};
    for (std::size_t i = 1; i < kLearnedFeatures; ++i)
      gradient[i] = kPenalty * fit.coefficients[t][i];
    for (std::size_t n = 0; n < data.inputs.size(); ++n) {
      const double error = dot(fit.coefficients[t], data.inputs[n]) - data.targets[n][t];
      for (std::size_t i = 0; i < kLearnedFeatures; ++i) gradient[i] += error * data.inputs[n][i];
    }
    // The constant is penalised as well, by a thousandth.
    EXPECT_NEAR(gradient[0], -1e-3 * fit.coefficients[t][0], 1e-9);
    for (std::size_t i = 1; i < kLearnedFeatures; ++i) EXPECT_NEAR(gradient[i], 0, 1e-9);
  }
}

// The closed formulas against fits to all inputs but one.
TEST(LearnedRidge, WhatIsLeftOutIsWhatAFitToTheOthersSays) {
  const Data data = example(35);
  const RidgeFit fit = fit_ridge(data.inputs, data.targets, kPenalty);
  for (const std::size_t n : {0, 17, 34}) {
    Data others = data;
    others.inputs.erase(others.inputs.begin() + static_cast<std::ptrdiff_t>(n));
    others.targets.erase(others.targets.begin() + static_cast<std::ptrdiff_t>(n));
    const RidgeFit without = fit_ridge(others.inputs, others.targets, kPenalty);
    const FeatureVector& x = data.inputs[n];
    for (std::size_t t = 0; t < kLearnedTargets; ++t)
      EXPECT_NEAR(std::abs(fit.left_out[n][t]),
                  std::abs(data.targets[n][t] - dot(without.coefficients[t], x)), 1e-8);
    EXPECT_NEAR(fit.leverage[n], dot(x, times(without.inverse, x)), 1e-8);
  }
}

}  // namespace
}  // namespace paretoformer::latency_predictor
