// The fast integer operators against the plain ones, bit for bit, on every instruction set that
// this processor has; and what the plain ones do at the edges.
#include "supernet/quantization/integer_operators.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "supernet/kernels/kernel_sets.hpp"
#include "supernet/kernels/matmul_int8.hpp"
#include "supernet/quantization/integer_kernel_sets.hpp"
#include "support/error.hpp"
#include "support/random.hpp"
#include "tests/supernet/quantization/extremes.hpp"
#include "tests/supernet/quantization/scalar_operators.hpp"

namespace paretoformer::supernet {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::int8_t kUntouched = 99;

// 1 to `most`, often 1 and around the sides of blocks.
int size_up_to(int most, Random& random) {
  if (random.chance(0.15)) return 1;
  if (random.chance(0.3))
    return std::min(
        most, 16 * (1 + static_cast<int>(random.below(6))) + static_cast<int>(random.below(3)) - 1);
  return 1 + static_cast<int>(random.below(static_cast<std::uint64_t>(most)));
}

// Small, large and extreme numbers, by a size that a whole matrix shares.
std::int32_t number(int bits, Random& random) {
  if (bits >= 32 && random.chance(0.1)) {
    constexpr std::array kExtremes = {kLowest, kLowest + 1, -1, 0, 1, kHighest - 1, kHighest};
    return kExtremes[random.below(kExtremes.size())];
  }
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(random.next())) >> (32 - bits);
}

// Rows that are further apart than they are long, with what lies between them.
template <class T>
struct Matrix {
  Matrix(int rows, int columns, int gap, T value = {})
      : stride(columns + gap),
        values(static_cast<std::size_t>(rows) * static_cast<std::size_t>(stride), value) {}
  operator Rows<T>() { return {values.data(), stride}; }
  operator Rows<const T>() const { return {values.data(), stride}; }

  int stride;
  std::vector<T> values;
};

float some_scale(Random& random) {
  constexpr std::array kScales = {
      1.0F,    0.5F, -0.25F, 16.0F, 1e-4F,
      3.1e-7F, 0.0F, 1e-42F, 1e30F, std::numeric_limits<float>::infinity()};
  if (random.chance(0.5)) return kScales[random.below(kScales.size())];
  return static_cast<float>(random.uniform());
}

using Operator = std::function<void(int, int, Rows<const std::int32_t>, Rows<std::int8_t>)>;

// Both on `rounds` matrices of random shapes.
void expect_equal(const std::string& what, const Operator& fast, const Operator& plain,
                  std::uint64_t round) {
  Random random(17, {round});
  const int rows = size_up_to(9, random);
  const int columns = size_up_to(random.chance(0.1) ? 3000 : 200, random);
  const int bits = 1 + static_cast<int>(random.below(32));
  Matrix<std::int32_t> x(rows, columns, static_cast<int>(random.below(5)));
  for (std::int32_t& value : x.values) value = number(bits, random);
  Matrix<std::int8_t> y(rows, columns, static_cast<int>(random.below(5)), kUntouched);
  Matrix<std::int8_t> expected = y;
  plain(rows, columns, x, expected);
  fast(rows, columns, x, y);
  ASSERT_EQ(y.values, expected.values)
      << what << " of " << rows << " x " << columns << " numbers of " << bits << " bits";
}

class EverySet : public testing::TestWithParam<const KernelSet*> {
 protected:
  const IntegerKernels& kernels() const { return integer_kernels(GetParam()->name); }
};
INSTANTIATE_TEST_SUITE_P(IntegerOperators, EverySet, testing::ValuesIn(kernel_sets()),
                         [](const auto& parameter) {
                           std::string name = parameter.param->name;
                           std::replace(name.begin(), name.end(), '-', '_');
                           return name;
                         });

TEST_P(EverySet, ScalesAsThePlainForm) {
  for (std::uint64_t round = 0; round < 1000; ++round) {
    Random random(5, {round});
    const float scale = some_scale(random);
    const auto with_scale = [&](auto function) -> Operator {
      return [=](int rows, int columns, auto x, auto y) { function(rows, columns, x, scale, y); };
    };
    expect_equal("requantisation", with_scale(kernels().requantize_rows),
                 with_scale(scalar::requantize_rows), round);
    expect_equal("ReLU", with_scale(kernels().integer_relu), with_scale(scalar::integer_relu),
                 round);
    expect_equal("LayerNorm", with_scale(kernels().integer_layer_norm),
                 with_scale(scalar::integer_layer_norm), round);
  }
}

TEST_P(EverySet, GeluIsThePlainForm) {
  for (std::uint64_t round = 0; round < 1000; ++round) {
    Random random(6, {round});
    const float scale = some_scale(random);
    GeluConstants constants = gelu_constants(static_cast<float>(1e-4 + random.uniform() * 0.2));
    if (random.chance(0.2)) constants = {number(32, random), number(32, random)};
    const auto with = [&](auto function) -> Operator {
      return [=](int rows, int columns, auto x, auto y) {
        function(rows, columns, x, constants, scale, y);
      };
    };
    expect_equal("i-GELU", with(kernels().integer_gelu), with(scalar::integer_gelu), round);
  }
}

TEST_P(EverySet, SoftmaxIsThePlainForm) {
  for (std::uint64_t round = 0; round < 2000; ++round) {
    Random random(7, {round});
    const float scale = random.chance(0.5) ? 1.0F : some_scale(random);
    const double exponent = -10.6 + random.uniform() * 10;  // 2.5e-5 to 0.55
    ExpConstants constants = exp_constants(static_cast<float>(std::exp(exponent)));
    if (random.chance(0.2)) {  // any, but for that of which kernels need the range
      const auto inverse = static_cast<std::int32_t>(random.below(65537));
      constants = {number(32, random), random.chance(0.1) ? 0 : inverse, number(32, random),
                   number(32, random)};
    }
    const auto with = [&](auto function) -> Operator {
      return [=](int rows, int columns, auto x, auto y) {
        function(rows, columns, x, constants, scale, y);
      };
    };
    expect_equal("softmax", with(kernels().integer_softmax), with(scalar::integer_softmax), round);
  }
}

TEST_P(EverySet, Int8IsScaledAndAddedAsInThePlainForm) {
  for (std::uint64_t round = 0; round < 1000; ++round) {
    Random random(8, {round});
    const int rows = size_up_to(9, random);
    const int columns = size_up_to(200, random);
    const bool dense = random.chance(0.5);
    Matrix<std::int8_t> a(rows, columns, dense ? 0 : 3), b(rows, columns, dense ? 0 : 1);
    for (auto* matrix : {&a, &b})
      for (std::int8_t& value : matrix->values) value = static_cast<std::int8_t>(number(8, random));
    const ResidualScales scales{some_scale(random), some_scale(random), some_scale(random),
                                random.chance(0.5)};
    Matrix<std::int8_t> y(rows, columns, dense ? 0 : 2, kUntouched);
    Matrix<std::int8_t> expected = y;
    scalar::rescale(rows, columns, a, scales.a, expected);
    kernels().rescale(rows, columns, a, scales.a, y);
    ASSERT_EQ(y.values, expected.values) << scales.a;
    scalar::residual_add(rows, columns, a, b, scales, expected);
    kernels().residual_add(rows, columns, a, b, scales, y);
    ASSERT_EQ(y.values, expected.values) << scales.a << ' ' << scales.b << ' ' << scales.sum;
  }
}

std::vector<Int8Unit> units() {
  std::vector<Int8Unit> here{Int8Unit::none};
  if (kernel_set().matmul_pairs) here.push_back(Int8Unit::pairs);
  if (int8_unit() == Int8Unit::vnni) here.push_back(Int8Unit::vnni);
  return here;
}

// Sums wrap where k is large or C begins with extremes.
TEST_P(EverySet, NumbersAreReadAsTheyAre) {
  for (const std::size_t count : {0, 1, 15, 64, 77, 200}) {
    Random random(9, {count});
    std::vector<std::int8_t> x(count);
    std::vector<std::int32_t> wide(count);
    std::vector<float> steps(count);
    std::int32_t largest = 0;
    for (std::size_t i = 0; i < count; ++i) {
      x[i] = static_cast<std::int8_t>(number(8, random));
      largest = std::max(largest, std::abs(std::int32_t{x[i]}));
    }
    kernels().widen(count, x.data(), -3, wide.data());
    kernels().to_float(count, wide.data(), 0.5F, steps.data());
    for (std::size_t i = 0; i < count; ++i) {
      EXPECT_EQ(wide[i], -3 * x[i]);
      EXPECT_EQ(steps[i], -1.5F * x[i]);
    }
    EXPECT_EQ(std::bit_cast<float>(kernels().largest_size(count, steps.data())),
              1.5F * static_cast<float>(largest));
  }
  const std::vector<float> none{1, -std::numeric_limits<float>::quiet_NaN(), 2};
  EXPECT_TRUE(std::isnan(std::bit_cast<float>(kernels().largest_size(3, none.data()))));
}

TEST(IntegerMatmul, EqualsThePlainFormOnRandomShapesStridesAndTransposes) {
  Random random(12);
  for (int round = 0; round < 400; ++round) {
    const bool big = round % 50 == 0;  // beyond the blocks of m, n and k
    const int m = size_up_to(big ? 700 : 60, random);
    const int n = size_up_to(big ? 700 : 100, random);
    const int k = size_up_to(big ? 1700 : 150, random);
    const bool a_t = random.chance(0.3), b_t = random.chance(0.5), extreme = random.chance(0.2);
    Matrix<std::int8_t> a(a_t ? k : m, a_t ? m : k, static_cast<int>(random.below(7)));
    Matrix<std::int8_t> b(b_t ? n : k, b_t ? k : n, static_cast<int>(random.below(7)));
    for (auto* matrix : {&a, &b})
      for (std::int8_t& value : matrix->values)
        value = extreme ? std::int8_t{-128} : static_cast<std::int8_t>(number(8, random));
    const auto view_a =
        a_t ? transposed(a.values.data(), a.stride) : plain(a.values.data(), a.stride);
    const auto view_b =
        b_t ? transposed(b.values.data(), b.stride) : plain(b.values.data(), b.stride);
    Matrix<std::int32_t> bias(m, n, 3);
    for (std::int32_t& value : bias.values) value = number(32, random);
    Matrix<std::int32_t> expected(m, n, static_cast<int>(random.below(5)), 42);
    for (const Bias& begin :
         {Bias{}, Bias{bias.values.data(), 0}, Bias{bias.values.data(), n + 3}}) {
      scalar::integer_matmul(m, n, k, view_a, view_b, begin, expected);
      Matrix<std::int32_t> c = expected;
      std::fill(c.values.begin(), c.values.end(), 42);
      integer_matmul(m, n, k, view_a, view_b, begin, c);
      ASSERT_EQ(c.values, expected.values) << m << " x " << k << " x " << n;
      for (const Int8Unit unit : units()) {
        std::fill(c.values.begin(), c.values.end(), 42);
        matmul_int8(m, n, k, view_a, view_b, begin, c.values.data(), c.stride, unit);
        ASSERT_EQ(c.values, expected.values) << m << " x " << k << " x " << n;
      }
      for (const KernelSet* set : kernel_sets()) {
        if (!set->matmul_pairs) continue;
        std::fill(c.values.begin(), c.values.end(), 42);
        set->matmul_pairs(m, n, k, view_a, view_b, begin, c.values.data(), c.stride);
        ASSERT_EQ(c.values, expected.values) << set->name << ' ' << m << " x " << k << " x " << n;
      }
    }
  }
}

TEST(IntegerMatmul, SumsOfTheLargestProductsWrap) {
  const int k = 2 * 131072 + 5;  // each 131072 times 2^14 is 2^31
  const std::vector<std::int8_t> a(k, -128);
  for (const Int8Unit unit : units()) {
    std::int32_t c = 1000;
    matmul_int8(1, 1, k, plain(a.data(), k), transposed(a.data(), k), {&c, 1}, &c, 1, unit);
    EXPECT_EQ(c, 1000 + 5 * 16384);
  }
  std::int32_t expected = 0;
  const std::int32_t begin = kHighest;
  scalar::integer_matmul(1, 1, 131072, plain(a.data(), k), transposed(a.data(), k), {&begin, 1},
                         {&expected, 1});
  EXPECT_EQ(expected, -1);
}

// Beyond 2^24 floats do not hold odd sums.
TEST(IntegerMatmul, LargeSumsAreExact) {
  Random random(9);
  const int k = 20'000;
  std::vector<std::int8_t> a(k);
  std::int64_t expected = 0;
  for (std::int8_t& value : a) {
    value = static_cast<std::int8_t>(100 + random.below(28));
    expected += value * value;
  }
  for (const Int8Unit unit : units()) {
    std::int32_t c = 0;
    matmul_int8(1, 1, k, plain(a.data(), k), transposed(a.data(), k), {}, &c, 1, unit);
    EXPECT_EQ(c, expected);
  }
}

TEST(IntegerMatmul, NothingIsTheBias) {
  const std::int8_t none = 1;
  const std::array<std::int32_t, 2> bias = {5, kLowest};
  std::array<std::int32_t, 2> c = {7, 7};
  integer_matmul(1, 2, 0, plain(&none, 1), plain(&none, 1), {bias.data(), 0}, {c.data(), 2});
  EXPECT_EQ(c, bias);
  integer_matmul(1, 2, 0, plain(&none, 1), plain(&none, 1), {}, {c.data(), 2});
  EXPECT_THAT(c, Each(0));
  c = {7, 7};
  integer_matmul(0, 2, 1, plain(&none, 1), plain(&none, 1), {bias.data(), 0}, {c.data(), 2});
  integer_matmul(1, 0, 1, plain(&none, 1), plain(&none, 1), {bias.data(), 0}, {c.data(), 2});
  EXPECT_THAT(c, Each(7));
}

std::vector<std::int8_t> softmax(const std::vector<std::int32_t>& row, float input_scale = 0.05F) {
  std::vector<std::int8_t> y(row.size());
  integer_softmax(1, static_cast<int>(row.size()), {row.data(), 0}, exp_constants(input_scale), 1,
                  {y.data(), 0});
  return y;
}

std::vector<std::int8_t> layer_norm(const std::vector<std::int32_t>& row, float scale) {
  std::vector<std::int8_t> y(row.size());
  integer_layer_norm(1, static_cast<int>(row.size()), {row.data(), 0}, scale, {y.data(), 0});
  return y;
}

TEST(IntegerSoftmax, MaskedScoresAreNothing) {
  EXPECT_THAT(softmax({20, 20, 100 + kMasked, -3 + kMasked}), ElementsAre(64, 64, 0, 0));
  EXPECT_THAT(softmax({20}), ElementsAre(127));
  // The largest scores that this holds for, at a scale whose exponentials reach far.
  constexpr std::int32_t kSize = (1 << 28) - 1;
  EXPECT_THAT(softmax({-kSize, kSize + kMasked, -kSize + kMasked}, 5.2e-5F),
              ElementsAre(127, 0, 0));
}

TEST(IntegerSoftmax, ARowOfMaskedScoresIsAsWithoutTheMask) {
  std::vector<std::int32_t> scores = {3, 60, -80, 59, 0};
  const std::vector<std::int8_t> expected = softmax(scores);
  for (std::int32_t& score : scores) score += kMasked;
  EXPECT_EQ(softmax(scores), expected);
  EXPECT_THAT(softmax({kMasked, kMasked, kMasked, kMasked}), Each(32));
}

// A difference of 2^31 or more wraps, and is of a number far above the largest: nothing.
TEST(IntegerSoftmax, DifferencesThatWrapAreNothing) {
  EXPECT_THAT(softmax({kHighest, kLowest, -1, 0}), ElementsAre(127, 0, 0, 0));
}

// Sums wrap: 4 times (b^2 + c), close to 2^30 each, are nothing, and 127 / 0 is infinite.
TEST(IntegerSoftmax, SumsWrap) {
  const ExpConstants constants{1000, 65, 1 << 15, 0};
  const std::vector<std::int32_t> row(4, 9);
  std::vector<std::int8_t> y(4), expected(4);
  integer_softmax(1, 4, {row.data(), 0}, constants, 1, {y.data(), 0});
  scalar::integer_softmax(1, 4, {row.data(), 0}, constants, 1, {expected.data(), 0});
  EXPECT_EQ(y, expected);
  EXPECT_THAT(y, Each(127));
  integer_softmax(1, 2, {row.data(), 0}, constants, 1, {y.data(), 0});
  EXPECT_THAT(std::vector(y.begin(), y.begin() + 2), Each(-64));  // the sum is -2^31: -63.5
}

TEST(IntegerLayerNorm, RowsWithoutVarianceKeepTheDifferences) {
  EXPECT_THAT(layer_norm({7, 7, 7, 7, 7}, 16), Each(0));
  EXPECT_THAT(layer_norm({kLowest}, 16), Each(0));
  EXPECT_THAT(layer_norm({1, 0, 0, 0}, 16), ElementsAre(16, 0, 0, 0));  // mean 0, variance 0
  EXPECT_THAT(layer_norm({-7, -7, -6, -7}, 16), ElementsAre(-16, -16, 0, -16));  // mean -6
}

TEST(IntegerLayerNorm, IsWhatItIs) {
  EXPECT_THAT(layer_norm({10, -10, 30, -30}, 20), ElementsAre(9, -9, 27, -27));   // root 22
  EXPECT_THAT(layer_norm({0, 0, 0, 100}, 100), ElementsAre(-58, -58, -58, 127));  // root 43
}

// Two numbers 65536 apart: the squares sum up to 2^31, which is negative, and the root of that over
// 2, taken as unsigned, is sign-extended.
TEST(IntegerLayerNorm, SquaresThatWrapHaveTheWrongSign) {
  EXPECT_THAT(layer_norm({32768, -32768}, 10), ElementsAre(-37, 37));  // root 56755 - 65536
  EXPECT_THAT(layer_norm({32767, -32767}, 10), ElementsAre(10, -10));
}

TEST(IntegerOperators, RowsThatCannotBeCountedAreRefused) {
  const std::vector<std::int32_t> row(65536, 1);
  std::vector<std::int8_t> y(row.size());
  const Rows<const std::int32_t> x{row.data(), 0};
  const ExpConstants constants = exp_constants(0.05F);
  EXPECT_THROW(integer_softmax(1, 0, x, constants, 1, {y.data(), 0}), InputError);
  EXPECT_NO_THROW(integer_softmax(1, 65536, x, constants, 1, {y.data(), 0}));
  EXPECT_THROW(integer_layer_norm(1, 0, x, 1, {y.data(), 0}), InputError);
  EXPECT_THROW(integer_layer_norm(1, 65536, x, 1, {y.data(), 0}), InputError);
  EXPECT_NO_THROW(integer_layer_norm(1, 65535, x, 1, {y.data(), 0}));
}

TEST(IntegerOperators, ResidualAdd) {
  const std::vector<std::int8_t> a = {100, -100, 3, -128}, b = {50, -50, -4, -128};
  std::vector<std::int8_t> y(4);
  residual_add(1, 4, {a.data(), 0}, {b.data(), 0}, {1, 1, 1}, {y.data(), 0});
  EXPECT_THAT(y, ElementsAre(127, -128, -1, -128));
  residual_add(1, 4, {a.data(), 0}, {b.data(), 0}, {2, 0.5F, 0.5F}, {y.data(), 0});
  EXPECT_THAT(y, ElementsAre(76, -76, 2, -96));  // 127 + 25, -128 - 25, 6 - 2, -128 - 64
  residual_add(1, 4, {a.data(), 0}, {b.data(), 0}, {1, 1, -1, true}, {y.data(), 0});
  EXPECT_THAT(y, ElementsAre(-128, 0, 0, 0));
}

// Constants that no scale gives take the plain form.
TEST(IntegerOperators, SoftmaxTakesAnyConstants) {
  Random random(2);
  for (int round = 0; round < 200; ++round) {
    const ExpConstants constants{number(32, random), number(32, random), number(32, random),
                                 number(32, random)};
    std::vector<std::int32_t> row(37);
    for (std::int32_t& value : row) value = number(32, random);
    std::vector<std::int8_t> y(row.size()), expected(row.size());
    integer_softmax(1, 37, {row.data(), 0}, constants, 1, {y.data(), 0});
    scalar::integer_softmax(1, 37, {row.data(), 0}, constants, 1, {expected.data(), 0});
    ASSERT_EQ(y, expected);
  }
}

}  // namespace
}  // namespace paretoformer::supernet
