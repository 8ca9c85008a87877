// How well one number predicts the order of another, what samples come to, and how sure that is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace paretoformer {

// Sorting numbers that are not numbers has no result: what sorts refuses them with Error.

// What was predicted of some items and what was found, item by item; low values are good in both.
struct Prediction {
  std::span<const double> predicted;
  std::span<const double> actual;
  // Items are compared only with those of the same stratum; empty: with all others.
  std::span<const int> stratum = {};
};

// How often each item was drawn into a bootstrap sample; empty: once each. An item drawn twice is
// never compared with itself.
using Draws = std::span<const int>;

// Kendall's tau-b over all pairs of items of one stratum: concordant minus discordant pairs over
// the geometric mean of the numbers of pairs that are not tied in either number (Kendall 1945,
// "The treatment of ties in ranking problems"). From -1 to 1; NaN when either is constant.
double kendall_tau(const Prediction& prediction, Draws draws = {});

// Spearman's rho: Pearson's correlation of the ranks, ties sharing the mean of theirs. With strata,
// the ranks are those within the stratum less their mean, and the correlation is over all items, so
// that large strata, whose ranks spread more, count more. From -1 to 1; NaN when either is
// constant.
double spearman_rho(const Prediction& prediction, Draws draws = {});

// What is lost by looking only at the `top` items predicted best: the lowest actual value among
// them less the lowest of all. Equal predictions keep the order of the items. Strata are ignored.
// Throws Error for NaN.
double top_regret(const Prediction& prediction, std::size_t top, Draws draws = {});

// Of some values; the standard deviation is of a sample (n - 1).
double mean(std::span<const double> values, Draws draws = {});
double standard_deviation(std::span<const double> values, Draws draws = {});

// How far a prediction is off, as a share of what was found; of nothing found, 0 when nothing was
// predicted and else 1.
double relative_error(double predicted, double actual);

struct Quartiles {
  double lower = 0, median = 0, upper = 0;
};
// Of one value or more; between two order statistics the quantile is linear (Hyndman and Fan's type
// 7). Throws Error for no value and for NaN.
Quartiles quartiles(std::vector<double> values);

// Whether two samples come from one distribution: the two-sided p value of Mann and Whitney's U
// (1947), by the normal approximation with corrections for ties and for continuity; 1 when either
// is empty or all are equal. Throws Error for NaN.
double mann_whitney_p(std::span<const double> a, std::span<const double> b);

struct Estimate {
  double value = 0;
  double low = 0, high = 0;  // 95 % confidence
};

// The mean of independent samples of a normal distribution and Student's interval (1908) of it: for
// samples too few to be drawn from again. Throws Error for less than two.
Estimate mean_estimate(std::span<const double> values);

constexpr int kResamples = 2000;

// `statistic` of all items, and its percentile bootstrap interval (Efron, Tibshirani 1993, section
// 13.3): the 2.5 % and 97.5 % quantiles over kResamples samples of `items` items, drawn with
// replacement. Samples that leave it undefined (NaN) are left out. The samples are a pure function
// of (items, seed), so the same for every statistic: that of a difference is a paired one.
Estimate bootstrap(std::size_t items, std::uint64_t seed,
                   const std::function<double(Draws)>& statistic);

}  // namespace paretoformer
