#include "nas/core/ridge.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

// Targets 1, 3 at features (1, -1), (1, 1): without a penalty 2 + 1 x. With X'X = 2 I, a penalty of
// 0.01 on the second coefficient makes it 2 / 2.01.
TEST(Ridge, ByHand) {
  const RidgeRegression fit({{1, -1}, {1, 1}}, {1, 3});
  EXPECT_NEAR(fit.predict({1, 0}), 2, 1e-8);
  EXPECT_NEAR(fit.predict({1, 1}), 2 + 2 / 2.01, 1e-8);
  // Without the second point the best guess for it is near the first one's target, 1, for the slope
  // is unknown; likewise the other way round: errors of about 2.
  EXPECT_NEAR(fit.leave_one_out_error(), 2, 0.05);
  // x' (X'X)^-1 x is 1/2 at (1, 0) and 1/2 + 1/2.01 at (1, 1).
  EXPECT_NEAR(fit.standard_deviation({1, 0}), fit.leave_one_out_error() * std::sqrt(0.5), 1e-6);
  EXPECT_NEAR(fit.standard_deviation({1, 1}), fit.leave_one_out_error() * std::sqrt(0.5 + 1 / 2.01),
              1e-6);
}

std::vector<double> features(Random& random) {
  const double a = random.normal(), b = random.normal();
  return {1, a, b, a * a, a * b};
}

TEST(Ridge, LeaveOneOutIsThatOfTheFitsWithoutEach) {
  Random random(3);
  std::vector<std::vector<double>> inputs;
  std::vector<double> targets;
  for (int i = 0; i < 25; ++i) {
    inputs.push_back(features(random));
    targets.push_back(2 - inputs.back()[1] + 0.3 * inputs.back()[4] + 0.1 * random.normal());
  }
  double squares = 0;
  for (std::size_t left = 0; left < inputs.size(); ++left) {
    auto others = inputs;
    auto their_targets = targets;
    others.erase(others.begin() + static_cast<std::ptrdiff_t>(left));
    their_targets.erase(their_targets.begin() + static_cast<std::ptrdiff_t>(left));
    const double error =
        targets[left] - RidgeRegression(others, their_targets).predict(inputs[left]);
    squares += error * error;
  }
  EXPECT_NEAR(RidgeRegression(inputs, targets).leave_one_out_error(), std::sqrt(squares / 25),
              1e-6);
}

TEST(Ridge, FindsWhatIsLinearAndIsLessSureFarAway) {
  Random random(4);
  std::vector<std::vector<double>> inputs;
  std::vector<double> targets;
  for (int i = 0; i < 400; ++i) {
    inputs.push_back(features(random));
    targets.push_back(5 + 0.7 * inputs.back()[2] - 0.2 * inputs.back()[3]);
  }
  const RidgeRegression fit(inputs, targets);
  EXPECT_NEAR(fit.predict({1, 2, 1, 4, 2}), 5 + 0.7 - 0.8, 1e-3);
  EXPECT_LT(fit.standard_deviation({1, 0, 0, 0, 0}), fit.standard_deviation({1, 5, 5, 25, 25}));
}

// Fewer targets than features still have a solution.
TEST(Ridge, FeaturesThatFollowOneAnotherAndAreLarge) {
  std::vector<std::vector<double>> inputs;
  std::vector<double> targets;
  for (int n = 1; n <= 200; ++n) {
    const double x = 1e7 * n;
    inputs.push_back({1, x, 2 * x, 3 * x, x, 0, 1});
    targets.push_back(n);
  }
  const RidgeRegression regression(inputs, targets);
  EXPECT_TRUE(std::isfinite(regression.predict(inputs[0])));
  EXPECT_TRUE(std::isfinite(regression.standard_deviation(inputs[0])));
  EXPECT_TRUE(std::isfinite(regression.leave_one_out_error()));
}

TEST(Ridge, OfFiniteNumbersOnly) {
  for (const double wrong : {std::nan(""), HUGE_VAL, -HUGE_VAL}) {
    EXPECT_THROW(RidgeRegression({{1, 2}, {1, wrong}}, {1, 2}), Error);
    EXPECT_THROW(RidgeRegression({{1, 2}, {1, 3}}, {1, wrong}), Error);
  }
}

TEST(Ridge, OneTarget) {
  const RidgeRegression fit({{1, 2, 3}}, {7});
  EXPECT_NEAR(fit.predict({1, 2, 3}), 7, 1e-6);
}

}  // namespace
}  // namespace paretoformer::nas
