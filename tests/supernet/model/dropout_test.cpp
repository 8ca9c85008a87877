#include "supernet/model/dropout.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <vector>

#include "supernet/kernels/kernels.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

constexpr int kMaskRows = 400, kMaskColumns = 300;

// 1 where a value is kept, 0 where it is dropped.
std::vector<int> kept(const DropoutMask& mask, int rows = kMaskRows, int columns = kMaskColumns) {
  std::vector<int> all;
  for (int r = 0; r < rows; ++r) {
    const DropoutRow row = dropout_row(mask, r);
    for (int i = 0; i < columns; ++i) all.push_back(keeps(row, static_cast<std::uint32_t>(i)));
  }
  return all;
}

DropoutMask some_mask(double probability) {
  return Dropout::of_step(probability, 1, 2).of_network(3).mask(DropoutSite::ffn, 4);
}

// Of independent values one test in 1.7 million is further off than five standard deviations.
constexpr double kDeviations = 5;

// Of n independent values kept with probability q the share is q, with variance q (1 - q) / n. What
// is kept is divided by q, so 1 becomes a value of mean 1 and variance (1 - q) / q, whose estimate
// about that mean from n values has variance (m4 - v^2) / n, m4 its fourth central moment.
TEST(Dropout, MeanAndVarianceAreThoseOfIndependentChoices) {
  constexpr double n = kMaskRows * kMaskColumns;
  constexpr double kRounding = n * 0x1p-53;
  for (const double p : {0.0, 0.01, 0.1, 0.5, 0.9}) {
    const double q = 1 - p;
    std::vector<double> ones(kMaskRows * kMaskColumns, 1.0), left(ones.size());
    drop(kMaskRows, kMaskColumns, some_mask(p), ones.data(), left.data());
    double mean = 0, squares = 0;
    for (const double value : left) mean += value / n;
    for (const double value : left) squares += (value - 1) * (value - 1) / n;
    const double variance = p / q;
    const double fourth = q * std::pow(1 / q - 1, 4) + p;
    EXPECT_NEAR(mean, 1, kDeviations * std::sqrt(variance / n) + kRounding) << p;
    EXPECT_NEAR(squares, variance,
                kDeviations * std::sqrt((fourth - variance * variance) / n) + kRounding)
        << p;
  }
}

// The sum over a row is binomial, and so is that over a column: its variance would be larger if
// rows or columns had masks in common, and smaller if they avoided one another.
TEST(Dropout, RowsAndColumnsHaveBinomialSums) {
  constexpr double q = 0.7;
  const std::vector<int> mask = kept(some_mask(1 - q));
  const auto check = [&](int sums, int terms, const auto& index) {
    double squares = 0;
    for (int s = 0; s < sums; ++s) {
      double sum = 0;
      for (int t = 0; t < terms; ++t) sum += mask[static_cast<std::size_t>(index(s, t))] - q;
      squares += sum * sum / sums;
    }
    // Sums are near normal, of whose square the variance is 2 v^2.
    const double variance = terms * q * (1 - q);
    EXPECT_NEAR(squares / variance, 1, kDeviations * std::sqrt(2.0 / sums));
  };
  check(kMaskRows, kMaskColumns, [](int r, int c) { return r * kMaskColumns + c; });
  check(kMaskColumns, kMaskRows, [](int c, int r) { return r * kMaskColumns + c; });
}

// The correlation of two independent masks has variance 1 / n.
double correlation(const std::vector<int>& a, const std::vector<int>& b, double q) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - q) * (b[i] - q);
  return sum / (q * (1 - q)) / static_cast<double>(a.size());
}

TEST(Dropout, StepsNetworksLayersSitesAndShiftsAreIndependent) {
  constexpr double p = 0.3;
  const auto mask = [&](std::uint64_t seed, int step, std::size_t network, std::size_t layer,
                        DropoutSite site) {
    return Dropout::of_step(p, seed, step).of_network(network).mask(site, layer);
  };
  const DropoutMask first = mask(1, 0, 0, 0, DropoutSite::embedding);
  std::vector<std::vector<int>> masks{kept(first)};
  DropoutMask later = first;
  later.first_row = 1;  // the next row of each
  masks.push_back(kept(later));
  masks.push_back(kept(mask(2, 0, 0, 0, DropoutSite::embedding)));
  masks.push_back(kept(mask(1, 1, 0, 0, DropoutSite::embedding)));
  masks.push_back(kept(mask(1, 0, 1, 0, DropoutSite::embedding)));
  masks.push_back(kept(mask(1, 0, 0, 0, DropoutSite::attention)));
  masks.push_back(kept(mask(1, 0, 0, 0, DropoutSite::ffn)));
  masks.push_back(kept(mask(1, 0, 0, 1, DropoutSite::embedding)));
  masks.push_back(masks[0]);
  masks.back().insert(masks.back().begin(), 1);  // the next column of each
  masks.back().pop_back();
  const double bound = kDeviations / std::sqrt(static_cast<double>(kMaskRows * kMaskColumns));
  for (std::size_t i = 0; i < masks.size(); ++i)
    for (std::size_t j = 0; j < i; ++j)
      EXPECT_LT(std::abs(correlation(masks[i], masks[j], 1 - p)), bound) << i << " " << j;
}

TEST(Dropout, EveryStepNetworkLayerAndSiteHasAKeyOfItsOwn) {
  std::set<std::uint64_t> keys;
  for (int step = 0; step < 20; ++step)
    for (std::size_t network = 0; network < 5; ++network)
      for (std::size_t layer = 0; layer < 12; ++layer)
        for (const DropoutSite site :
             {DropoutSite::embedding, DropoutSite::attention, DropoutSite::ffn})
          keys.insert(Dropout::of_step(0.1, 1, step).of_network(network).mask(site, layer).key);
  EXPECT_EQ(keys.size(), 20u * 5 * 12 * 3);
}

// A part of the rows has the part of the mask, wherever it begins, and narrower rows have the first
// columns: what a slice drops does not depend on how a batch is cut.
TEST(Dropout, PartsHaveTheirPartOfTheMask) {
  const Dropout dropout = Dropout::of_step(0.3, 1, 2).of_network(0);
  const std::vector<int> whole = kept(dropout.mask(DropoutSite::ffn, 0), 20, 30);
  const std::vector<int> part =
      kept(dropout.from_row(5).from_row(2).mask(DropoutSite::ffn, 0), 4, 10);
  for (int r = 0; r < 4; ++r)
    for (int c = 0; c < 10; ++c)
      EXPECT_EQ(part[static_cast<std::size_t>(10 * r + c)],
                whole[static_cast<std::size_t>(30 * (r + 7) + c)]);
}

TEST(Dropout, WithoutProbabilityAllIsKept) {
  const Dropout none = Dropout::of_step(0, 1, 2);
  EXPECT_FALSE(none);
  EXPECT_FALSE(none.mask(DropoutSite::ffn, 0));
  EXPECT_TRUE(Dropout::of_step(0.1, 1, 2).mask(DropoutSite::ffn, 0));
}

// In place and not, for every remainder of a vector.
TEST(Dropout, KernelsDoWhatTheMaskSays) {
  for (int width = 1; width < 40; ++width) {
    constexpr int rows = 3;
    Random random(static_cast<std::uint64_t>(width));
    std::vector<float> x(static_cast<std::size_t>(rows * width)), y = x, bias(x.size());
    for (std::vector<float>* values : {&x, &y, &bias})
      for (float& value : *values) value = static_cast<float>(random.normal());
    const DropoutMask mask = some_mask(0.4);
    const std::vector<int> keep = kept(mask, rows, width);
    std::vector<float> dropped(x.size()), in_place = x, sum = y;
    drop(rows, width, mask, x.data(), dropped.data());
    drop(rows, width, mask, in_place.data(), in_place.data());
    add_dropped(rows, width, mask, x.data(), bias.data(), sum.data());
    EXPECT_EQ(dropped, in_place);
    const auto scale = static_cast<float>(mask.scale);
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t column = i % static_cast<std::size_t>(width);
      EXPECT_EQ(dropped[i], keep[i] ? x[i] * scale : 0.0F);
      EXPECT_FLOAT_EQ(sum[i], x[i] + (keep[i] ? (y[i] + bias[column]) * scale : 0.0F));
    }
  }
}

}  // namespace
}  // namespace paretoformer::supernet
