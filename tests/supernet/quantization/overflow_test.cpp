#include "supernet/quantization/overflow.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/random.hpp"
#include "tests/supernet/quantization/extremes.hpp"

namespace paretoformer::supernet {
namespace {

bool wraps(std::int64_t sum) { return sum != static_cast<std::int32_t>(sum); }

// Whether one of LayerNorm's sums of this row does.
bool sums_wrap(const std::vector<std::int32_t>& row) {
  std::int64_t sum = 0;
  for (const std::int32_t value : row) sum += value;
  if (wraps(sum)) return true;
  const std::int64_t mean = sum / static_cast<std::int64_t>(row.size());
  std::int64_t squares = 0;
  for (const std::int32_t value : row) {
    const std::int64_t difference = value - mean;
    if (wraps(difference) || wraps(squares += difference * difference)) return true;
  }
  return false;
}

// `high` numbers of the highest value, the others of the lowest: the largest sums of squares.
std::vector<std::int32_t> two_valued(IntegerRange range, int columns, int high) {
  std::vector<std::int32_t> row(static_cast<std::size_t>(columns), range.lowest);
  std::fill_n(row.begin(), high, range.highest);
  return row;
}

// The range that is just safe, and the next one.
TEST(Overflow, LayerNormIsSafeUpToTheBoundAndNotBeyond) {
  for (const auto& [columns, half] : {std::pair{768, 1672}, {128, 4095}, {512, 2047}, {2, 32767}}) {
    const IntegerRange safe{-half, half};
    EXPECT_TRUE(layer_norm_is_safe(safe, columns)) << columns;
    EXPECT_LT(largest_sum_of_squares(safe, columns), 0x1p31);
    EXPECT_FALSE(sums_wrap(two_valued(safe, columns, columns / 2)));
    const IntegerRange beyond{-half - 1, half + 1};
    EXPECT_FALSE(layer_norm_is_safe(beyond, columns)) << columns;
    EXPECT_TRUE(sums_wrap(two_valued(beyond, columns, columns / 2))) << columns;
  }
}

TEST(Overflow, LayerNormOfInt8IsAlwaysSafe) {
  EXPECT_TRUE(layer_norm_is_safe({-128, 127}, 65535));
  EXPECT_LT(largest_sum_of_squares({-128, 127}, 65535), 0x1p30);
}

// Far from zero the sum of the numbers is what wraps.
TEST(Overflow, TheSumOfARowCountsToo) {
  const std::int32_t most = (1 << 21) - 1;
  EXPECT_TRUE(layer_norm_is_safe({most - 10, most}, 1024));
  EXPECT_FALSE(layer_norm_is_safe({most - 10, most + 1}, 1024));
  EXPECT_FALSE(sums_wrap(std::vector<std::int32_t>(1024, most)));
  EXPECT_TRUE(sums_wrap(std::vector<std::int32_t>(1024, most + 1)));
  EXPECT_FALSE(layer_norm_is_safe({kLowest, kHighest}, 2));
  EXPECT_TRUE(sums_wrap({kLowest, kHighest}));
}

TEST(Overflow, OfAnUnsafeRangeSomeRowsWrap) {
  EXPECT_FALSE(layer_norm_is_safe({0, 45000}, 40));
  std::vector<std::int32_t> row(40, 0);
  row[7] = 45000;
  EXPECT_FALSE(sums_wrap(row));
  row[8] = 45000;
  EXPECT_TRUE(sums_wrap(row));
}

// The bound holds for every row, and some rows come close to it.
TEST(Overflow, NoSumOfSquaresIsBeyondTheBound) {
  Random random(4);
  for (int round = 0; round < 2000; ++round) {
    const int columns = 1 + static_cast<int>(random.below(40));
    const auto lowest = static_cast<std::int32_t>(random.below(100)) - 60;
    const IntegerRange range{lowest, lowest + static_cast<std::int32_t>(random.below(80))};
    std::vector<std::int32_t> row = two_valued(
        range, columns, static_cast<int>(random.below(static_cast<std::uint64_t>(columns) + 1)));
    if (random.chance(0.5))
      for (std::int32_t& value : row)
        value = range.lowest + static_cast<std::int32_t>(random.below(
                                   static_cast<std::uint64_t>(range.highest - range.lowest) + 1));
    std::int64_t sum = 0;
    for (const std::int32_t value : row) sum += value;
    std::int64_t squares = 0;
    for (const std::int32_t value : row)
      squares += (value - sum / columns) * (value - sum / columns);
    ASSERT_LE(static_cast<double>(squares), largest_sum_of_squares(range, columns) + 1e-9);
  }
  EXPECT_EQ(largest_sum_of_squares({-5, 9}, 1), 0);
  EXPECT_EQ(largest_sum_of_squares({-10, 10}, 4), 400 + 9.0 / 4);
}

// Columns times b^2 + c: on one side of 2^31 the row of equal scores is right, on the other
// garbage.
TEST(Overflow, SoftmaxIsSafeUpToTheBoundAndNotBeyond) {
  const ExpConstants constants = exp_constants(0.001F);
  const std::int64_t one = i_exp(0, constants);
  EXPECT_EQ(one, std::int64_t{constants.b} * constants.b + constants.c);
  const int most = static_cast<int>(((std::int64_t{1} << 31) - 1) / one);
  for (const int columns : {most, most + 1}) {
    EXPECT_EQ(softmax_is_safe({-3000, 3000}, constants, columns), columns == most);
    const std::vector<std::int32_t> row(static_cast<std::size_t>(columns), 5);
    std::vector<std::int8_t> y(row.size());
    integer_softmax(1, columns, {row.data(), 0}, constants, 1000, {y.data(), 0});
    EXPECT_EQ(y[0] > 0, columns == most) << columns;
  }
  EXPECT_TRUE(softmax_is_safe({kMasked, 3000}, constants, most));
  EXPECT_FALSE(softmax_is_safe({kLowest, 0}, constants, 1));
}

// i-exp of q <= 0 in 64 bits, which nothing wraps.
std::int64_t exact_exp(std::int64_t q, const ExpConstants& constants) {
  const std::int64_t z = (-q * constants.inverse_ln2) >> 16;
  if (z >= 32) return 0;
  const std::int64_t sum = q + z * constants.ln2 + constants.b;
  return (sum * sum + constants.c) >> z;
}

// Also where 65536 / ln2 is so coarse that z comes out too small: at 4.2e-5 the polynomial wraps
// far from the largest number, though not at it.
TEST(Overflow, SoftmaxThatIsSafeHasTheExactExponentials) {
  for (const float scale : {0.5F, 0.05F, 1e-3F, 1e-4F, 6e-5F, 4.2e-5F, 3e-5F, 2.2e-5F}) {
    const ExpConstants constants = exp_constants(scale);
    const std::int32_t furthest = 40 * constants.ln2;
    std::int64_t largest = 0;
    bool exact = true;
    for (std::int32_t q = 0; q <= furthest; q += 1 + constants.ln2 / 1000) {
      largest = std::max(largest, exact_exp(-q, constants));
      exact = exact && i_exp(-q, constants) == exact_exp(-q, constants);
    }
    EXPECT_EQ(softmax_is_safe({-furthest, 0}, constants, 1), exact) << scale;
    EXPECT_EQ(exact, scale > 5e-5F) << scale;
    for (int columns = 1; softmax_is_safe({-furthest, 0}, constants, columns); columns *= 2)
      ASSERT_LT(largest * columns, std::int64_t{1} << 31) << scale;
  }
  EXPECT_TRUE(softmax_is_safe({-20'000, 0}, exp_constants(4.2e-5F), 1));
}

TEST(Overflow, GeluIsSafeUpToTheBoundAndNotBeyond) {
  for (const float scale : {0.05F, 0.01F, 0.004F}) {
    const GeluConstants constants = gelu_constants(scale);
    const std::int64_t factor = 2 * std::int64_t{constants.c};
    const auto most = static_cast<std::int32_t>(((std::int64_t{1} << 31) - 1) / -factor);
    ASSERT_GT(most, -constants.b);
    EXPECT_TRUE(gelu_is_safe({-most, most}, constants));
    EXPECT_EQ(i_gelu(most, constants), most * factor);
    EXPECT_FALSE(gelu_is_safe({0, most + 2}, constants));
    EXPECT_NE(i_gelu(most + 2, constants), (most + 2) * factor);
  }
}

}  // namespace
}  // namespace paretoformer::supernet
