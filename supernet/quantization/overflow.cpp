#include "supernet/quantization/overflow.hpp"

#include <algorithm>
#include <cmath>

namespace paretoformer::supernet {
namespace {

constexpr double kLimit = 0x1p31;

double width(IntegerRange range) {
  return static_cast<double>(range.highest) - static_cast<double>(range.lowest);
}

double largest_size(IntegerRange range) {
  return std::max(std::abs(static_cast<double>(range.lowest)),
                  std::abs(static_cast<double>(range.highest)));
}

}  // namespace

// In doubles: where the comparison with 2^31 is close, all products are below 2^62 and the result,
// a multiple of 1 / columns, is off by less than 2^-20.
double largest_sum_of_squares(IntegerRange range, int columns) {
  const double n = columns;
  const int half = columns / 2;
  const double spread = static_cast<double>(half) * (n - half) * width(range) * width(range) / n;
  return spread + (n - 1) * (n - 1) / n;
}

bool layer_norm_is_safe(IntegerRange range, int columns) {
  return largest_sum_of_squares(range, columns) < kLimit && largest_size(range) * columns < kLimit;
}

bool softmax_is_safe(IntegerRange range, const ExpConstants& constants, int columns) {
  const double inverse = constants.inverse_ln2;
  const double furthest = width(range);
  if (furthest >= kLimit) return false;
  double largest = 0;
  for (int z = 0; z < 32; ++z) {
    // Distances from the largest number that give this z, and what is left of them.
    const double from = inverse == 0 ? 0 : std::ceil(z * 65536 / inverse);
    const double to =
        inverse == 0 ? furthest : std::min(furthest, std::ceil((z + 1) * 65536 / inverse) - 1);
    if (from > furthest) break;
    const double nearest = constants.b + static_cast<double>(z) * constants.ln2;
    const double size = std::max(std::abs(nearest - from), std::abs(nearest - to));
    const double polynomial = constants.c + size * size;
    if (polynomial >= 2 * kLimit) return false;  // shifted as unsigned
    largest = std::max(largest, std::ldexp(polynomial, -z));
    if (inverse == 0) break;
  }
  return largest * columns < kLimit;
}

bool gelu_is_safe(IntegerRange range, const GeluConstants& constants) {
  const double b = constants.b;
  const double factor = std::max(2 * std::abs(static_cast<double>(constants.c)), b * b);
  return factor < kLimit && largest_size(range) * factor < kLimit;
}

}  // namespace paretoformer::supernet
