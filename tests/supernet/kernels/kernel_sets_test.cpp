#include "supernet/kernels/kernel_sets.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>
#include <vector>

#include "supernet/kernels/matmul_bf16.hpp"
#include "supernet/kernels/matmul_int8.hpp"
#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

using testing::HasSubstr;

constexpr int kM = 45, kN = 77;  // of the matrix product

const KernelSet* find(const std::string& name) {
  for (const KernelSet* set : kernel_sets())
    if (set->name == name) return set;
  return nullptr;
}

TEST(KernelSets, EveryProcessorHasThePortableOne) {
  ASSERT_FALSE(kernel_sets().empty());
  EXPECT_EQ(std::string(kernel_sets().front()->name), "portable");
  for (const KernelSet* set : kernel_sets()) EXPECT_EQ(&kernel_set_named(set->name), set);
}

TEST(KernelSets, TheFastestIsUsedUnlessTheEnvironmentNamesOne) {
  const char* wanted = std::getenv("PARETOFORMER_CPU");
  if (wanted && *wanted) {
    EXPECT_EQ(std::string(kernel_set().name), wanted);
    EXPECT_EQ(bf16_unit(), Bf16Unit::none);
    EXPECT_NE(int8_unit(), Int8Unit::vnni);
  } else {
    EXPECT_EQ(&kernel_set(), kernel_sets().back());
  }
  EXPECT_EQ(&kernels<float>(), &kernel_set().of_float);
  EXPECT_EQ(&kernels<double>(), &kernel_set().of_double);
}

TEST(KernelSets, AnotherNameIsRefused) {
  for (const char* name : {"", "avx2", "X86-64-V3", "portable ", "x86-64-v5"}) {
    try {
      kernel_set_named(name);
      ADD_FAILURE() << name;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr("PARETOFORMER_CPU: \"" + std::string(name) + "\""));
      EXPECT_THAT(error.what(), HasSubstr(": portable"));
    }
  }
}

template <class T>
std::vector<T> normals(int count, std::uint64_t seed) {
  Random random(seed);
  std::vector<T> values(static_cast<std::size_t>(count));
  for (T& value : values) value = static_cast<T>(random.normal());
  return values;
}

// What every kernel makes of the same numbers, one after the other. The width is no multiple of any
// vector.
template <class T>
std::vector<T> results(const Kernels<T>& kernels) {
  constexpr int kRows = 7, kWidth = 77, kCount = kRows * kWidth;
  std::vector<T> all;
  const auto keep = [&](const std::vector<T>& values) {
    all.insert(all.end(), values.begin(), values.end());
  };
  const std::vector<T> x = normals<T>(kCount, 1), dy = normals<T>(kCount, 2);
  const std::vector<T> gain = normals<T>(kWidth, 3), bias = normals<T>(kWidth, 4);
  const std::vector<std::int32_t> tokens{0, 76, 3, 3, 11, 40, 76};

  std::vector<T> y(kCount), mean(kRows), deviation(kRows), dx(kCount), sum(kWidth);
  std::vector<T> d_gain(kWidth), d_bias(kWidth);
  const std::vector<T> table = normals<T>(kWidth * kWidth, 5);
  kernels.embed(kRows, kWidth, 4, tokens.data(), table.data(), x.data(), kWidth, y.data());
  keep(y);
  kernels.layer_norm(kRows, kWidth, x.data(), gain.data(), bias.data(), y.data(), mean.data(),
                     deviation.data());
  keep(y), keep(mean), keep(deviation);
  kernels.layer_norm_backward(kRows, kWidth, dy.data(), x.data(), gain.data(), mean.data(),
                              deviation.data(), y.data(), dx.data(), d_gain.data(), d_bias.data(),
                              sum.data());
  keep(dx), keep(d_gain), keep(d_bias), keep(sum);
  kernels.add_bias(kRows, kWidth, bias.data(), y.data());
  kernels.add_residual(kRows, kWidth, x.data(), bias.data(), y.data());
  kernels.add_bias_backward(kRows, kWidth, dy.data(), d_bias.data());
  keep(y), keep(d_bias);
  const DropoutMask mask{5, 3, 1U << 30, 4.0 / 3};
  kernels.add_dropped(kRows, kWidth, mask, x.data(), bias.data(), y.data());
  keep(y);
  kernels.drop(kRows, kWidth, mask, dy.data(), y.data());
  keep(y);
  std::vector<T> slope = x, gradient = dy;
  kernels.bias_gelu(kRows, kWidth, bias.data(), true, slope.data(), y.data());
  kernels.bias_gelu_backward(kRows, kWidth, slope.data(), gradient.data(), d_bias.data());
  keep(y), keep(slope), keep(gradient), keep(d_bias);
  std::vector<std::uint8_t> inside(kCount), sum_inside(kCount);
  const auto keep_flags = [&](const std::vector<std::uint8_t>& flags) {
    all.insert(all.end(), flags.begin(), flags.end());
  };
  std::vector<T> rounded = x;
  kernels.round_to_int8(kRows, kWidth, kWidth, T{0.0156}, rounded.data(), inside.data());
  kernels.where_inside(kCount, inside.data(), dy.data(), y.data());
  keep(rounded), keep_flags(inside), keep(y);
  kernels.rounded_layer_norm(kRows, kWidth, rounded.data(), T{0.0039}, T{0.0156}, y.data(),
                             mean.data(), deviation.data(), inside.data());
  keep(y), keep(mean), keep(deviation), keep_flags(inside);
  y = dy;
  kernels.rounded_residual(kRows, kWidth, rounded.data(), bias.data(), T{0.0171}, T{0.0183},
                           y.data(), inside.data(), sum_inside.data());
  keep(y), keep_flags(inside), keep_flags(sum_inside);
  slope = dy;
  kernels.rounded_gelu(kRows, kWidth, bias.data(), T{0.0171}, T{0.0183}, slope.data(), y.data());
  keep(y), keep(slope);
  std::vector<T> scores = x, again = x;
  kernels.causal_softmax(kRows, kWidth, 40, T{0.5}, scores.data(), kWidth, mean.data());
  kernels.causal_softmax_again(kRows, kWidth, 40, T{0.5}, again.data(), kWidth, mean.data());
  kernels.softmax_backward(kRows, kWidth, scores.data(), gradient.data(), kWidth, T{0.5});
  keep(scores), keep(again), keep(mean), keep(gradient);
  std::vector<T> logits = x, soft = dy, copy = x;
  std::vector<T> losses;
  losses.push_back(static_cast<T>(
      kernels.cross_entropy(kRows, kWidth, logits.data(), tokens.data(), T{0.25}, y.data())));
  losses.push_back(static_cast<T>(
      kernels.distillation(kRows, kWidth, soft.data(), tokens.data(), y.data(), T{0.7}, T{0.25})));
  losses.push_back(
      static_cast<T>(kernels.cross_entropy_loss(kRows, kWidth, copy.data(), tokens.data())));
  losses.push_back(static_cast<T>(kernels.sum_of_squares(kCount, x.data())));
  keep(logits), keep(soft), keep(y), keep(losses);
  std::vector<T> parameters = x, m = normals<T>(kCount, 6), v = y;
  kernels.adamw(kCount, AdamW{0.01, 0.9, 0.98, 1e-8, 0.05, 0.5, 0.1, 0.02}, dy.data(),
                parameters.data(), m.data(), v.data());
  keep(parameters), keep(m), keep(v);

  constexpr int kK = 800;  // more than a block
  const std::vector<T> a = normals<T>(kM * kK, 7), b = normals<T>(kK * kN, 8);
  std::vector<T> c(kM * kN);
  kernels.matmul_vector(kM, kN, kK, plain(a.data(), kK), plain(b.data(), kN), c.data(), kN,
                        Into::replace);
  kernels.matmul_vector(kM, kN, kK, transposed(a.data(), kM), transposed(b.data(), kK), c.data(),
                        kN, Into::accumulate);
  keep(c);
  return all;
}

TEST(KernelSets, Avx2AndAvx512GiveTheSameBits) {
  const KernelSet* const v3 = find("x86-64-v3");
  const KernelSet* const v4 = find("x86-64-v4");
  if (!v3 || !v4) GTEST_SKIP() << "this processor has not both";
  EXPECT_EQ(results(v3->of_float), results(v4->of_float));
  EXPECT_EQ(results(v3->of_double), results(v4->of_double));
}

// Fused multiply-add or not, and the other floating-point type. Results are of size one but those
// of the matrix product, the last of all: its 1600 terms have sizes that add up to 1000, and fp32
// may be off by 2^-22 of that.
TEST(KernelSets, AllAgreeWithinRounding) {
  const std::vector<double> expected = results(portable::kKernels.of_double);
  for (const KernelSet* set : kernel_sets()) {
    const std::vector<double> doubles = results(set->of_double);
    const std::vector<float> floats = results(set->of_float);
    ASSERT_EQ(doubles.size(), expected.size());
    ASSERT_EQ(floats.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double size = 1 + std::abs(expected[i]);
      ASSERT_NEAR(doubles[i], expected[i], 1e-13 * size) << set->name << " " << i;
      const bool product = i + kM * kN >= expected.size();
      ASSERT_NEAR(floats[i], expected[i], product ? 0x1p-22 * 1000 : 3e-5 * size)
          << set->name << " " << i;
    }
  }
}

}  // namespace
}  // namespace paretoformer::supernet
