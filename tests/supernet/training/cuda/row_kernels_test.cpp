// Every kernel by itself against those of the CPU in double, on the same bf16 numbers.
#include "supernet/training/cuda/row_kernels.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "supernet/kernels/kernels.hpp"
#include "supernet/training/cuda/optimiser_kernels.hpp"
#include "supernet/training/cuda/text_kernels.hpp"
#include "support/random.hpp"
#include "tests/supernet/training/cuda/on_device.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr int kRows = 130;                // more than one block's
constexpr int kWidths[] = {13, 40, 264};  // of single values, and of packs
// Half of bf16's last bit of 8, relative to the smallest number that has it, and what fp32 adds to
// it; and sums in fp32.
constexpr double kRounding = 1.01 / 256;
constexpr double kFp32 = 1e-5;

// Of all copies and kernels here, so that they come one after the other.
Stream& one_stream() {
  static Stream stream;
  return stream;
}

// Numbers that bf16 holds, on the device and on the host.
template <class T>
struct Numbers {
  explicit Numbers(std::size_t count, std::uint64_t seed = 0, double scale = 1, double mean = 0)
      : device(count), host(count) {
    Random random(seed);
    std::vector<T> values(count);
    for (std::size_t i = 0; i < count; ++i) {
      const Bf16 number = to_bf16(static_cast<float>(mean + scale * random.normal()));
      host[i] = to_float(number);
      if constexpr (std::is_same_v<T, Bf16>)
        values[i] = number;
      else
        values[i] = to_float(number);
    }
    copy_to_device(one_stream(), device.data(), values.data(), count);
  }
  T* data() const { return device.data(); }
  std::vector<double> now() {
    std::vector<T> values(host.size());
    copy_to_host(one_stream(), values.data(), device.data(), values.size());
    one_stream().synchronize();
    std::vector<double> result;
    for (const T value : values) {
      if constexpr (std::is_same_v<T, Bf16>)
        result.push_back(to_float(value));
      else
        result.push_back(value);
    }
    return result;
  }

  DeviceArray<T> device;
  std::vector<double> host;
};

// Up to so much of the value, and of the largest there is where terms cancelled.
void expect_near(const std::vector<double>& values, const std::vector<double>& expected,
                 double tolerance) {
  ASSERT_EQ(values.size(), expected.size());
  double largest = 0;
  for (const double value : expected) largest = std::max(largest, std::abs(value));
  for (std::size_t i = 0; i < values.size(); ++i)
    ASSERT_NEAR(values[i], expected[i], tolerance * std::abs(expected[i]) + kFp32 * largest) << i;
}

class CudaRowKernels : public OnDevice<testing::Test> {};
class CudaTextKernels : public OnDevice<testing::Test> {};
class CudaOptimiserKernels : public OnDevice<testing::Test> {};

TEST_F(CudaRowKernels, LayerNorm) {
  Stream& stream = one_stream();
  for (const int width : kWidths) {
    const auto size = static_cast<std::size_t>(kRows * width);
    const auto columns = static_cast<std::size_t>(width);
    Numbers<float> x(size, 1, 2, 3), gain(columns, 2), bias(columns, 3), added_bias(columns, 4);
    Numbers<Bf16> added(size, 5);
    Numbers<float> sum(size), mean(kRows), deviation(kRows);
    Numbers<Bf16> y(size);
    residual_layer_norm(
        stream, {kRows, width, gain.data(), bias.data(), y.data(), mean.data(), deviation.data()},
        x.data(), added.data(), added_bias.data(), sum.data());
    std::vector<double> expected_sum = added.host;
    add_residual(kRows, width, x.host.data(), added_bias.host.data(), expected_sum.data());
    std::vector<double> expected(size), m(kRows), s(kRows);
    supernet::layer_norm(kRows, width, expected_sum.data(), gain.host.data(), bias.host.data(),
                         expected.data(), m.data(), s.data());
    expect_near(sum.now(), expected_sum, 0);
    expect_near(mean.now(), m, kFp32);
    expect_near(deviation.now(), s, kFp32);
    expect_near(y.now(), expected, kRounding);

    cuda::layer_norm(
        stream, {kRows, width, gain.data(), bias.data(), y.data(), mean.data(), deviation.data()},
        x.data());
    supernet::layer_norm(kRows, width, x.host.data(), gain.host.data(), bias.host.data(),
                         expected.data(), m.data(), s.data());
    expect_near(y.now(), expected, kRounding);
  }
}

TEST_F(CudaRowKernels, LayerNormBackward) {
  Stream& stream = one_stream();
  for (const int width : kWidths)
    for (const bool residual : {false, true}) {
      const auto size = static_cast<std::size_t>(kRows * width);
      const auto columns = static_cast<std::size_t>(width);
      Numbers<float> x(size, 1, 2, 3), gain(columns, 2), mean(kRows, 3, 0.1, 3),
          deviation(kRows, 4, 0.01, 0.5), d_stream(size, 5);
      Numbers<float> d_gain(columns, 6), d_bias(columns, 7), dx_sum(columns, 8);
      Numbers<Bf16> dy(size, 9), d_stream16(size);
      const DeviceArray<float> partial(partial_sum_floats(kRows, width, 1));
      std::vector<double> dx(size);
      std::vector<double> gains = d_gain.host, biases = d_bias.host, sums = dx_sum.host;
      supernet::layer_norm_backward(kRows, width, dy.host.data(), x.host.data(), gain.host.data(),
                                    mean.host.data(), deviation.host.data(),
                                    residual ? d_stream.host.data() : nullptr, dx.data(),
                                    gains.data(), biases.data(), sums.data());
      cuda::layer_norm_backward(
          stream,
          {kRows, width, dy.data(), x.data(), gain.data(), mean.data(), deviation.data(), residual,
           d_stream.data(), d_stream16.data(), d_gain.data(), d_bias.data(), dx_sum.data()},
          partial.data());
      expect_near(d_stream.now(), dx, kFp32);
      expect_near(d_stream16.now(), dx, kRounding);
      expect_near(d_gain.now(), gains, kFp32);
      expect_near(d_bias.now(), biases, kFp32);
      expect_near(dx_sum.now(), sums, kFp32);
    }
}

TEST_F(CudaRowKernels, BiasAndGelu) {
  Stream& stream = one_stream();
  for (const int width : kWidths) {
    const auto size = static_cast<std::size_t>(kRows * width);
    const auto columns = static_cast<std::size_t>(width);
    Numbers<Bf16> u(size, 1, 3), y(size), dy(size, 2), only(size, 3);
    Numbers<float> bias(columns, 4), d_bias(columns, 5), d_only(columns, 6);
    const DeviceArray<float> partial(partial_sum_floats(kRows, 1, width));
    bias_gelu(stream, kRows, width, u.data(), bias.data(), y.data());
    std::vector<double> slope = u.host, value(size);
    supernet::bias_gelu(kRows, width, bias.host.data(), true, slope.data(), value.data());
    expect_near(y.now(), value, kRounding);

    std::vector<double> d = dy.host, sums = d_bias.host;
    supernet::bias_gelu_backward(kRows, width, slope.data(), d.data(), sums.data());
    bias_gelu_backward(stream, kRows, width, u.data(), bias.data(), dy.data(), d_bias.data(),
                       partial.data());
    expect_near(dy.now(), d, kRounding);
    expect_near(d_bias.now(), sums, kFp32);

    std::vector<double> only_sums = d_only.host;
    supernet::add_bias_backward(kRows, width, only.host.data(), only_sums.data());
    add_bias_backward(stream, kRows, width, only.data(), d_only.data(), partial.data());
    expect_near(d_only.now(), only_sums, kFp32);
    std::vector<double> moved = only.host;
    supernet::add_bias(kRows, width, bias.host.data(), moved.data());
    add_bias(stream, kRows, width, bias.data(), only.data());
    expect_near(only.now(), moved, kRounding);
  }
}

TEST_F(CudaTextKernels, CrossEntropy) {
  Stream& stream = one_stream();
  constexpr int kFew = 5;
  for (const int vocabulary : {1, 29, 300, 5003})
    for (const int stride : {ceil_div(vocabulary, 8) * 8, vocabulary}) {
      Numbers<Bf16> logits(static_cast<std::size_t>(kFew * stride), 1, 4);
      std::vector<std::int32_t> targets;
      std::vector<double> rows, losses;
      for (int r = 0; r < kFew; ++r) {
        targets.push_back(r * 7 % vocabulary);
        rows.insert(rows.end(), logits.host.begin() + r * stride,
                    logits.host.begin() + r * stride + vocabulary);
      }
      DeviceArray<std::int32_t> on_device(kFew);
      copy_to_device(stream, on_device.data(), targets.data(), kFew);
      Numbers<float> alone(kFew), with_gradient(kFew);
      row_losses(stream, kFew, vocabulary, stride, logits.data(), on_device.data(), alone.data());
      cuda::cross_entropy(stream, kFew, vocabulary, stride, logits.data(), on_device.data(), {},
                          0.25F, with_gradient.data());
      for (int r = 0; r < kFew; ++r)
        losses.push_back(supernet::cross_entropy<double>(
            1, vocabulary, rows.data() + r * vocabulary, targets.data() + r, 0.25, nullptr));
      if (vocabulary > 1) expect_near(alone.now(), losses, kFp32);
      EXPECT_EQ(alone.now(), with_gradient.now());
      std::vector<double> padded(static_cast<std::size_t>(kFew * stride), 0.0);
      for (int r = 0; r < kFew; ++r)
        std::copy_n(rows.begin() + r * vocabulary, vocabulary, padded.begin() + r * stride);
      // Exponentials of differences up to 30 are off by as many times 2^-24.
      expect_near(logits.now(), padded, kRounding + kFp32);
    }
}

TEST_F(CudaTextKernels, CrossEntropyWithSoftTargets) {
  Stream& stream = one_stream();
  constexpr int kFew = 3;
  for (const int vocabulary : {29, 300, 5003})
    for (const int stride : {ceil_div(vocabulary, 8) * 8, vocabulary}) {
      const auto size = static_cast<std::size_t>(kFew * stride);
      Numbers<Bf16> logits(size, 1, 4), teacher(size, 2, 4);
      std::vector<double> expected(size, 0.0), losses;
      std::vector<std::int32_t> targets;
      for (int r = 0; r < kFew; ++r) {
        targets.push_back(r * 7 % vocabulary);
        std::vector<double> soft(teacher.host.begin() + r * stride,
                                 teacher.host.begin() + r * stride + vocabulary);
        double sum = 0;
        for (double& logit : soft) sum += logit = std::exp(logit);
        for (double& probability : soft) probability /= sum;
        std::copy_n(logits.host.begin() + r * stride, vocabulary, expected.begin() + r * stride);
        losses.push_back(supernet::distillation<double>(1, vocabulary, expected.data() + r * stride,
                                                        targets.data() + r, soft.data(), 0.7,
                                                        0.25));
      }
      DeviceArray<std::int32_t> on_device(kFew);
      copy_to_device(stream, on_device.data(), targets.data(), kFew);
      Numbers<float> found(kFew);
      cuda::cross_entropy(stream, kFew, vocabulary, stride, logits.data(), on_device.data(),
                          {teacher.data(), 0.7F}, 0.25F, found.data());
      expect_near(found.now(), losses, kFp32);
      expect_near(logits.now(), expected, kRounding + 2 * kFp32);
    }
}

TEST_F(CudaTextKernels, EmbeddingsAndTheirGradients) {
  Stream& stream = one_stream();
  constexpr int kSequences = 3, kLength = 20, kVocabulary = 11, kAll = kSequences * kLength;
  for (const int width : {13, 40})
    for (const int stride : {width, width + 4}) {
      Random random(4);
      std::vector<std::int32_t> tokens;
      for (int i = 0; i < kAll; ++i)  // token 0 is frequent, some never come
        tokens.push_back(i % 2 ? 0 : static_cast<std::int32_t>(random.below(kVocabulary)));
      Numbers<Bf16> token(static_cast<std::size_t>(kVocabulary * stride), 1),
          position(static_cast<std::size_t>(kLength * stride), 2);
      Numbers<float> x(static_cast<std::size_t>(kAll * width)),
          dx(static_cast<std::size_t>(kAll * width), 3);
      Numbers<float> d_token(token.host.size(), 4), d_position(position.host.size(), 5);
      TokenRows where(kVocabulary);
      where.sort(tokens.data(), kAll / 2);
      where.sort(tokens.data(), kAll);
      const auto on_device = [&](const std::vector<std::int32_t>& values) {
        DeviceArray<std::int32_t> array(values.size());
        copy_to_device(stream, array.data(), values.data(), values.size());
        return array;
      };
      const auto all = on_device(tokens), distinct = on_device(where.tokens),
                 starts = on_device(where.starts), rows = on_device(where.rows);
      cuda::embed(stream, kAll, width, kLength, all.data(), token.data(), position.data(), stride,
                  x.data());
      token_gradient(stream, static_cast<int>(where.tokens.size()), distinct.data(), starts.data(),
                     rows.data(), width, dx.data(), d_token.data(), stride);
      position_gradient(stream, kSequences, kLength, width, dx.data(), d_position.data(), stride);
      std::vector<double> expected(x.host.size());
      supernet::embed(kAll, width, kLength, tokens.data(), token.host.data(), position.host.data(),
                      stride, expected.data());
      expect_near(x.now(), expected, kFp32);
      std::vector<double> of_tokens = d_token.host, of_positions = d_position.host;
      for (int r = 0; r < kAll; ++r)
        for (int i = 0; i < width; ++i) {
          const double d = dx.host[static_cast<std::size_t>(r * width + i)];
          of_tokens[static_cast<std::size_t>(tokens[static_cast<std::size_t>(r)] * stride + i)] +=
              d;
          of_positions[static_cast<std::size_t>(r % kLength * stride + i)] += d;
        }
      expect_near(d_token.now(), of_tokens, kFp32);
      expect_near(d_position.now(), of_positions, kFp32);
    }
}

TEST_F(CudaOptimiserKernels, AdamW) {
  Stream& stream = one_stream();
  for (const std::size_t size : {std::size_t{3}, std::size_t{1030}, std::size_t{5001}})
    for (const double clip_norm : {1.0, 1e6}) {
      const std::size_t matrices = size * 2 / 3;
      Numbers<float> gradient(size, 1), parameters(size, 2), m(size, 3, 0.1), v(size, 4, 0.1, 1);
      Numbers<Bf16> rounded(matrices);
      for (double& value : v.host) value = std::abs(value);
      std::vector<float> positive(v.host.begin(), v.host.end());
      copy_to_device(stream, v.data(), positive.data(), size);
      const DeviceArray<double> partial(kNormParts);
      const DeviceArray<NormOfGradient> norm(1);
      AdamW step{1e-2, 0.9, 0.98, 1e-8, 0.5, 0.5, 0.1, 0.02};
      gradient_norm(stream, size, gradient.data(), step.gradient_scale, clip_norm, partial.data(),
                    norm.data());
      apply_adamw(
          stream, step,
          {size, matrices, gradient.data(), parameters.data(), m.data(), v.data(), rounded.data()},
          norm.data());
      NormOfGradient found{};
      copy_to_host(stream, &found, norm.data(), 1);
      stream.synchronize();
      const double expected = std::sqrt(sum_of_squares(size, gradient.host.data())) * 0.5;
      EXPECT_NEAR(found.norm, expected, 1e-12 * expected);
      step.gradient_scale *= std::min(1.0, clip_norm / expected);
      std::vector<double> p = parameters.host;
      const auto update = [&](std::size_t first, std::size_t count) {
        supernet::adamw(count, step, gradient.host.data() + first, p.data() + first,
                        m.host.data() + first, v.host.data() + first);
      };
      update(0, matrices);
      step.weight_decay = 0;
      update(matrices, size - matrices);
      expect_near(parameters.now(), p, kFp32);
      expect_near(m.now(), m.host, kFp32);
      expect_near(v.now(), v.host, kFp32);
      const std::vector<double> weights = parameters.now();
      const std::vector<double> in_bf16 = rounded.now();
      for (std::size_t i = 0; i < matrices; ++i)
        ASSERT_EQ(in_bf16[i], to_float(to_bf16(static_cast<float>(weights[i]))));
    }
}

}  // namespace
}  // namespace paretoformer::supernet::cuda
