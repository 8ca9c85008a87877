#include "supernet/quantization/integer_arithmetic.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/random.hpp"
#include "tests/error_of.hpp"
#include "tests/supernet/quantization/extremes.hpp"

namespace paretoformer::supernet {
namespace {

using testing::HasSubstr;

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(IntegerArithmetic, SumsAndProductsWrap) {
  EXPECT_EQ(wrapping_add(kHighest, 1), kLowest);
  EXPECT_EQ(wrapping_subtract(kLowest, 1), kHighest);
  EXPECT_EQ(wrapping_subtract(0, kLowest), kLowest);
  EXPECT_EQ(wrapping_multiply(65536, 65536), 0);
  EXPECT_EQ(wrapping_multiply(kLowest, -1), kLowest);
  EXPECT_EQ(wrapping_multiply(46341, 46341), 46341LL * 46341 - (1LL << 32));
}

TEST(IntegerArithmetic, ScalingRoundsTiesToEven) {
  EXPECT_EQ(scale_and_round(1, 0.5F), 0);
  EXPECT_EQ(scale_and_round(3, 0.5F), 2);
  EXPECT_EQ(scale_and_round(5, 0.5F), 2);
  EXPECT_EQ(scale_and_round(-1, 0.5F), 0);
  EXPECT_EQ(scale_and_round(-3, 0.5F), -2);
  EXPECT_EQ(scale_and_round(-5, 0.5F), -2);
  EXPECT_EQ(scale_and_round(7, -0.5F), -4);
}

// The number itself is rounded to single precision, and so is the product, before that is rounded
// to an integer.
TEST(IntegerArithmetic, ScalingIsInSinglePrecision) {
  EXPECT_EQ(scale_and_round((1 << 24) + 1, 1), 1 << 24);
  EXPECT_EQ(scale_and_round((1 << 24) + 3, 1), (1 << 24) + 4);
  // 0.1F is a little more than a tenth: exactly, 5 of it are more than 0.5; in fp32 they are 0.5.
  EXPECT_GT(5 * static_cast<double>(0.1F), 0.5);
  EXPECT_EQ(scale_and_round(5, 0.1F), 0);
}

TEST(IntegerArithmetic, ScalingSaturates) {
  EXPECT_EQ(scale_and_round(kHighest, 1), kHighest);
  EXPECT_EQ(scale_and_round(kLowest, 1), kLowest);
  EXPECT_EQ(scale_and_round(kLowest, -1), kHighest);
  EXPECT_EQ(scale_and_round(1 << 30, 2), kHighest);
  EXPECT_EQ(scale_and_round(-(1 << 30), 2), kLowest);
  EXPECT_EQ(scale_and_round(-(1 << 30), 3), kLowest);
  EXPECT_EQ(scale_and_round(1, kInfinity), kHighest);
  EXPECT_EQ(scale_and_round(-1, kInfinity), kLowest);
  EXPECT_EQ(scale_and_round(0, kInfinity), kHighest);  // NaN
  EXPECT_EQ(scale_and_round(-1, std::numeric_limits<float>::quiet_NaN()), kHighest);
  EXPECT_EQ(requantize(255, 0.5F), 127);  // 127.5 to 128
  EXPECT_EQ(requantize(-257, 0.5F), -128);
  EXPECT_EQ(requantize(kLowest, kInfinity), -128);
  EXPECT_EQ(requantize(kHighest, 1e-45F), 0);
}

TEST(IntegerArithmetic, ConstantsAreThoseOfTheLibrary) {
  // gemmini.h at 0.05, the scale that tiled_norm uses, by hand.
  const ExpConstants exp = exp_constants(0.05F);
  EXPECT_EQ(exp.ln2, 13);
  EXPECT_EQ(exp.inverse_ln2, 5041);
  EXPECT_EQ(exp.b, 27);
  EXPECT_EQ(exp.c, 383);
  const GeluConstants gelu = gelu_constants(0.05F);
  EXPECT_EQ(gelu.b, -50);
  EXPECT_EQ(gelu.c, -2770);
  // Where double and single precision truncate to different integers: in C, 0.693147 is a double,
  // the other constants of i-exp are floats.
  EXPECT_EQ(exp_constants(9.1e-5F).ln2, 7616);
  EXPECT_EQ(exp_constants(1.042e-3F).c, 883759);
}

TEST(IntegerArithmetic, ScalesWithoutConstantsAreRefused) {
  for (const float scale : {0.0F, -1.0F, kInfinity, std::nanf("")}) {
    EXPECT_THAT(error_of([&] { exp_constants(scale); }), HasSubstr("expected a positive number"));
    EXPECT_THAT(error_of([&] { gelu_constants(scale); }), HasSubstr("expected a positive number"));
  }
  EXPECT_EQ(exp_constants(0.6931F).ln2, 1);
  EXPECT_THAT(error_of([] { exp_constants(0.6932F); }), HasSubstr("i-exp takes at most"));
  EXPECT_GT(exp_constants(2.2e-5F).c, 1'900'000'000);
  EXPECT_THAT(error_of([] { exp_constants(2.1e-5F); }), HasSubstr("too small for 32 bits"));
  EXPECT_THAT(error_of([] { exp_constants(1e-40F); }), HasSubstr("too small for 32 bits"));
  EXPECT_LT(gelu_constants(5.7e-5F).c, -2'100'000'000);
  EXPECT_THAT(error_of([] { gelu_constants(5.6e-5F); }), HasSubstr("too small for 32 bits"));
  EXPECT_EQ(gelu_constants(10).c, 0);
}

TEST(IntegerArithmetic, ExponentialsEndAtZero) {
  const ExpConstants constants = exp_constants(0.05F);
  EXPECT_EQ(i_exp(0, constants), 27 * 27 + 383);
  EXPECT_EQ(i_exp(-13, constants), 14 * 14 + 383);        // z is 0: 65533 is not quite 1
  EXPECT_EQ(i_exp(-14, constants), (26 * 26 + 383) / 2);  // z is 1
  EXPECT_EQ(i_exp(-417, constants), 0);                   // shifted by 32 and more:
  for (const std::int32_t q : {-(1 << 16) * 13, -1'000'000'000, kLowest + 1, kLowest})
    EXPECT_EQ(i_exp(q, constants), 0) << q;
  EXPECT_EQ(i_exp(1, constants), 0);  // a difference that has wrapped
  // The product with 65536 / ln2 has 64 bits: here its lower 32 say z = 1.
  const std::int64_t q = ((std::int64_t{1} << 32) + 100'000) / 5041;
  EXPECT_EQ(((q * 5041) & 0xFFFFFFFF) >> 16, 1);
  EXPECT_EQ(i_exp(static_cast<std::int32_t>(-q), constants), 0);
}

TEST(IntegerArithmetic, GeluOfLargeNumbersIsTheNumberOrNothing) {
  const GeluConstants constants = gelu_constants(0.05F);
  EXPECT_EQ(i_gelu(0, constants), 0);
  for (const std::int32_t x : {50, 51, 1000, 300'000}) {
    EXPECT_EQ(i_gelu(x, constants), x * 2 * constants.c);
    EXPECT_EQ(i_gelu(-x, constants), 0);
  }
  // -2^31 has no absolute value: the hardware goes on with itself.
  const std::int32_t sum = wrapping_add(kLowest, constants.b);
  const std::int32_t polynomial = wrapping_add(wrapping_multiply(sum, sum), constants.c);
  EXPECT_EQ(i_gelu(kLowest, constants),
            wrapping_multiply(kLowest, wrapping_subtract(constants.c, polynomial)));
}

TEST(IntegerArithmetic, RootsAreTheLargestWhoseSquareFits) {
  Random random(3);
  for (std::uint32_t r = 1; r <= 65535; ++r) {
    ASSERT_EQ(i_sqrt(r * r), r);
    ASSERT_EQ(i_sqrt(r * r - 1), r - 1);
  }
  EXPECT_EQ(i_sqrt(0), 0U);
  EXPECT_EQ(i_sqrt(~0U), 65535U);
}

}  // namespace
}  // namespace paretoformer::supernet
