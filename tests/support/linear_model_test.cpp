#include "support/linear_model.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer {
namespace {

using Numbers = std::vector<std::vector<double>>;

LinearModel fit(const Numbers& inputs, const Numbers& targets, const RidgePenalty& penalty) {
  return {std::vector<std::span<const double>>(inputs.begin(), inputs.end()),
          std::vector<std::span<const double>>(targets.begin(), targets.end()), penalty};
}

struct Sample {
  Numbers inputs, targets;  // two targets each
};

Sample sample(int count) {
  Random random(5);
  Sample result;
  for (int i = 0; i < count; ++i) {
    const double a = random.normal(), b = random.normal();
    result.inputs.push_back({1, a, b, a * b});
    result.targets.push_back({2 - a + 0.1 * random.normal(), b + a * b + 0.1 * random.normal()});
  }
  return result;
}

// (X'X + penalty) with X = {{1, -1}, {1, 1}} is diagonal: 2 + 0.5 and 2 + 3.
TEST(LinearModel, ByHand) {
  const LinearModel model = fit({{1, -1}, {1, 1}}, {{1}, {3}}, {0.5, 3});
  EXPECT_NEAR(model.coefficients(0)[0], 4 / 2.5, 1e-12);
  EXPECT_NEAR(model.coefficients(0)[1], 2 / 5.0, 1e-12);
  EXPECT_NEAR(model.predict(std::vector<double>{1, 2}), 1.6 + 0.8, 1e-12);
  EXPECT_NEAR(model.leverage(std::vector<double>{1, 2}), 1 / 2.5 + 4 / 5.0, 1e-12);
  const std::vector<double> inverse = model.inverse();
  EXPECT_NEAR(inverse[0], 1 / 2.5, 1e-12);
  EXPECT_NEAR(inverse[3], 1 / 5.0, 1e-12);
  EXPECT_NEAR(inverse[1], 0, 1e-12);
  // h is 0.6 for both.
  EXPECT_NEAR(model.left_out(0)[1], (3 - 2.0) / 0.4, 1e-12);
  EXPECT_NEAR(model.left_out_leverage()[1], 0.6 / 0.4, 1e-12);
}

TEST(LinearModel, LeftOutIsTheFitToTheOthers) {
  const auto [inputs, targets] = sample(20);
  const RidgePenalty penalty{1e-3, 0.3};
  const LinearModel all = fit(inputs, targets, penalty);
  for (std::size_t left = 0; left < inputs.size(); ++left) {
    Numbers others = inputs, their_targets = targets;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(left));
    their_targets.erase(their_targets.begin() + static_cast<std::ptrdiff_t>(left));
    const LinearModel rest = fit(others, their_targets, penalty);
    for (std::size_t t = 0; t < 2; ++t)
      EXPECT_NEAR(all.left_out(t)[left], targets[left][t] - rest.predict(inputs[left], t), 1e-9);
    EXPECT_NEAR(all.left_out_leverage()[left], rest.leverage(inputs[left]), 1e-9);
  }
}

TEST(LinearModel, TheInverseIsSymmetricAndGivesLeverages) {
  const auto [inputs, targets] = sample(20);
  const LinearModel model = fit(inputs, targets, {1e-3, 0.3});
  const std::vector<double> inverse = model.inverse();
  for (const std::vector<double>& x : inputs) {
    double sum = 0;
    for (std::size_t i = 0; i < 4; ++i)
      for (std::size_t j = 0; j < 4; ++j) {
        EXPECT_EQ(inverse[4 * i + j], inverse[4 * j + i]);
        sum += x[i] * inverse[4 * i + j] * x[j];
      }
    EXPECT_NEAR(model.leverage(x), sum, 1e-12);
  }
}

TEST(LinearModel, OfFiniteNumbersOnly) {
  for (const double wrong : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    EXPECT_THROW(fit({{1, 2}, {1, wrong}}, {{1}, {2}}, {1, 1}), Error);
    EXPECT_THROW(fit({{1, 2}, {1, 3}}, {{1}, {wrong}}, {1, 1}), Error);
  }
}

}  // namespace
}  // namespace paretoformer
