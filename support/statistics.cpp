#include "support/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>
#include <string>
#include <vector>

#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer {
namespace {

constexpr std::uint64_t kBootstrapStream = 22;
constexpr double kTail = 0.025;

int sign(double value) { return (value > 0) - (value < 0); }

double weight(Draws draws, std::size_t item) { return draws.empty() ? 1.0 : draws[item]; }

bool comparable(const Prediction& p, std::size_t i, std::size_t j) {
  return p.stratum.empty() || p.stratum[i] == p.stratum[j];
}

void require_numbers(std::span<const double> values, const char* where) {
  for (const double value : values)
    if (std::isnan(value)) throw Error(std::string(where) + ": a value is not a number");
}

// Between the values, linearly; `sorted` is not empty.
double quantile(const std::vector<double>& sorted, double share) {
  const double position = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, sorted.size() - 1);
  return std::lerp(sorted[below], sorted[above], position - static_cast<double>(below));
}

// The 97.5 % quantile of Student's distribution. From five degrees of freedom on by Cornish and
// Fisher's expansion about the normal one (Abramowitz and Stegun 26.7.5), 0.12 % off at most.
double student_quantile(std::size_t degrees) {
  constexpr double kFew[] = {12.7062, 4.3027, 3.1824, 2.7764};
  if (degrees <= std::size(kFew)) return kFew[degrees - 1];
  constexpr double z = 1.959964, z3 = z * z * z, z5 = z3 * z * z, z7 = z5 * z * z;
  const auto n = static_cast<double>(degrees);
  return z + (z3 + z) / (4 * n) + (5 * z5 + 16 * z3 + 3 * z) / (96 * n * n) +
         (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * n * n * n);
}

}  // namespace

double kendall_tau(const Prediction& p, Draws draws) {
  double agreement = 0, untied_predicted = 0, untied_actual = 0;
  for (std::size_t i = 0; i < p.actual.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      if (!comparable(p, i, j)) continue;
      const double pairs = weight(draws, i) * weight(draws, j);
      const int predicted = sign(p.predicted[i] - p.predicted[j]);
      const int actual = sign(p.actual[i] - p.actual[j]);
      agreement += pairs * predicted * actual;
      untied_predicted += pairs * std::abs(predicted);
      untied_actual += pairs * std::abs(actual);
    }
  return agreement / std::sqrt(untied_predicted * untied_actual);
}

double spearman_rho(const Prediction& p, Draws draws) {
  double both = 0, predicted_squares = 0, actual_squares = 0;
  for (std::size_t i = 0; i < p.actual.size(); ++i) {
    // A rank less the mean rank is half of (how many are lower, less how many are higher).
    double predicted = 0, actual = 0;
    for (std::size_t j = 0; j < p.actual.size(); ++j) {
      if (!comparable(p, i, j)) continue;
      predicted += weight(draws, j) * sign(p.predicted[i] - p.predicted[j]);
      actual += weight(draws, j) * sign(p.actual[i] - p.actual[j]);
    }
    both += weight(draws, i) * predicted * actual;
    predicted_squares += weight(draws, i) * predicted * predicted;
    actual_squares += weight(draws, i) * actual * actual;
  }
  return both / std::sqrt(predicted_squares * actual_squares);
}

double top_regret(const Prediction& p, std::size_t top, Draws draws) {
  require_numbers(p.predicted, "regret");
  require_numbers(p.actual, "regret");
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < p.actual.size(); ++i)
    if (weight(draws, i) > 0) order.push_back(i);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return p.predicted[a] < p.predicted[b]; });
  double chosen = std::numeric_limits<double>::infinity();
  double best = chosen;
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    best = std::min(best, p.actual[order[rank]]);
    if (rank < top) chosen = best;
  }
  return chosen - best;
}

double mean(std::span<const double> values, Draws draws) {
  double sum = 0, count = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += weight(draws, i) * values[i];
    count += weight(draws, i);
  }
  return sum / count;
}

double standard_deviation(std::span<const double> values, Draws draws) {
  const double center = mean(values, draws);
  double squares = 0, count = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    squares += weight(draws, i) * (values[i] - center) * (values[i] - center);
    count += weight(draws, i);
  }
  return std::sqrt(squares / (count - 1));
}

Estimate mean_estimate(std::span<const double> values) {
  if (values.size() < 2) throw Error("an interval of a mean takes two samples or more");
  const double center = mean(values);
  const double half = student_quantile(values.size() - 1) * standard_deviation(values) /
                      std::sqrt(static_cast<double>(values.size()));
  return {center, center - half, center + half};
}

double relative_error(double predicted, double actual) {
  if (actual == 0) return predicted == 0 ? 0 : 1;
  return std::abs(predicted / actual - 1);
}

Estimate bootstrap(std::size_t items, std::uint64_t seed,
                   const std::function<double(Draws)>& statistic) {
  constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
  std::vector<double> values;
  std::vector<int> draws(items);
  for (int sample = 0; sample < kResamples; ++sample) {
    std::fill(draws.begin(), draws.end(), 0);
    Random random(seed, {kBootstrapStream, static_cast<std::uint64_t>(sample)});
    for (std::size_t i = 0; i < items; ++i) ++draws[random.below(items)];
    const double value = statistic(draws);
    if (!std::isnan(value)) values.push_back(value);
  }
  std::sort(values.begin(), values.end());
  const double whole = statistic({});
  if (values.empty()) return {whole, kNone, kNone};
  return {whole, quantile(values, kTail), quantile(values, 1 - kTail)};
}

Quartiles quartiles(std::vector<double> values) {
  if (values.empty()) throw Error("quartiles: there is no value");
  require_numbers(values, "quartiles");
  std::sort(values.begin(), values.end());
  const auto quantile = [&](double share) {
    const double position = share * static_cast<double>(values.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, values.size() - 1);
    if (values[below] == values[above]) return values[below];  // also of infinities
    return values[below] +
           (position - static_cast<double>(below)) * (values[above] - values[below]);
  };
  return {quantile(0.25), quantile(0.5), quantile(0.75)};
}

double mann_whitney_p(std::span<const double> a, std::span<const double> b) {
  require_numbers(a, "rank test");
  require_numbers(b, "rank test");
  const auto n = static_cast<double>(a.size());
  const auto m = static_cast<double>(b.size());
  double u = 0;  // pairs in which a is larger, ties counting half
  for (double x : a)
    for (double y : b) u += x > y ? 1 : x == y ? 0.5 : 0;
  std::vector<double> pooled(a.begin(), a.end());
  pooled.insert(pooled.end(), b.begin(), b.end());
  std::sort(pooled.begin(), pooled.end());
  double ties = 0;
  for (std::size_t i = 0, j = 0; i < pooled.size(); i = j) {
    while (j < pooled.size() && pooled[j] == pooled[i]) ++j;
    const auto t = static_cast<double>(j - i);
    ties += t * t * t - t;
  }
  const double total = n + m;
  const double variance = n * m / 12 * (total + 1 - ties / (total * (total - 1)));
  if (!(variance > 0)) return 1;  // all are equal
  const double z = std::max(0.0, std::abs(u - n * m / 2) - 0.5) / std::sqrt(variance);
  return std::erfc(z / std::sqrt(2.0));
}

}  // namespace paretoformer
