#include "supernet/quantization/int4_weights.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <limits>

#include "supernet/quantization/calibration.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using FloatRows = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

constexpr double kDamping = 0.01;

// The number of four bits next to w.
float nearest(float w, float step) {
  constexpr auto kMost = static_cast<float>(kMostInt4);
  return std::clamp(std::nearbyint(w / step), -kMost, kMost);
}

// How what is lost of one input's weight is made good by the others, and what each one's loss is
// worth.
struct Compensation {
  Compensation(const SecondMoments& inputs, int columns);

  Matrix upper;                    // of the inverse Hessian's Cholesky factors
  std::vector<double> importance;  // the Hessian's diagonal
};

Compensation::Compensation(const SecondMoments& inputs, int columns)
    : upper(Matrix::Identity(columns, columns)), importance(static_cast<std::size_t>(columns), 1) {
  if (inputs.empty()) return;
  Matrix hessian = Eigen::Map<const Matrix>(inputs.sums().data(), columns, columns);
  const double mean = hessian.diagonal().mean();
  if (!(mean > 0)) return;  // nothing but zeros goes in
  hessian.diagonal().array() += kDamping * mean;
  const Matrix inverse = hessian.llt().solve(Matrix::Identity(columns, columns));
  upper = inverse.llt().matrixU();
  for (int i = 0; i < columns; ++i) importance[static_cast<std::size_t>(i)] = hessian(i, i);
}

int best_multiplier(std::span<const float> weights, const double* importance, float scale) {
  int best = 1;
  double least = std::numeric_limits<double>::infinity();
  for (int m = 1; m <= kMostMultiplier; ++m) {
    const float step = scale * static_cast<float>(m);
    double error = 0;
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const double lost = weights[i] - nearest(weights[i], step) * step;
      error += importance[i] * lost * lost;
    }
    if (error < least) least = error, best = m;
  }
  return best;
}

// Rounds an output's weights, which are changed as inputs after those that are rounded make good
// for them.
void round_row(std::span<float> row, const Compensation& by, float scale, int group,
               std::int8_t* weight, std::uint8_t* multipliers) {
  const auto inputs = static_cast<Eigen::Index>(row.size());
  int m = 1;
  for (Eigen::Index i = 0; i < inputs; ++i) {
    const auto at = static_cast<std::size_t>(i);
    if (i % group == 0) {
      const std::size_t count = std::min(static_cast<std::size_t>(group), row.size() - at);
      m = best_multiplier(row.subspan(at, count), by.importance.data() + at, scale);
      *multipliers++ = static_cast<std::uint8_t>(m);
    }
    const float step = scale * static_cast<float>(m);
    const float number = nearest(row[at], step);
    weight[at] = static_cast<std::int8_t>(static_cast<int>(number) * m);
    const double lost = (row[at] - number * step) / by.upper(i, i);
    for (Eigen::Index j = i + 1; j < inputs; ++j)
      row[static_cast<std::size_t>(j)] -= static_cast<float>(lost * by.upper(i, j));
  }
}

}  // namespace

void SecondMoments::add(std::span<const float> rows, int columns) {
  columns_ = columns;
  sums_.resize(area(columns, columns));
  const auto count = static_cast<Eigen::Index>(rows.size()) / columns;
  const Eigen::Map<const FloatRows> x(rows.data(), count, columns);
  Eigen::Map<Matrix>(sums_.data(), columns, columns) += (x.transpose() * x).cast<double>();
}

void SecondMoments::add(const SecondMoments& other) {
  if (other.empty()) return;
  columns_ = other.columns_;
  sums_.resize(other.sums_.size());
  for (std::size_t i = 0; i < sums_.size(); ++i) sums_[i] += other.sums_[i];
}

void LayerMoments::add(const LayerMoments& other) {
  norm1.add(other.norm1);
  context.add(other.context);
  norm2.add(other.norm2);
  gelu.add(other.gelu);
}

Int4Weights to_int4(const Linear& linear, const SecondMoments& inputs, int group) {
  Distribution sizes;
  sizes.add(linear.weight);
  Int4Weights result;
  result.scale = sizes.largest() > 0 ? sizes.largest() / (kMostInt4 * kMostMultiplier) : 1;
  result.weight.resize(linear.weight.size());
  const int groups = (linear.inputs + group - 1) / group;
  result.multipliers.resize(area(linear.outputs, groups));
  const Compensation compensation(inputs, linear.inputs);
  std::vector<float> row;
  for (int o = 0; o < linear.outputs; ++o) {
    const float* const weights = linear.weight.data() + area(o, linear.inputs);
    row.assign(weights, weights + linear.inputs);
    round_row(row, compensation, result.scale, group, result.weight.data() + area(o, linear.inputs),
              result.multipliers.data() + area(o, groups));
  }
  return result;
}

}  // namespace paretoformer::supernet
