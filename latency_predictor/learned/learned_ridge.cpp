#include "latency_predictor/learned/learned_ridge.hpp"

#include <algorithm>

namespace paretoformer::latency_predictor {
namespace {

constexpr double kConstantPenalty = 1e-3;
// Of 1 - h, which is above 0 but for rounding.
constexpr double kLeastLeft = 1e-9;

}  // namespace

double dot(const FeatureVector& a, const FeatureVector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < kLearnedFeatures; ++i) sum += a[i] * b[i];
  return sum;
}

FeatureVector times(const FeatureMatrix& matrix, const FeatureVector& x) {
  FeatureVector result{};
  for (std::size_t i = 0; i < kLearnedFeatures; ++i)
    for (std::size_t j = 0; j < kLearnedFeatures; ++j) result[j] += matrix[i][j] * x[i];
  return result;
}

FeatureMatrix prior_inverse(double penalty) {
  FeatureMatrix inverse{};
  for (std::size_t i = 0; i < kLearnedFeatures; ++i)
    inverse[i][i] = 1 / (i == 0 ? kConstantPenalty : penalty);
  return inverse;
}

void add_to_inverse(FeatureMatrix& inverse, const FeatureVector& x) {
  const FeatureVector moved = times(inverse, x);
  const double scale = 1 / (1 + dot(moved, x));
  for (std::size_t i = 0; i < kLearnedFeatures; ++i)
    for (std::size_t j = 0; j < kLearnedFeatures; ++j) inverse[i][j] -= scale * moved[i] * moved[j];
}

RidgeFit fit_ridge(const std::vector<FeatureVector>& inputs,
                   const std::vector<TargetVector>& targets, double penalty) {
  RidgeFit fit;
  fit.inverse = prior_inverse(penalty);
  for (const FeatureVector& x : inputs) add_to_inverse(fit.inverse, x);
  // Exactly symmetric, as its file has it.
  for (std::size_t i = 0; i < kLearnedFeatures; ++i)
    for (std::size_t j = 0; j < i; ++j) fit.inverse[i][j] = fit.inverse[j][i];
  for (std::size_t t = 0; t < kLearnedTargets; ++t) {
    FeatureVector moments{};
    for (std::size_t n = 0; n < inputs.size(); ++n)
      for (std::size_t i = 0; i < kLearnedFeatures; ++i) moments[i] += inputs[n][i] * targets[n][t];
    fit.coefficients[t] = times(fit.inverse, moments);
  }
  for (std::size_t n = 0; n < inputs.size(); ++n) {
    // With h the leverage in the fit to all, that to the others has h / (1 - h), and an error
    // 1 / (1 - h) times as large.
    const double h = dot(times(fit.inverse, inputs[n]), inputs[n]);
    const double left = std::max(1 - h, kLeastLeft);
    TargetVector error;
    for (std::size_t t = 0; t < kLearnedTargets; ++t)
      error[t] = (targets[n][t] - dot(fit.coefficients[t], inputs[n])) / left;
    fit.left_out.push_back(error);
    fit.leverage.push_back(h / left);
  }
  return fit;
}

}  // namespace paretoformer::latency_predictor
