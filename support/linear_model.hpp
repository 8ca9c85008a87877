// Ridge regression: weighted sums of features, and how far they can be trusted.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace paretoformer {

struct RidgePenalty {
  // What a coefficient's square costs, against the sum of squared errors: that of the constant, the
  // first feature, next to nothing. Both above 0.
  double constant = 0;
  double others = 0;
  // Of an input, 1 less its leverage is above 0 but for rounding; it counts as that at least.
  double least_left = 1e-9;
};

class LinearModel {
 public:
  using Rows = std::span<const std::span<const double>>;

  // `inputs` are as long as one another, and so are `targets`; there is at least one of each, and
  // as many of both. Throws Error for what is not finite.
  LinearModel(Rows inputs, Rows targets, const RidgePenalty& penalty);

  std::span<const double> coefficients(std::size_t target) const;
  double predict(std::span<const double> input, std::size_t target = 0) const;
  // x' (X'X + penalty)^-1 x: how far an input lies from those that were seen.
  double leverage(std::span<const double> input) const;
  // (X'X + penalty)^-1, row by row, exactly symmetric.
  std::vector<double> inverse() const;

  // A fit to all inputs but one: what it is wrong by for that one, by target and input, and that
  // one's leverage.
  std::span<const double> left_out(std::size_t target) const;
  const std::vector<double>& left_out_leverage() const { return left_out_leverage_; }

 private:
  std::size_t features_;
  std::size_t inputs_;
  std::vector<double> coefficients_;  // target by target
  std::vector<double> factor_;        // R, upper, column by column: R'R = X'X + penalty
  std::vector<double> left_out_;      // target by target
  std::vector<double> left_out_leverage_;
};

}  // namespace paretoformer
