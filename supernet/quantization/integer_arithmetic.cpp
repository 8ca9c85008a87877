#include "supernet/quantization/integer_arithmetic.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::int32_t kLowest = std::numeric_limits<std::int32_t>::min();
constexpr std::int32_t kHighest = std::numeric_limits<std::int32_t>::max();

std::uint32_t bits(std::int32_t x) { return static_cast<std::uint32_t>(x); }
std::int32_t number(std::uint32_t x) { return static_cast<std::int32_t>(x); }

// The C conversion to int32, of which what does not fit is undefined.
std::int32_t truncate(double value, float scale) {
  if (std::isfinite(value) && value > -0x1p31 - 1 && value < 0x1p31)
    return static_cast<std::int32_t>(value);
  throw InputError("scale " + std::to_string(scale) +
                   ": too small for 32 bits: a constant would be " + std::to_string(value));
}

void require_positive(float scale) {
  if (!(scale > 0) || !std::isfinite(scale))
    throw InputError("scale " + std::to_string(scale) + ": expected a positive number");
}

}  // namespace

std::int32_t wrapping_add(std::int32_t a, std::int32_t b) { return number(bits(a) + bits(b)); }
std::int32_t wrapping_subtract(std::int32_t a, std::int32_t b) { return number(bits(a) - bits(b)); }
std::int32_t wrapping_multiply(std::int32_t a, std::int32_t b) { return number(bits(a) * bits(b)); }

std::int8_t saturate(std::int32_t x) { return static_cast<std::int8_t>(std::clamp(x, -128, 127)); }

std::int32_t scale_and_round(std::int32_t x, float scale) {
  const float product = static_cast<float>(x) * scale;
  if (!(product < 0x1p31F)) return kHighest;  // NaN too
  if (product < -0x1p31F) return kLowest;
  return static_cast<std::int32_t>(std::nearbyintf(product));
}

std::int8_t requantize(std::int32_t x, float scale) { return saturate(scale_and_round(x, scale)); }

ExpConstants exp_constants(float scale) {
  require_positive(scale);
  const float a = 0.3585F, b = 1.353F, c = 0.344F;
  ExpConstants constants{};
  constants.ln2 = truncate(0.693147 / scale, scale);
  if (constants.ln2 == 0)
    throw InputError("scale " + std::to_string(scale) + ": i-exp takes at most 0.693147");
  constants.inverse_ln2 = 65536 / constants.ln2;
  constants.b = truncate(b / scale, scale);
  constants.c = truncate(c / (a * scale * scale), scale);
  return constants;
}

std::int32_t i_exp(std::int32_t q, const ExpConstants& constants) {
  // 64 bits of which the upper 16 are dropped.
  const std::int64_t product = std::int64_t{wrapping_subtract(0, q)} * constants.inverse_ln2;
  const auto z = static_cast<std::uint32_t>(static_cast<std::uint64_t>(product) >> 16);
  if (z >= 32) return 0;  // bits 5 to 15 make it a shift by 32, higher ones a longer one
  const std::int32_t rest = wrapping_add(q, wrapping_multiply(number(z), constants.ln2));
  const std::int32_t sum = wrapping_add(rest, constants.b);
  return number(bits(wrapping_add(constants.c, wrapping_multiply(sum, sum))) >> z);
}

GeluConstants gelu_constants(float scale) {
  require_positive(scale);
  const auto sqrt_2 = static_cast<float>(1.41421356237);
  const auto erf_scale = static_cast<float>(-0.2888 * ((scale * scale) / 2));
  return {truncate(-1.769 / (scale / sqrt_2), scale), truncate(1.0 / erf_scale, scale)};
}

std::int32_t i_gelu(std::int32_t x, const GeluConstants& constants) {
  const std::int32_t size = x < 0 ? wrapping_subtract(0, x) : x;  // of -2^31 itself
  const std::int32_t clipped = std::min(size, wrapping_subtract(0, constants.b));
  const std::int32_t sum = wrapping_add(clipped, constants.b);
  const std::int32_t polynomial = wrapping_add(constants.c, wrapping_multiply(sum, sum));
  const std::int32_t erf = x < 0 ? wrapping_subtract(0, polynomial) : polynomial;
  return wrapping_multiply(x, wrapping_add(erf, constants.c));
}

std::uint32_t i_sqrt(std::uint32_t x) {
  std::uint32_t root = 0;
  for (std::uint32_t bit = 1U << 15; bit > 0; bit >>= 1) {
    const std::uint32_t larger = root | bit;
    if (larger * larger <= x) root = larger;
  }
  return root;
}

}  // namespace paretoformer::supernet
