#include "support/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer {
namespace {

using Values = std::vector<double>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
using Ints = std::vector<int>;

Values random_values(std::uint64_t stream, int count, std::uint64_t distinct) {
  Random random(1, {stream});
  Values values;
  for (int i = 0; i < count; ++i) values.push_back(static_cast<double>(random.below(distinct)));
  return values;
}

TEST(Statistics, ByHand) {
  // Of six pairs only (2, 3) is discordant: (5 - 1) / 6. Ranks differ by 0, 1, 1, 0:
  // 1 - 6 * 2 / (4 * 15).
  const Values x{1, 2, 3, 4}, y{1, 3, 2, 4};
  EXPECT_DOUBLE_EQ(kendall_tau({x, y}), 4.0 / 6);
  EXPECT_DOUBLE_EQ(spearman_rho({x, y}), 0.8);
}

TEST(Statistics, TiesByHand) {
  // Four pairs are concordant, one is tied in x and another in y: 4 / sqrt(5 * 5). Ranks less 2.5
  // are -1, -1, 0.5, 1.5 and -1.5, 0, 0, 1.5: 3.75 / sqrt(4.5 * 4.5).
  const Values x{1, 1, 2, 3}, y{1, 2, 2, 3};
  EXPECT_DOUBLE_EQ(kendall_tau({x, y}), 0.8);
  EXPECT_DOUBLE_EQ(spearman_rho({x, y}), 3.75 / 4.5);
}

TEST(Statistics, StrataByHand) {
  // One concordant pair in the first stratum, three discordant ones in the second. Squares of
  // centred ranks: 2 * 0.25 that agree, and 1 + 0 + 1 that disagree, of 2.5.
  const Values x{1, 2, 10, 9, 8}, y{1, 2, 5, 6, 7};
  const Ints stratum{0, 0, 7, 7, 7};
  EXPECT_DOUBLE_EQ(kendall_tau({x, y, stratum}), -2.0 / 4);
  EXPECT_DOUBLE_EQ(spearman_rho({x, y, stratum}), -1.5 / 2.5);
  EXPECT_DOUBLE_EQ(kendall_tau({x, y}), (7.0 - 3) / 10);  // pairs across strata all agree
  const Ints apart{1, 2, 3, 4, 5};
  EXPECT_TRUE(std::isnan(kendall_tau({x, y, apart})));
  EXPECT_TRUE(std::isnan(spearman_rho({x, y, apart})));
}

TEST(Statistics, DrawsByHand) {
  // The first item twice, the last not at all: two times two concordant pairs, one discordant.
  const Values x{1, 2, 3, 4}, y{1, 3, 2, 4};
  const Ints draws{2, 1, 1, 0};
  EXPECT_DOUBLE_EQ(kendall_tau({x, y}, draws), (4.0 - 1) / 5);
  EXPECT_DOUBLE_EQ(mean(x, draws), 7.0 / 4);
  EXPECT_DOUBLE_EQ(standard_deviation(x, draws), std::sqrt(2.75 / 3));  // of 1, 1, 2, 3
}

TEST(Statistics, DrawsAreRepeatedItems) {
  const Values x = random_values(1, 12, 8), y = random_values(2, 12, 8);
  const Values drawn = random_values(3, 12, 3), strata = random_values(4, 12, 2);
  Ints draws, stratum, repeated_stratum;
  Values repeated_x, repeated_y;
  for (std::size_t i = 0; i < x.size(); ++i) {
    draws.push_back(static_cast<int>(drawn[i]));
    stratum.push_back(static_cast<int>(strata[i]));
    for (int copy = 0; copy < draws[i]; ++copy) {
      repeated_x.push_back(x[i]);
      repeated_y.push_back(y[i]);
      repeated_stratum.push_back(stratum[i]);
    }
  }
  const Prediction items{x, y, stratum}, repeated{repeated_x, repeated_y, repeated_stratum};
  EXPECT_NEAR(kendall_tau(items, draws), kendall_tau(repeated), 1e-12);
  EXPECT_NEAR(spearman_rho(items, draws), spearman_rho(repeated), 1e-12);
  EXPECT_NEAR(standard_deviation(x, draws), standard_deviation(repeated_x), 1e-12);
  EXPECT_DOUBLE_EQ(top_regret(items, 100, draws), 0);
}

TEST(Statistics, AgreementWithItselfAndWithItsOpposite) {
  for (std::uint64_t distinct : {4, 1000000}) {  // with ties and without
    const Values x = random_values(5, 40, distinct);
    Values opposite, mapped;
    for (double value : x) {
      opposite.push_back(-value);
      mapped.push_back(std::exp(value / 1e6) * 3 + value);
    }
    const Values y = random_values(6, 40, distinct);
    Ints stratum(40);
    for (int i = 0; i < 40; ++i) stratum[static_cast<std::size_t>(i)] = i % 3;
    for (std::span<const int> strata : {std::span<const int>(), std::span<const int>(stratum)})
      for (const auto& correlation : {kendall_tau, spearman_rho}) {
        EXPECT_NEAR(correlation({x, x, strata}, {}), 1, 1e-12);
        EXPECT_NEAR(correlation({x, opposite, strata}, {}), -1, 1e-12);
        EXPECT_NEAR(correlation({y, mapped, strata}, {}), correlation({y, x, strata}, {}), 1e-12);
        EXPECT_NEAR(correlation({y, x, strata}, {}), correlation({x, y, strata}, {}), 1e-12);
        EXPECT_LT(std::abs(correlation({y, x, strata}, {})), 0.5);
      }
  }
  const Values constant(5, 2.0), rising{1, 2, 3, 4, 5};
  EXPECT_TRUE(std::isnan(kendall_tau({constant, rising})));
  EXPECT_TRUE(std::isnan(spearman_rho({rising, constant})));
}

TEST(Statistics, RegretByHand) {
  // In the order predicted: 0.5, 0.3, 0.1, 0.2.
  const Values predicted{3, 1, 2, 4}, actual{0.1, 0.5, 0.3, 0.2};
  EXPECT_DOUBLE_EQ(top_regret({predicted, actual}, 1), 0.4);
  EXPECT_DOUBLE_EQ(top_regret({predicted, actual}, 2), 0.3 - 0.1);
  EXPECT_DOUBLE_EQ(top_regret({predicted, actual}, 3), 0);
  const Ints without_best{0, 1, 3, 1};
  EXPECT_DOUBLE_EQ(top_regret({predicted, actual}, 2, without_best), 0.3 - 0.2);
  const Values equal(4, 1.0);  // the first two stand
  EXPECT_DOUBLE_EQ(top_regret({equal, actual}, 2), 0);
}

TEST(Quartiles, ByHand) {
  // Of four values, at 0.75, 1.5 and 2.25 of the way from the first to the fourth.
  const Quartiles four = quartiles({4, 1, 8, 2});
  EXPECT_DOUBLE_EQ(four.lower, 1.75);
  EXPECT_DOUBLE_EQ(four.median, 3);
  EXPECT_DOUBLE_EQ(four.upper, 5);
  const Quartiles five = quartiles({50, 10, 40, 20, 30});  // exactly at a value
  EXPECT_EQ(five.lower, 20);
  EXPECT_EQ(five.median, 30);
  EXPECT_EQ(five.upper, 40);
  for (const Values& same : {Values{7}, Values{7, 7, 7}}) {
    const Quartiles q = quartiles(same);
    EXPECT_EQ(q.lower, 7);
    EXPECT_EQ(q.median, 7);
    EXPECT_EQ(q.upper, 7);
  }
}

TEST(MannWhitney, ByHand) {
  // No pair of nine has the larger value in the first: U = 0, 4.5 below its mean, 4 with the
  // correction for continuity; the variance is 9 * 7 / 12.
  EXPECT_DOUBLE_EQ(mann_whitney_p(Values{1, 2, 3}, Values{4, 5, 6}),
                   std::erfc(4 / std::sqrt(5.25) / std::sqrt(2.0)));
  EXPECT_NEAR(mann_whitney_p(Values{1, 2, 3}, Values{4, 5, 6}), 0.0809, 5e-5);
}

TEST(MannWhitney, TiesByHand) {
  // 2 is larger than none of {2, 3, 3, 4} and ties with one, twice; 3 is larger than one and ties
  // with two: U = 0 + 0.5 + 0.5 + 2 = 3, 5 below its mean. Three twos and three threes take
  // 2 * (27 - 3) / (8 * 7) from the 9 of the variance 16 / 12 * 9.
  const double variance = 16.0 / 12 * (9 - 48.0 / 56);
  EXPECT_DOUBLE_EQ(mann_whitney_p(Values{1, 2, 2, 3}, Values{2, 3, 3, 4}),
                   std::erfc(4.5 / std::sqrt(variance) / std::sqrt(2.0)));
}

// In how many of all arrangements of n and m distinct values U is exactly u: the largest value is
// either of the first sample, and larger than all m of the second, or of the second.
double arrangements(int n, int m, int u) {
  if (u < 0) return 0;
  if (n == 0 || m == 0) return u == 0;
  return arrangements(n - 1, m, u - m) + arrangements(n, m - 1, u);
}

TEST(MannWhitney, TheApproximationIsCloseToTheExactDistribution) {
  constexpr int kSize = 8;
  double all = 0;
  for (int u = 0; u <= kSize * kSize; ++u) all += arrangements(kSize, kSize, u);
  EXPECT_EQ(all, 12870);  // 16 over 8
  double below = 0;
  for (int u = 0; u < kSize * kSize / 2; ++u) {
    below += arrangements(kSize, kSize, u);
    // Samples with that U: the first one's values are larger than u / 8 of the second's, and some
    // of them than one more.
    Values a, b;
    for (int i = 0; i < kSize; ++i) b.push_back(i);
    for (int i = 0; i < kSize; ++i) a.push_back(u / kSize + (i < u % kSize) - 0.5 + 0.001 * i);
    const double exact = 2 * below / all;
    EXPECT_NEAR(mann_whitney_p(a, b), exact, 0.012) << u;
    // Where it decides, it errs towards chance.
    if (exact < 0.05) {
      EXPECT_GT(mann_whitney_p(a, b), exact) << u;
    }
  }
}

TEST(MannWhitney, TheCriticalValueOfTheTables) {
  // Two samples of 20 differ at the level 0.05, two-sided, up to U = 127 (Mann and Whitney's tables
  // as in any book on nonparametric statistics).
  const auto p = [](int u) {
    Values a, b;
    for (int i = 0; i < 20; ++i) b.push_back(i);
    for (int i = 0; i < 20; ++i) a.push_back(u / 20 + (i < u % 20) - 0.5 + 0.001 * i);
    return mann_whitney_p(a, b);
  };
  EXPECT_LT(p(127), 0.05);
  EXPECT_GT(p(128), 0.05);
}

TEST(MannWhitney, EqualSamplesAreNoEvidence) {
  const Values values = random_values(8, 20, 6);
  EXPECT_EQ(mann_whitney_p(values, values), 1);
  EXPECT_EQ(mann_whitney_p(Values(20, 1.0), Values(20, 1.0)), 1);
  EXPECT_EQ(mann_whitney_p(Values{1}, Values{2}), mann_whitney_p(Values{2}, Values{1}));
}

TEST(MannWhitney, EndsWhateverTheNumbersAre) {
  EXPECT_THROW(mann_whitney_p(Values{1, kNan, 2}, Values{1, 2}), Error);
  EXPECT_THROW(mann_whitney_p(Values{1, 2}, Values{kNan}), Error);
  EXPECT_EQ(mann_whitney_p(Values{}, Values{1, 2}), 1);
  EXPECT_EQ(mann_whitney_p(Values{}, Values{}), 1);
  EXPECT_EQ(mann_whitney_p(Values(5, kInfinity), Values(5, kInfinity)), 1);
  EXPECT_EQ(mann_whitney_p(Values(9, -kInfinity), Values(9, kInfinity)),
            mann_whitney_p(Values(9, 1), Values(9, 2)));
}

TEST(Quartiles, OfNumbersOnly) {
  EXPECT_THROW(quartiles({}), Error);
  EXPECT_THROW(quartiles({1, kNan, 3}), Error);
  const Quartiles q = quartiles({kInfinity, 1, kInfinity, kInfinity, kInfinity});
  EXPECT_EQ(q.lower, kInfinity);
  EXPECT_EQ(q.upper, kInfinity);
}

TEST(Statistics, RegretOfNumbersOnly) {
  EXPECT_THROW(top_regret({Values{1, kNan}, Values{1, 2}}, 1), Error);
  EXPECT_THROW(top_regret({Values{1, 2}, Values{1, kNan}}, 1), Error);
}

TEST(RelativeError, OfNothing) {
  EXPECT_DOUBLE_EQ(relative_error(3, 2), 0.5);
  EXPECT_DOUBLE_EQ(relative_error(1, 2), 0.5);
  EXPECT_EQ(relative_error(0, 0), 0);
  EXPECT_EQ(relative_error(2, 0), 1);
}

TEST(MannWhitney, IsSymmetricAndKnowsOrderOnly) {
  for (std::uint64_t distinct : {5, 1000000}) {  // with ties and without
    const Values a = random_values(9, 20, distinct), b = random_values(10, 15, distinct);
    Values larger_a, larger_b;
    for (double value : a) larger_a.push_back(std::pow(value + 1, 3));
    for (double value : b) larger_b.push_back(std::pow(value + 1, 3));
    const double p = mann_whitney_p(a, b);
    EXPECT_GT(p, 0);
    EXPECT_LT(p, 1);
    EXPECT_DOUBLE_EQ(mann_whitney_p(b, a), p);
    EXPECT_EQ(mann_whitney_p(larger_a, larger_b), p);
    // A shift of all values of one sample is evidence.
    for (double& value : larger_b) value += 1e20;
    EXPECT_LT(mann_whitney_p(larger_a, larger_b), 1e-5);
  }
}

TEST(Bootstrap, IntervalOfAMean) {
  Values values;
  for (int i = 0; i < 100; ++i) values.push_back(i);
  const auto statistic = [&](Draws draws) { return mean(values, draws); };
  const Estimate estimate = bootstrap(values.size(), 1, statistic);
  // The normal approximation: 1.96 standard errors of 28.87 / sqrt(100).
  EXPECT_DOUBLE_EQ(estimate.value, 49.5);
  EXPECT_NEAR(estimate.low, 49.5 - 5.66, 0.6);
  EXPECT_NEAR(estimate.high, 49.5 + 5.66, 0.6);
  const Estimate again = bootstrap(values.size(), 1, statistic);
  EXPECT_EQ(again.low, estimate.low);
  EXPECT_EQ(again.high, estimate.high);
  EXPECT_NE(bootstrap(values.size(), 2, statistic).low, estimate.low);
}

TEST(Bootstrap, TheSameSamplesForEveryStatistic) {
  const Values values = random_values(7, 20, 1000);
  Values larger;
  for (double value : values) larger.push_back(value + 5);
  const Estimate difference =
      bootstrap(20, 1, [&](Draws draws) { return mean(larger, draws) - mean(values, draws); });
  EXPECT_NEAR(difference.low, 5, 1e-9);
  EXPECT_NEAR(difference.high, 5, 1e-9);
}

TEST(Bootstrap, SamplesWithoutAValueAreLeftOut) {
  const Values x{1, 2};
  const Estimate tau = bootstrap(2, 1, [&](Draws draws) { return kendall_tau({x, x}, draws); });
  EXPECT_EQ(tau.value, 1);
  EXPECT_EQ(tau.low, 1);
  EXPECT_EQ(tau.high, 1);
  const Estimate none = bootstrap(2, 1, [](Draws) { return std::nan(""); });
  EXPECT_TRUE(std::isnan(none.value) && std::isnan(none.low) && std::isnan(none.high));
}

// Of 1, 2 and 3 the standard deviation is 1; Student's quantiles as tables have them.
TEST(Statistics, IntervalsOfMeans) {
  const Estimate three = mean_estimate(Values{1, 2, 3});
  EXPECT_DOUBLE_EQ(three.value, 2);
  EXPECT_NEAR(three.high - 2, 4.30265 / std::sqrt(3), 1e-4);
  EXPECT_NEAR(2 - three.low, 4.30265 / std::sqrt(3), 1e-4);
  const std::pair<int, double> tabled[] = {{1, 12.7062},  {4, 2.77645},  {5, 2.57058},
                                           {10, 2.22814}, {30, 2.04227}, {1000, 1.96234}};
  for (const auto& [degrees, quantile] : tabled) {
    Values values;  // so many below the mean as above it, by 1
    for (int i = 0; i <= degrees; ++i) values.push_back(i % 2 == 0 ? 1 : -1);
    const Estimate found = mean_estimate(values);
    const double error = standard_deviation(values) / std::sqrt(degrees + 1.0);
    EXPECT_NEAR((found.high - found.value) / error, quantile, 0.0012 * quantile) << degrees;
  }
  EXPECT_THROW(mean_estimate(Values{1}), Error);
}

}  // namespace
}  // namespace paretoformer
