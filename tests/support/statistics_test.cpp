#include "support/statistics.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "support/random.hpp"

namespace paretoformer {
namespace {

using Values = std::vector<double>;
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

}  // namespace
}  // namespace paretoformer
