// From the values that an activation or a matrix takes to its scale, the step of its int8 numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "support/words.hpp"

namespace paretoformer::supernet {

// What becomes 127: the largest size seen; that which 99.9 or 99.99 % of the values do not exceed;
// or that which makes the mean square of what rounding and clipping change smallest (Wu et al.
// 2020, arXiv 2004.09602, section 4, compares such methods).
enum class Calibration { kMinMax, kPercentile999, kPercentile9999, kMeanSquare };

inline constexpr Words<Calibration, 4> kCalibrationWords{
    {{Calibration::kMinMax, "min_max"},
     {Calibration::kPercentile999, "percentile_99.9"},
     {Calibration::kPercentile9999, "percentile_99.99"},
     {Calibration::kMeanSquare, "mean_square"}}};

// The sizes |x| of the values of one tensor, counted in bins whose width is a power of two, so that
// the counts depend neither on the order of the values nor on how they are shared between threads.
// The largest size seen is in the upper half of kBins bins.
class Distribution {
 public:
  static constexpr int kBins = 8192;

  // Throws InputError at a value that is not finite.
  void add(std::span<const float> values);
  void add(const Distribution& other);
  // Sizes that were counted elsewhere, in kBins bins of the width that the largest of them asks
  // for.
  void add_counts(float largest, std::span<const std::uint32_t> bins);

  std::uint64_t count() const { return count_; }
  float largest() const { return largest_; }

  // The step S, so that values of S * 127 become 127: positive also where all values are 0. A
  // percentile is the upper edge of the bin in which it lies, at most the largest value; clipping
  // for the mean square is tried at 128 places up to the largest value.
  float scale(Calibration method) const;

 private:
  void widen(int exponent);
  float mean_square_scale() const;

  int exponent_ = -126;  // a bin is 2^exponent wide
  float largest_ = 0;
  std::uint64_t count_ = 0;
  std::vector<std::uint64_t> bins_;  // empty or kBins
};

// x / scale rounded to the nearest integer, ties to even, clipped to int8; NaN is 127, as in
// requantize().
void quantize(std::span<const float> x, float scale, std::int8_t* y);
std::vector<std::int8_t> quantized(std::span<const float> x, float scale);

}  // namespace paretoformer::supernet
