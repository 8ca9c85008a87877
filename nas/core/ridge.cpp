#include "nas/core/ridge.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <span>

#include "support/error.hpp"

namespace paretoformer::nas {
namespace {

// Weak, for features of about 1 and targets that vary by less: enough for a solution where there
// are fewer targets than features, and next to nothing beyond. The constant may be anything.
constexpr double kPenalty = 0.01;
constexpr double kConstantPenalty = 1e-9;

// No pivot of a sum of squares and penalties is below the least penalty, but for rounding: where
// features are large, or follow one another.
double pivot(double sum) { return std::sqrt(std::max(kConstantPenalty, sum)); }

// In place: a symmetric positive matrix, row by row, to its lower triangular factor.
void factorise(std::vector<double>& matrix, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = matrix[i * size + j];
      for (std::size_t k = 0; k < j; ++k) sum -= matrix[i * size + k] * matrix[j * size + k];
      matrix[i * size + j] = i == j ? pivot(sum) : sum / matrix[j * size + j];
    }
}

// L y = x, in place.
void solve_lower(const std::vector<double>& factor, std::span<double> x) {
  for (std::size_t i = 0; i < x.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) x[i] -= factor[i * x.size() + k] * x[k];
    x[i] /= factor[i * x.size() + i];
  }
}

// L' y = x, in place.
void solve_upper(const std::vector<double>& factor, std::span<double> x) {
  for (std::size_t i = x.size(); i-- > 0;) {
    for (std::size_t k = i + 1; k < x.size(); ++k) x[i] -= factor[k * x.size() + i] * x[k];
    x[i] /= factor[i * x.size() + i];
  }
}

void require_finite_row(std::span<const double> values) {
  for (const double value : values)
    if (!std::isfinite(value)) throw Error("regression: a number is not finite");
}

double dot(std::span<const double> a, std::span<const double> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

RidgeRegression::RidgeRegression(const std::vector<std::vector<double>>& inputs,
                                 const std::vector<double>& targets) {
  const std::size_t size = inputs.front().size();
  require_finite_row(targets);
  for (const std::vector<double>& input : inputs) require_finite_row(input);
  factor_.assign(size * size, 0.0);
  coefficients_.assign(size, 0.0);
  for (std::size_t n = 0; n < inputs.size(); ++n)
    for (std::size_t i = 0; i < size; ++i) {
      coefficients_[i] += inputs[n][i] * targets[n];
      for (std::size_t j = 0; j <= i; ++j) factor_[i * size + j] += inputs[n][i] * inputs[n][j];
    }
  for (std::size_t i = 0; i < size; ++i)
    factor_[i * size + i] += i == 0 ? kConstantPenalty : kPenalty;
  factorise(factor_, size);
  solve_lower(factor_, coefficients_);
  solve_upper(factor_, coefficients_);
  double squares = 0;
  for (std::size_t n = 0; n < inputs.size(); ++n) {
    // What the fit to the others is wrong by: 1 / (1 - leverage) times the residual.
    const double left = std::max(1 - leverage(inputs[n]), 1e-6);
    const double error = (targets[n] - predict(inputs[n])) / left;
    squares += error * error;
  }
  error_ = std::sqrt(squares / static_cast<double>(inputs.size()));
}

// x' (X'X + penalty)^-1 x.
double RidgeRegression::leverage(std::vector<double> features) const {
  solve_lower(factor_, features);
  return dot(features, features);
}

double RidgeRegression::predict(const std::vector<double>& features) const {
  return dot(coefficients_, features);
}

double RidgeRegression::standard_deviation(const std::vector<double>& features) const {
  return error_ * std::sqrt(leverage(features));
}

}  // namespace paretoformer::nas
