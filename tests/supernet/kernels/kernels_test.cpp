#include "supernet/kernels/kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "supernet/kernels/kernel_sets.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

using Values = std::vector<double>;

Values normals(std::size_t count, std::uint64_t seed) {
  Random random(seed);
  Values values(count);
  for (double& value : values) value = random.normal();
  return values;
}

double dot(const Values& a, const Values& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

// Compares `gradient` with central differences of `function` at `x`, entry by entry. In double with
// a step of 1e-5 the truncation and rounding errors are both near 1e-10.
void expect_gradient(const std::function<double(const Values&)>& function, const Values& x,
                     const Values& gradient) {
  ASSERT_EQ(x.size(), gradient.size());
  constexpr double kStep = 1e-5;
  for (std::size_t i = 0; i < x.size(); ++i) {
    Values moved = x;
    moved[i] = x[i] + kStep;
    const double up = function(moved);
    moved[i] = x[i] - kStep;
    const double down = function(moved);
    const double difference = (up - down) / (2 * kStep);
    ASSERT_NEAR(gradient[i], difference, 1e-8 * std::max(1.0, std::abs(difference)))
        << "entry " << i;
  }
}

constexpr int kRows = 5;

class RowKernels : public testing::TestWithParam<const KernelSet*> {
 protected:
  static const Kernels<float>& of_float() { return GetParam()->of_float; }
  static const Kernels<double>& of_double() { return GetParam()->of_double; }
};
INSTANTIATE_TEST_SUITE_P(, RowKernels, testing::ValuesIn(kernel_sets()), [](const auto& info) {
  std::string name = info.param->name;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST_P(RowKernels, LayerNormHasMeanZeroAndDeviationOneBeforeGainAndBias) {
  const int width = 37;
  const Values x = normals(kRows * width, 1);
  Values y(x.size());
  Values mean(kRows);
  Values deviation(kRows);
  of_double().layer_norm(kRows, width, x.data(), Values(width, 1.0).data(),
                         Values(width, 0.0).data(), y.data(), mean.data(), deviation.data());
  for (int r = 0; r < kRows; ++r) {
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < width; ++i) {
      sum += y[r * width + i];
      squares += y[r * width + i] * y[r * width + i];
    }
    EXPECT_NEAR(sum / width, 0, 1e-12);
    EXPECT_NEAR(squares / width, 1, 1e-4);  // epsilon = 1e-5
  }
}

TEST_P(RowKernels, LayerNormGradientsOfInputGainAndBias) {
  const int width = 19;
  const Values x = normals(kRows * width, 1);
  const Values gain = normals(width, 2);
  const Values bias = normals(width, 3);
  const Values dy = normals(kRows * width, 4);
  Values mean(kRows);
  Values deviation(kRows);
  const auto loss = [&](const Values& x1, const Values& gain1, const Values& bias1) {
    Values y(x1.size());
    of_double().layer_norm(kRows, width, x1.data(), gain1.data(), bias1.data(), y.data(),
                           mean.data(), deviation.data());
    return dot(y, dy);
  };
  loss(x, gain, bias);
  Values dx(x.size());
  Values d_gain(width, 0.0);
  Values d_bias(width, 0.0);
  of_double().layer_norm_backward(kRows, width, dy.data(), x.data(), gain.data(), mean.data(),
                                  deviation.data(), nullptr, dx.data(), d_gain.data(),
                                  d_bias.data(), nullptr);
  expect_gradient([&](const Values& v) { return loss(v, gain, bias); }, x, dx);
  expect_gradient([&](const Values& v) { return loss(x, v, bias); }, gain, d_gain);
  expect_gradient([&](const Values& v) { return loss(x, gain, v); }, bias, d_bias);

  // What reaches x past the normalisation is added, and the rows are summed on request.
  const Values d_residual = normals(kRows * width, 11);
  for (const bool residual : {false, true}) {
    Values again(x.size());
    Values sum(width, 1.0);
    of_double().layer_norm_backward(kRows, width, dy.data(), x.data(), gain.data(), mean.data(),
                                    deviation.data(), residual ? d_residual.data() : nullptr,
                                    again.data(), d_gain.data(), d_bias.data(), sum.data());
    Values expected_sum(width, 1.0);
    for (std::size_t i = 0; i < again.size(); ++i) {
      EXPECT_DOUBLE_EQ(again[i], dx[i] + (residual ? d_residual[i] : 0.0));
      expected_sum[i % width] += again[i];
    }
    EXPECT_EQ(sum, expected_sum);
  }
}

TEST_P(RowKernels, GeluKnownValuesAndGradient) {
  // gelu(0) = 0, gelu(x) -> x and 0 far away, gelu(1) = 0.8412 in the tanh form.
  Values u{0, 1, 10, -10};
  Values y(4);
  of_double().bias_gelu(1, 4, Values(4, 0.0).data(), false, u.data(), y.data());
  EXPECT_NEAR(y[0], 0, 1e-15);
  EXPECT_NEAR(y[1], 0.841192, 1e-6);
  EXPECT_NEAR(y[2], 10, 1e-12);
  EXPECT_NEAR(y[3], 0, 1e-12);

  const int width = 23;
  const Values x = normals(kRows * width, 5);
  const Values bias = normals(width, 6);
  const Values dy = normals(kRows * width, 7);
  const auto loss = [&](const Values& x1, const Values& bias1) {
    Values kept = x1;
    Values out(x1.size());
    of_double().bias_gelu(kRows, width, bias1.data(), false, kept.data(), out.data());
    return dot(out, dy);
  };
  Values slope = x;
  Values out(x.size());
  of_double().bias_gelu(kRows, width, bias.data(), true, slope.data(), out.data());
  EXPECT_EQ(dot(out, dy), loss(x, bias));
  Values dx = dy;
  Values d_bias(width, 0.0);
  of_double().bias_gelu_backward(kRows, width, slope.data(), dx.data(), d_bias.data());
  expect_gradient([&](const Values& v) { return loss(v, bias); }, x, dx);
  expect_gradient([&](const Values& v) { return loss(x, v); }, bias, d_bias);
}

TEST_P(RowKernels, CausalSoftmaxRowsSumToOneAndTheFutureIsZero) {
  const int columns = 9;
  const int first = 4;
  Values scores = normals(kRows * columns, 8);
  Values again = scores;
  Values lse(kRows);
  of_double().causal_softmax(kRows, columns, first, 0.5, scores.data(), columns, lse.data());
  of_double().causal_softmax_again(kRows, columns, first, 0.5, again.data(), columns, lse.data());
  for (int r = 0; r < kRows; ++r) {
    double sum = 0;
    for (int j = 0; j < columns; ++j) {
      sum += scores[r * columns + j];
      EXPECT_NEAR(scores[r * columns + j], again[r * columns + j], 1e-14);
      if (j > first + r) {
        EXPECT_EQ(scores[r * columns + j], 0);
      }
    }
    EXPECT_NEAR(sum, 1, 1e-14);
  }
}

TEST_P(RowKernels, CausalSoftmaxGradient) {
  const int columns = 9;
  const int first = 4;
  const Values scores = normals(kRows * columns, 9);
  const Values dy = normals(kRows * columns, 10);
  const auto probabilities = [&](const Values& s) {
    Values p = s;
    Values lse(kRows);
    of_double().causal_softmax(kRows, columns, first, 0.7, p.data(), columns, lse.data());
    return p;
  };
  Values gradient = dy;
  of_double().softmax_backward(kRows, columns, probabilities(scores).data(), gradient.data(),
                               columns, 0.7);
  expect_gradient([&](const Values& s) { return dot(probabilities(s), dy); }, scores, gradient);
}

TEST_P(RowKernels, CrossEntropyUniformLogitsCostTheLogarithmOfTheVocabulary) {
  const int vocabulary = 50;
  const std::vector<std::int32_t> targets{0, 7, 49};
  Values logits(3 * vocabulary, 2.5);
  EXPECT_NEAR(of_double().cross_entropy_loss(3, vocabulary, logits.data(), targets.data()),
              3 * std::log(50.0), 1e-12);
}

TEST_P(RowKernels, CrossEntropyGradient) {
  const int vocabulary = 21;
  const std::vector<std::int32_t> targets{0, 20, 3, 3, 11};
  const Values logits = normals(kRows * vocabulary, 11);
  Values gradient = logits;
  Values probabilities(logits.size());
  const double loss = of_double().cross_entropy(kRows, vocabulary, gradient.data(), targets.data(),
                                                0.25, probabilities.data());
  const auto function = [&](const Values& v) {
    Values copy = v;
    return of_double().cross_entropy_loss(kRows, vocabulary, copy.data(), targets.data());
  };
  EXPECT_NEAR(loss, function(logits), 1e-12);
  for (double& value : gradient) value *= 4;
  expect_gradient(function, logits, gradient);
}

TEST_P(RowKernels, DistillationGradientOfTheSoftCrossEntropy) {
  const int vocabulary = 21;
  const std::vector<std::int32_t> targets{0, 20, 3, 3, 11};
  const Values logits = normals(kRows * vocabulary, 12);
  Values teacher(logits.size());
  Values scratch = normals(kRows * vocabulary, 13);
  of_double().cross_entropy(kRows, vocabulary, scratch.data(), targets.data(), 1.0, teacher.data());
  // -sum_j target_j log softmax(v)_j, written out; the target is 0.7 teacher + 0.3 text.
  const auto target = [&](int r, int j) {
    return 0.7 * teacher[r * vocabulary + j] + (targets[r] == j ? 0.3 : 0.0);
  };
  const auto function = [&](const Values& v) {
    double loss = 0;
    for (int r = 0; r < kRows; ++r) {
      double sum = 0;
      for (int j = 0; j < vocabulary; ++j) sum += std::exp(v[r * vocabulary + j]);
      for (int j = 0; j < vocabulary; ++j)
        loss -= target(r, j) * (v[r * vocabulary + j] - std::log(sum));
    }
    return loss;
  };
  Values gradient = logits;
  const double hard = of_double().distillation(kRows, vocabulary, gradient.data(), targets.data(),
                                               teacher.data(), 0.7, 1.0);
  Values copy = logits;
  EXPECT_NEAR(hard, of_double().cross_entropy_loss(kRows, vocabulary, copy.data(), targets.data()),
              1e-12);
  expect_gradient(function, logits, gradient);
}

TEST_P(RowKernels, AdamWFirstStepByHand) {
  // m = 0.1 g, v = 0.02 g^2; corrected: g and g^2; so the step is lr * sign(g), after the decay
  // 1 - lr * wd: 1 * (1 - 0.01 * 0.5) - 0.01 = 0.985.
  AdamW step{0.01, 0.9, 0.98, 0.0, 0.5, 1.0, 0.1, 0.02};
  double parameter = 1;
  double m = 0;
  double v = 0;
  const double gradient = 3;
  of_double().adamw(1, step, &gradient, &parameter, &m, &v);
  EXPECT_NEAR(m, 0.3, 1e-15);
  EXPECT_NEAR(v, 0.18, 1e-15);
  EXPECT_NEAR(parameter, 0.985, 1e-12);
}

// The float kernels use polynomial exponentials; double uses the C library.
TEST_P(RowKernels, FloatsAgreeWithDoubles) {
  const int vocabulary = 1000;
  const std::vector<std::int32_t> targets{0, 7, 999, 12, 500};
  Values logits = normals(kRows * vocabulary, 14);
  for (double& value : logits) value *= 8;
  std::vector<float> single(logits.begin(), logits.end());
  const double expected =
      of_double().cross_entropy_loss(kRows, vocabulary, logits.data(), targets.data());
  EXPECT_NEAR(of_float().cross_entropy_loss(kRows, vocabulary, single.data(), targets.data()),
              expected, 2e-6 * expected);

  Values u = normals(4000, 15);
  for (double& value : u) value *= 4;
  std::vector<float> u_single(u.begin(), u.end());
  Values y(u.size());
  std::vector<float> y_single(u.size());
  const Values x = u;
  of_double().bias_gelu(1, 4000, Values(4000, 0.0).data(), true, u.data(), y.data());
  of_float().bias_gelu(1, 4000, std::vector<float>(4000, 0.0F).data(), true, u_single.data(),
                       y_single.data());
  for (std::size_t i = 0; i < y.size(); ++i) {
    ASSERT_NEAR(y_single[i], y[i], 2e-6 * std::max(1.0, std::abs(x[i])));
    ASSERT_NEAR(u_single[i], u[i], 2e-6 * std::max(1.0, std::abs(x[i])));  // the slopes
  }
}

}  // namespace
}  // namespace paretoformer::supernet
