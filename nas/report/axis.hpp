// One axis of a chart.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

namespace paretoformer::nas {

struct Range {
  double low = INFINITY, high = -INFINITY;
  void add(double value) { low = std::min(low, value), high = std::max(high, value); }
};

// One axis: values to positions between `from` and `to`, with ticks at round values.
class Axis {
 public:
  Axis(Range range, double from, double to, bool linear = false)
      : logarithmic_(!linear && range.low > 0 && range.high > 5 * range.low), from_(from), to_(to) {
    if (!std::isfinite(range.high - range.low)) range = {0, 1};  // nothing to show
    low_ = mapped(range.low);
    high_ = mapped(range.high);
    // Numbers this close are one.
    const double close = kClose * std::max(std::abs(low_), std::abs(high_));
    const double margin = high_ - low_ > close ? 0.04 * (high_ - low_) : std::max(0.5, close);
    low_ -= margin;
    high_ += margin;
  }

  // How far along the axis, from 0 to 1.
  double share(double value) const { return (mapped(value) - low_) / (high_ - low_); }
  double at(double value) const { return from_ + share(value) * (to_ - from_); }

  std::vector<double> ticks() const {
    std::vector<double> values;
    if (logarithmic_) {
      const bool crowded = high_ - low_ > 4;  // powers of ten alone then
      for (int power = static_cast<int>(std::floor(low_)); power <= high_; ++power)
        for (double digit : {1.0, 2.0, 5.0}) {
          if (crowded && digit > 1) break;
          const double value = digit * std::pow(10.0, power);
          if (mapped(value) >= low_ && mapped(value) <= high_) values.push_back(value);
        }
      return values;
    }
    const double raw = (high_ - low_) / 6;
    const double power = std::pow(10.0, std::floor(std::log10(raw)));
    double step = 10 * power;
    for (double digit : {5.0, 2.0, 1.0})
      if (digit * power >= raw) step = digit * power;
    for (double value = std::ceil(low_ / step) * step; value <= high_ && values.size() < kMostTicks;
         value += step)
      values.push_back(value + 0.0);  // not -0
    return values;
  }

 private:
  static constexpr double kClose = 1e-9;
  static constexpr std::size_t kMostTicks = 20;

  double mapped(double value) const { return logarithmic_ ? std::log10(value) : value; }

  bool logarithmic_;
  double from_, to_;
  double low_ = 0, high_ = 1;
};

}  // namespace paretoformer::nas
