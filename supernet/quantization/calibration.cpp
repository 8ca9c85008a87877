#include "supernet/quantization/calibration.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include "supernet/quantization/integer_kernel_sets.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

constexpr double kSteps = 127;

// Of the bins in which the largest of kBins bins holds `size`.
int exponent_for(float size) {
  if (size == 0) return -126;
  int exponent = 0;
  std::frexp(size, &exponent);  // size < 2^exponent
  static_assert(Distribution::kBins == 1 << 13);
  return std::max(exponent - 13, -126);
}

float require_finite(float size) {
  if (!std::isfinite(size)) throw InputError("calibration: an activation is not finite");
  return size;
}

float largest_size(std::span<const float> values) {
  return require_finite(
      std::bit_cast<float>(integer_kernels().largest_size(values.size(), values.data())));
}

}  // namespace

void Distribution::widen(int exponent) {
  for (; exponent_ < exponent; ++exponent_) {
    if (bins_.empty() || count_ == 0) {
      exponent_ = exponent;
      return;
    }
    for (std::size_t i = 0; i < kBins / 2; ++i) bins_[i] = bins_[2 * i] + bins_[2 * i + 1];
    std::fill(bins_.begin() + kBins / 2, bins_.end(), 0);
  }
}

void Distribution::add(std::span<const float> values) {
  if (bins_.empty()) bins_.resize(kBins);
  largest_ = std::max(largest_, largest_size(values));
  widen(exponent_for(largest_));
  const float inverse = std::ldexp(1.0F, -exponent_);
  const auto bin = [&](float value) {
    return static_cast<std::int32_t>(std::abs(value) * inverse);
  };
  std::uint64_t* const counts = bins_.data();
  constexpr std::size_t kAtATime = 64;  // the first loop vectorises, the second is unrolled
  std::array<std::int32_t, kAtATime> bins;
  std::size_t begin = 0;
  for (; begin + kAtATime <= values.size(); begin += kAtATime) {
    for (std::size_t i = 0; i < kAtATime; ++i) bins[i] = bin(values[begin + i]);
    for (const std::int32_t each : bins) ++counts[each];
  }
  for (; begin < values.size(); ++begin) ++counts[bin(values[begin])];
  count_ += values.size();
}

void Distribution::add(const Distribution& other) {
  if (other.count_ == 0) return;
  if (bins_.empty()) bins_.resize(kBins);
  Distribution coarser = other;
  coarser.widen(exponent_);
  widen(coarser.exponent_);
  for (std::size_t i = 0; i < bins_.size(); ++i) bins_[i] += coarser.bins_[i];
  largest_ = std::max(largest_, other.largest_);
  count_ += other.count_;
}

void Distribution::add_counts(float largest, std::span<const std::uint32_t> bins) {
  Distribution counted;
  counted.largest_ = require_finite(largest);
  counted.exponent_ = exponent_for(largest);
  counted.bins_.assign(bins.begin(), bins.end());
  for (const std::uint32_t each : bins) counted.count_ += each;
  add(counted);
}

// Values that are rounded to the same level are those of neighbouring bins, whose errors follow
// from their moments: sum (x - l)^2 = sum x^2 - 2 l sum x + l^2 n.
float Distribution::mean_square_scale() const {
  constexpr int kPlaces = 128;
  struct Moments {
    double n = 0, x = 0, squares = 0;
  };
  std::vector<Moments> below(kBins +
                             1);  // of all bins before, in bins; a value is its bin's middle
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    const auto n = static_cast<double>(bins_[i]);
    const double x = static_cast<double>(i) + 0.5;
    below[i + 1] = {below[i].n + n, below[i].x + n * x, below[i].squares + n * x * x};
  }
  // The first bin that is rounded to more than this level.
  const auto bin_above = [](int level, double step) {
    const double end = std::min<double>(std::ceil((level + 0.5) * step - 0.5), kBins);
    return static_cast<std::size_t>(std::max(end, 0.0));
  };
  const auto error_of = [&](std::size_t first, std::size_t next, double value) {
    return below[next].squares - below[first].squares -
           2 * value * (below[next].x - below[first].x) +
           value * value * (below[next].n - below[first].n);
  };
  const double largest = std::ldexp(double{largest_}, -exponent_);
  const double slack = 1e-9 * below[kBins].squares;  // far more than sums are rounded by
  constexpr int kLast = static_cast<int>(kSteps);
  double best = 0, least = 0;
  for (int place = kPlaces; place > 0; --place) {
    const double step = largest * place / kPlaces / kSteps;
    // No part is negative: where the clipped one alone is worse, the sum is.
    if (best != 0 && error_of(bin_above(kLast - 1, step), kBins, kLast * step) > least + slack)
      continue;
    double error = 0;
    std::size_t first = 0;
    for (int level = 0; level <= kLast && first < kBins; ++level) {
      const std::size_t next = level == kLast ? kBins : bin_above(level, step);
      if (next <= first) continue;
      error += error_of(first, next, level * step);
      first = next;
    }
    if (best == 0 || error < least) {
      best = step;
      least = error;
    }
  }
  return static_cast<float>(std::ldexp(best, exponent_));
}

float Distribution::scale(Calibration method) const {
  if (largest_ == 0) return 1;
  if (method == Calibration::kMinMax) return largest_ / static_cast<float>(kSteps);
  if (method == Calibration::kMeanSquare) return mean_square_scale();
  const double share = method == Calibration::kPercentile999 ? 0.999 : 0.9999;
  std::uint64_t below = 0;
  std::size_t bin = 0;
  while (static_cast<double>(below += bins_[bin]) < share * static_cast<double>(count_)) ++bin;
  const double edge = std::ldexp(static_cast<double>(bin + 1), exponent_);
  return static_cast<float>(std::min(edge, double{largest_}) / kSteps);
}

void quantize(std::span<const float> x, float scale, std::int8_t* y) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const float inverse = 1 / scale;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float steps = x[i] * inverse;
    const float clipped = steps < 127.0F ? std::max(steps, -128.0F) : 127.0F;
    y[i] = static_cast<std::int8_t>(static_cast<std::int32_t>((clipped + kRound) - kRound));
  }
}

std::vector<std::int8_t> quantized(std::span<const float> x, float scale) {
  std::vector<std::int8_t> y(x.size());
  quantize(x, scale, y.data());
  return y;
}

}  // namespace paretoformer::supernet
