// Causal attention of one head of one sequence in double, as plainly as possible, with what
// rounding to bf16 can change.
#pragma once

#include <cmath>
#include <vector>

namespace paretoformer::supernet::cuda {

// Rows of `width` numbers.
struct Rows {
  int width = 0;
  std::vector<double> values;

  Rows() = default;
  Rows(int rows, int columns)
      : width(columns),
        values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns)) {}
  double& at(int row, int column) { return values[static_cast<std::size_t>(row * width + column)]; }
  double at(int row, int column) const {
    return values[static_cast<std::size_t>(row * width + column)];
  }
};

// Largest relative error of a number rounded to bf16: half of the last of its 8 bits.
inline constexpr double kBf16Error = 1.0 / 256;
// The same of sums of up to 129 products in fp32, relative to the sum of absolute values.
inline constexpr double kSumError = 160.0 / (1 << 24);

struct PlainAttention {
  Rows q, k, v, d_output;  // in
  Rows p, output;          // forward
  std::vector<double> log_sum_exp;
  Rows d_q, d_k, d_v;  // backward

  int length() const { return static_cast<int>(log_sum_exp.size()); }
  double scale() const { return 1 / std::sqrt(q.width); }

  static double dot(const Rows& a, int i, const Rows& b, int j, bool absolute = false) {
    double sum = 0;
    for (int c = 0; c < a.width; ++c)
      sum += absolute ? std::abs(a.at(i, c) * b.at(j, c)) : a.at(i, c) * b.at(j, c);
    return sum;
  }

  void forward() {
    const int n = length();
    p = Rows(n, n);
    output = Rows(n, q.width);
    for (int i = 0; i < n; ++i) {
      double sum = 0;
      for (int j = 0; j <= i; ++j) sum += p.at(i, j) = std::exp(scale() * dot(q, i, k, j));
      log_sum_exp[static_cast<std::size_t>(i)] = std::log(sum);
      for (int j = 0; j <= i; ++j) {
        p.at(i, j) /= sum;
        for (int c = 0; c < q.width; ++c) output.at(i, c) += p.at(i, j) * v.at(j, c);
      }
    }
  }

  void backward() {
    const int n = length();
    d_q = d_k = d_v = Rows(n, q.width);
    for (int i = 0; i < n; ++i) {
      const double product = dot(d_output, i, output, i);
      for (int j = 0; j <= i; ++j) {
        const double d_score = scale() * p.at(i, j) * (dot(d_output, i, v, j) - product);
        for (int c = 0; c < q.width; ++c) {
          d_v.at(j, c) += p.at(i, j) * d_output.at(i, c);
          d_q.at(i, c) += d_score * k.at(j, c);
          d_k.at(j, c) += d_score * q.at(i, c);
        }
      }
    }
  }

  // Bounds of the errors of kernels that take bf16 and sum in fp32, to first order in both. Scores
  // are off by kSumError relative to their terms, and so, absolutely, are logarithms of p.
  double score_error(int i) const {
    double largest = 0;
    for (int j = 0; j <= i; ++j) largest = std::max(largest, scale() * dot(q, i, k, j, true));
    return kSumError * (1 + 2 * largest);
  }

  // p and then the output are rounded, each to kBf16Error of p |v| at most.
  std::vector<double> output_errors(int i) const {
    std::vector<double> errors(static_cast<std::size_t>(q.width));
    const double factor = 2 * kBf16Error + 2 * score_error(i);
    for (int j = 0; j <= i; ++j)
      for (int c = 0; c < q.width; ++c)
        errors[static_cast<std::size_t>(c)] += factor * p.at(i, j) * std::abs(v.at(j, c));
    return errors;
  }

  struct Errors {
    Rows d_q, d_k, d_v;
  };
  // d_v has p rounded, and is rounded. The gradient of a score, p (d_p - d_o o), has the error of o
  // and of its own sums, and is rounded; so is what is summed of it.
  Errors gradient_errors() const {
    const int n = length();
    Errors errors{Rows(n, q.width), Rows(n, q.width), Rows(n, q.width)};
    for (int i = 0; i < n; ++i) {
      const std::vector<double> output_error = output_errors(i);
      double product_error = 0;
      for (int c = 0; c < q.width; ++c)
        product_error += std::abs(d_output.at(i, c)) * (output_error[static_cast<std::size_t>(c)] +
                                                        kSumError * std::abs(output.at(i, c)));
      const double product = dot(d_output, i, output, i);
      const double p_error = 2 * score_error(i);
      for (int j = 0; j <= i; ++j) {
        const double difference = std::abs(dot(d_output, i, v, j) - product);
        const double error = scale() * p.at(i, j) *
                             (product_error + kSumError * dot(d_output, i, v, j, true) +
                              (kBf16Error + p_error) * difference);
        for (int c = 0; c < q.width; ++c) {
          errors.d_v.at(j, c) +=
              (2 * kBf16Error + p_error) * p.at(i, j) * std::abs(d_output.at(i, c));
          const double term = error + kSumError * scale() * p.at(i, j) * difference;
          errors.d_q.at(i, c) += term * std::abs(k.at(j, c));
          errors.d_k.at(j, c) += term * std::abs(q.at(i, c));
        }
      }
    }
    for (int i = 0; i < n; ++i)
      for (int c = 0; c < q.width; ++c) {
        errors.d_q.at(i, c) += kBf16Error * std::abs(d_q.at(i, c));
        errors.d_k.at(i, c) += kBf16Error * std::abs(d_k.at(i, c));
      }
    return errors;
  }
};

}  // namespace paretoformer::supernet::cuda
