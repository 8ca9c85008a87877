#include "latency_predictor/learned/learned_ridge.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <span>
#include <utility>

#include "support/linear_model.hpp"

namespace paretoformer::latency_predictor {
namespace {

constexpr double kConstantPenalty = 1e-3;

using Vector = Eigen::Matrix<double, kLearnedFeatures, 1>;
using Matrix = Eigen::Matrix<double, kLearnedFeatures, kLearnedFeatures>;

Eigen::Map<const Vector> vector(const FeatureVector& x) {
  return Eigen::Map<const Vector>(x.data());
}
// Symmetric ones, so that rows are columns.
Eigen::Map<const Matrix> matrix(const FeatureMatrix& m) {
  return Eigen::Map<const Matrix>(m.front().data());
}
Eigen::Map<Matrix> matrix(FeatureMatrix& m) { return Eigen::Map<Matrix>(m.front().data()); }

template <std::size_t kSize>
std::vector<std::span<const double>> rows(const std::vector<std::array<double, kSize>>& all) {
  return {all.begin(), all.end()};
}

}  // namespace

double dot(const FeatureVector& a, const FeatureVector& b) { return vector(a).dot(vector(b)); }

FeatureVector times(const FeatureMatrix& m, const FeatureVector& x) {
  FeatureVector result;
  Eigen::Map<Vector>(result.data()).noalias() = matrix(m) * vector(x);
  return result;
}

FeatureMatrix prior_inverse(double penalty) {
  FeatureMatrix inverse{};
  matrix(inverse).diagonal().setConstant(1 / penalty);
  inverse[0][0] = 1 / kConstantPenalty;
  return inverse;
}

void add_to_inverse(FeatureMatrix& inverse, const FeatureVector& x) {
  const Vector moved = matrix(std::as_const(inverse)) * vector(x);
  const double scale = 1 / (1 + moved.dot(vector(x)));
  matrix(inverse).noalias() -= scale * moved * moved.transpose();
}

RidgeFit fit_ridge(const std::vector<FeatureVector>& inputs,
                   const std::vector<TargetVector>& targets, double penalty) {
  const LinearModel model(rows(inputs), rows(targets),
                          {.constant = kConstantPenalty, .others = penalty});
  RidgeFit fit;
  const std::vector<double> inverse = model.inverse();
  matrix(fit.inverse) = Eigen::Map<const Matrix>(inverse.data());
  fit.left_out.resize(inputs.size());
  for (std::size_t t = 0; t < kLearnedTargets; ++t) {
    std::ranges::copy(model.coefficients(t), fit.coefficients[t].begin());
    for (std::size_t n = 0; n < inputs.size(); ++n) fit.left_out[n][t] = model.left_out(t)[n];
  }
  fit.leverage = model.left_out_leverage();
  return fit;
}

}  // namespace paretoformer::latency_predictor
