// The accuracy of I-BERT's approximations (Kim et al. 2021, "I-BERT: Integer-only BERT
// Quantization", arXiv 2101.01321), reached by the accelerator's arithmetic to the digits given.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "supernet/quantization/integer_arithmetic.hpp"
#include "supernet/quantization/overflow.hpp"

namespace paretoformer::supernet {
namespace {

struct Errors {
  double rms = 0;
  double largest = 0;
};

// Of `approximation` at every integer from first to last, against `exact`.
template <class Approximation, class Exact>
Errors errors(std::int32_t first, std::int32_t last, Approximation approximation, Exact exact) {
  Errors result;
  for (std::int32_t x = first; x <= last; ++x) {
    const double error = std::abs(approximation(x) - exact(x));
    result.largest = std::max(result.largest, error);
    result.rms += error * error;
  }
  result.rms = std::sqrt(result.rms / (static_cast<double>(last) - first + 1));
  return result;
}

// Table 1, i-GELU on [-4, 4]: rms 0.0082, largest error 0.0182.
TEST(IBert, GeluIsAsExactAsInTable1) {
  const float scale = 0.003125F;  // 4 / 1280: finer ones overflow before 4
  const GeluConstants constants = gelu_constants(scale);
  const std::int32_t four = 1280;
  ASSERT_TRUE(gelu_is_safe({-four, four}, constants));
  const double step = scale;
  const double result_step = step * (-0.2888 * step * step / 2) / 2;
  const Errors found = errors(
      -four, four, [&](std::int32_t x) { return i_gelu(x, constants) * result_step; },
      [&](std::int32_t x) { return x * step * 0.5 * std::erfc(-x * step / std::numbers::sqrt2); });
  std::printf("i-GELU on [-4, 4]: rms %.5f, largest %.5f\n", found.rms, found.largest);
  EXPECT_LT(found.rms, 0.00825);
  EXPECT_LT(found.largest, 0.01825);
}

// Section 3.5, i-exp on (-ln 2, 0]: largest error 0.0021.
TEST(IBert, ExponentialIsAsExactAsInSection35) {
  const float scale = 5e-5F;
  const ExpConstants constants = exp_constants(scale);
  const double step = scale;
  const double result_step = 0.3585 * step * step;
  const Errors found = errors(
      -constants.ln2 + 1, 0, [&](std::int32_t q) { return i_exp(q, constants) * result_step; },
      [&](std::int32_t q) { return std::exp(q * step); });
  std::printf("i-exp on (-ln 2, 0]: rms %.5f, largest %.5f\n", found.rms, found.largest);
  EXPECT_LT(found.largest, 0.00215);
}

}  // namespace
}  // namespace paretoformer::supernet
