#include "support/linear_model.hpp"

#include <Eigen/QR>
#include <algorithm>
#include <cmath>

#include "support/finite.hpp"

namespace paretoformer {
namespace {

using Vector = Eigen::Map<const Eigen::VectorXd>;
using Matrix = Eigen::Map<const Eigen::MatrixXd>;

Vector vector(std::span<const double> values) {
  return {values.data(), static_cast<Eigen::Index>(values.size())};
}

// One row each, and `more` rows of zeros.
Eigen::MatrixXd rows(std::span<const std::span<const double>> from, Eigen::Index more) {
  const auto count = static_cast<Eigen::Index>(from.size());
  const auto width = static_cast<Eigen::Index>(from.front().size());
  Eigen::MatrixXd result = Eigen::MatrixXd::Zero(count + more, width);
  for (Eigen::Index i = 0; i < count; ++i) {
    const std::span<const double> row = from[static_cast<std::size_t>(i)];
    require_finite(row, "regression: a number");
    result.row(i) = vector(row).transpose();
  }
  return result;
}

std::vector<double> numbers(const Eigen::ArrayXXd& matrix) {
  return {matrix.data(), matrix.data() + matrix.size()};
}

}  // namespace

// The least squares of the inputs with a row below for each penalty: better conditioned than sums
// of squares, which matters where features are large or follow one another.
LinearModel::LinearModel(Rows inputs, Rows targets, const RidgePenalty& penalty)
    : features_(inputs.front().size()), inputs_(inputs.size()) {
  const auto size = static_cast<Eigen::Index>(features_);
  const auto count = static_cast<Eigen::Index>(inputs_);
  Eigen::MatrixXd x = rows(inputs, size);
  const Eigen::MatrixXd y = rows(targets, size);
  x.bottomRows(size).diagonal().setConstant(std::sqrt(penalty.others));
  x(count, 0) = std::sqrt(penalty.constant);

  const Eigen::HouseholderQR<Eigen::MatrixXd> qr(x);
  Eigen::MatrixXd factor = qr.matrixQR().topRows(size).triangularView<Eigen::Upper>();
  // No pivot is below the least penalty, but for rounding.
  const double least = std::sqrt(std::min(penalty.constant, penalty.others));
  for (Eigen::Index i = 0; i < size; ++i)
    if (std::abs(factor(i, i)) < least) factor(i, i) = least;
  Eigen::MatrixXd solution = (qr.householderQ().adjoint() * y).topRows(size);
  factor.triangularView<Eigen::Upper>().solveInPlace(solution);
  coefficients_ = numbers(solution);
  factor_ = numbers(factor);

  // With h the leverage in the fit to all, that to the others has h / (1 - h), and an error
  // 1 / (1 - h) times as large.
  Eigen::MatrixXd moved = x.topRows(count).transpose();
  factor.triangularView<Eigen::Upper>().transpose().solveInPlace(moved);
  const Eigen::ArrayXd h = moved.colwise().squaredNorm();
  const Eigen::ArrayXd left = (1 - h).max(penalty.least_left);
  const Eigen::MatrixXd residuals = y.topRows(count) - x.topRows(count) * solution;
  left_out_ = numbers(residuals.array().colwise() / left);
  left_out_leverage_ = numbers(h / left);
}

std::span<const double> LinearModel::coefficients(std::size_t target) const {
  return std::span(coefficients_).subspan(target * features_, features_);
}

std::span<const double> LinearModel::left_out(std::size_t target) const {
  return std::span(left_out_).subspan(target * inputs_, inputs_);
}

double LinearModel::predict(std::span<const double> input, std::size_t target) const {
  return vector(coefficients(target)).dot(vector(input));
}

double LinearModel::leverage(std::span<const double> input) const {
  const auto size = static_cast<Eigen::Index>(features_);
  Eigen::VectorXd x = vector(input);
  Matrix(factor_.data(), size, size).transpose().triangularView<Eigen::Lower>().solveInPlace(x);
  return x.squaredNorm();
}

std::vector<double> LinearModel::inverse() const {
  const auto size = static_cast<Eigen::Index>(features_);
  Eigen::MatrixXd root = Eigen::MatrixXd::Identity(size, size);
  Matrix(factor_.data(), size, size).triangularView<Eigen::Upper>().solveInPlace(root);
  Eigen::MatrixXd inverse = root * root.transpose();
  inverse.triangularView<Eigen::StrictlyUpper>() = inverse.transpose().eval();
  return numbers(inverse);
}

}  // namespace paretoformer
