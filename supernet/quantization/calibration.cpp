#include "supernet/quantization/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <string>

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
  float largest = largest_;
  for (const float value : values) {
    if (!std::isfinite(value))
      throw InputError("calibration: an activation is " + std::to_string(value));
    largest = std::max(largest, std::abs(value));
  }
  largest_ = largest;
  widen(exponent_for(largest));
  const float inverse = std::ldexp(1.0F, -exponent_);
  for (const float value : values) ++bins_[static_cast<std::size_t>(std::abs(value) * inverse)];
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

// Every value counts as the middle of its bin.
double Distribution::mean_square(double step) const {
  double sum = 0;
  const double width = std::ldexp(1.0, exponent_);
  for (std::size_t i = 0; i < bins_.size(); ++i) {
    if (bins_[i] == 0) continue;
    const double value = (static_cast<double>(i) + 0.5) * width;
    const double error = std::min(std::nearbyint(value / step), kSteps) * step - value;
    sum += static_cast<double>(bins_[i]) * error * error;
  }
  return sum / static_cast<double>(count_);
}

float Distribution::scale(Calibration method) const {
  if (largest_ == 0) return 1;
  if (method == Calibration::kMinMax) return largest_ / static_cast<float>(kSteps);
  if (method == Calibration::kMeanSquare) {
    constexpr int kPlaces = 128;
    double best = 0;
    double least = 0;
    for (int place = kPlaces; place > 0; --place) {
      const double step = double{largest_} * place / kPlaces / kSteps;
      const double error = mean_square(step);
      if (best == 0 || error < least) {
        best = step;
        least = error;
      }
    }
    return static_cast<float>(best);
  }
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
