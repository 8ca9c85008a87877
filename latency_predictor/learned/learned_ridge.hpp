// Ridge regression on a handful of features with its posterior: how far a new input lies from
// those that were seen, and what seeing it would be worth.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "latency_predictor/learned/learned_features.hpp"

namespace paretoformer::latency_predictor {

using FeatureVector = std::array<double, kLearnedFeatures>;
// Symmetric, row by row.
using FeatureMatrix = std::array<FeatureVector, kLearnedFeatures>;

// What is learned of an operator: the logarithms of cycles and of DRAM bytes over their estimates.
inline constexpr std::size_t kLearnedTargets = 2;
using TargetVector = std::array<double, kLearnedTargets>;

FeatureVector times(const FeatureMatrix& matrix, const FeatureVector& x);
double dot(const FeatureVector& a, const FeatureVector& b);

// The inverse of the penalty alone: nothing seen. The first feature is the constant, of which a
// deviation costs next to nothing.
FeatureMatrix prior_inverse(double penalty);
// The inverse once `x` is seen as well (Sherman and Morrison 1950).
void add_to_inverse(FeatureMatrix& inverse, const FeatureVector& x);

struct RidgeFit {
  FeatureMatrix inverse;
  std::array<FeatureVector, kLearnedTargets> coefficients{};
  // Of every input, what a fit to the others is wrong by, and its leverage x' inverse x in that
  // fit.
  std::vector<TargetVector> left_out;
  std::vector<double> leverage;
};
RidgeFit fit_ridge(const std::vector<FeatureVector>& inputs,
                   const std::vector<TargetVector>& targets, double penalty);

}  // namespace paretoformer::latency_predictor
