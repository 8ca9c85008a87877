#include "supernet/quantization/calibration.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

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

// Bits of finite numbers are in the order of their sizes, and below those of all others.
float largest_size(std::span<const float> values) {
  std::int32_t largest = 0;
  for (const float value : values)
    largest = std::max(largest, std::bit_cast<std::int32_t>(value) & 0x7fffffff);
  const auto size = std::bit_cast<float>(largest);
  if (!std::isfinite(size)) throw InputError("calibration: an activation is not finite");
  return size;
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
  std::array<std::int32_t, 64> bins;  // some at a time, which vectorises
  for (std::size_t begin = 0; begin < values.size(); begin += bins.size()) {
    const std::span<const float> part =
        values.subspan(begin, std::min(bins.size(), values.size() - begin));
    for (std::size_t i = 0; i < part.size(); ++i)
      bins[i] = static_cast<std::int32_t>(std::abs(part[i]) * inverse);
    for (std::size_t i = 0; i < part.size(); ++i) ++bins_[static_cast<std::size_t>(bins[i])];
  }
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
  const double largest = std::ldexp(double{largest_}, -exponent_);
  double best = 0, least = 0;
  for (int place = kPlaces; place > 0; --place) {
    const double step = largest * place / kPlaces / kSteps;
    double error = 0;
    std::size_t first = 0;
    for (int level = 0; level <= static_cast<int>(kSteps) && first < kBins; ++level) {
      const bool last = level == static_cast<int>(kSteps);  // and all that is clipped to it
      const double end =
          last ? kBins : std::min<double>(std::ceil((level + 0.5) * step - 0.5), kBins);
      const auto next = static_cast<std::size_t>(std::max(end, 0.0));
      if (next <= first) continue;
      const double value = level * step;
      error += below[next].squares - below[first].squares -
               2 * value * (below[next].x - below[first].x) +
               value * value * (below[next].n - below[first].n);
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
  const float inverse = 1 / scale;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float steps = x[i] * inverse;
    const float clipped = steps < 127.0F ? std::max(steps, -128.0F) : 127.0F;
    y[i] = static_cast<std::int8_t>(std::nearbyintf(clipped));
  }
}

std::vector<std::int8_t> quantized(std::span<const float> x, float scale) {
  std::vector<std::int8_t> y(x.size());
  quantize(x, scale, y.data());
  return y;
}

}  // namespace paretoformer::supernet
