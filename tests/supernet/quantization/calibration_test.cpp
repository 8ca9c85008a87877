#include "supernet/quantization/calibration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

using testing::ElementsAre;

Distribution of(const std::vector<float>& values) {
  Distribution distribution;
  distribution.add(values);
  return distribution;
}

// A bin of values up to 1024 is an eighth wide.
constexpr float kBin = 0.125F;

TEST(Calibration, MinMaxMakesTheLargestSize127) {
  EXPECT_EQ(of({1, -254, 3}).scale(Calibration::kMinMax), 2);
  EXPECT_EQ(of({1, -254, 3}).largest(), 254);
}

TEST(Calibration, PercentilesLeaveOutTheirShare) {
  std::vector<float> values;  // 1 to 10000 in tenths: the larger bin is where 1000 lies
  for (int i = 1; i <= 10000; ++i) values.push_back(static_cast<float>(i % 2 ? i : -i) * 0.1F);
  const Distribution distribution = of(values);
  EXPECT_NEAR(distribution.scale(Calibration::kPercentile999) * 127, 999.0, kBin);
  EXPECT_NEAR(distribution.scale(Calibration::kPercentile9999) * 127, 999.9, kBin);
  EXPECT_GE(distribution.scale(Calibration::kPercentile9999) * 127, 999.9F);
}

TEST(Calibration, PercentilesOfFewValuesAreTheLargest) {
  EXPECT_EQ(of({1, 2, 254}).scale(Calibration::kPercentile999), 2);
}

// 1 and 127 are exact in steps of 1, which clip 254 by 127; in steps of 2 both are off by 1.
TEST(Calibration, MeanSquareClipsWhatIsRare) {
  constexpr int kCount = 1000000;
  std::vector<float> values(kCount, 1);
  values.resize(2 * kCount, 127);
  values.push_back(254);
  EXPECT_EQ(of(values).scale(Calibration::kMeanSquare), 1);
  values.resize(3 * kCount, 254);
  EXPECT_EQ(of(values).scale(Calibration::kMeanSquare), 2);
}

// Against the error itself, value by value, at each of the places.
TEST(Calibration, MeanSquareIsTheLeast) {
  Random random(3);
  std::vector<float> values;
  for (int i = 0; i < 3000; ++i) values.push_back(static_cast<float>(random.normal()));
  const Distribution distribution = of(values);
  const auto error = [&](float scale) {
    double sum = 0;
    for (const float x : values) {
      const double steps = std::clamp(std::nearbyint(x / scale), -127.0F, 127.0F);
      sum += std::pow(steps * scale - x, 2);
    }
    return sum;
  };
  double least = std::numeric_limits<double>::infinity();
  for (int place = 1; place <= 128; ++place)
    least = std::min(least, error(distribution.largest() * static_cast<float>(place) / 128 / 127));
  EXPECT_LT(error(distribution.scale(Calibration::kMeanSquare)), 1.02 * least);
}

TEST(Calibration, AllZerosHaveAScale) {
  for (const Calibration method : kCalibrationWords.values())
    EXPECT_EQ(of({0, 0}).scale(method), 1);
}

TEST(Calibration, NumbersThatAreNoneAreRefused) {
  Distribution distribution;
  EXPECT_THROW(distribution.add({{1, std::numeric_limits<float>::quiet_NaN()}}), InputError);
  EXPECT_THROW(distribution.add({{std::numeric_limits<float>::infinity()}}), InputError);
}

TEST(Calibration, NeitherOrderNorPartsMatter) {
  Random random(4);
  std::vector<float> values;
  for (int i = 0; i < 1000; ++i)
    values.push_back(static_cast<float>(random.normal() * std::pow(2.0, i % 30 - 15)));
  const Distribution whole = of(values);
  std::sort(values.begin(), values.end());
  Distribution parts;
  for (std::size_t i = 0; i < values.size(); i += 100)
    parts.add(of({values.begin() + static_cast<std::ptrdiff_t>(i),
                  values.begin() + static_cast<std::ptrdiff_t>(i) + 100}));
  EXPECT_EQ(parts.count(), whole.count());
  for (const Calibration method : kCalibrationWords.values())
    EXPECT_EQ(parts.scale(method), whole.scale(method));
}

TEST(Quantize, RoundsToEvenAndClips) {
  const float none = std::numeric_limits<float>::quiet_NaN();
  const std::vector<float> x{0.25F, 0.75F, -0.75F, 63.5F, 1000, -1000, 0, none};
  std::vector<std::int8_t> y(x.size());
  quantize(x, 0.5F, y.data());
  EXPECT_THAT(y, ElementsAre(0, 2, -2, 127, 127, -128, 0, 127));
}

}  // namespace
}  // namespace paretoformer::supernet
