// When the sums that wrap in 32 bits cannot: bounds for the normalising units from the range of
// their inputs.
//
// A LayerNorm whose sum of squares wraps has the wrong size and sign; nothing saturates. Raw sums
// of int8 products are soon beyond the bound (768 columns: a root mean square of 1672), so operands
// are scaled down on the way in, or LayerNorm reads what has been int8, which is always safe.
#pragma once

#include <cstdint>

#include "supernet/quantization/integer_operators.hpp"

namespace paretoformer::supernet {

// All of a row's numbers are from lowest to highest.
struct IntegerRange {
  std::int32_t lowest, highest;
};

// At most this is sum of (x - mean)^2 over n columns in a range of width R = highest - lowest:
// floor(n / 2) ceil(n / 2) R^2 / n, half of the row at either end, and (n - 1)^2 / n for the
// truncation of the mean. Reached, but for the second term, with n and R even.
double largest_sum_of_squares(IntegerRange range, int columns);

// Whether no sum of integer_layer_norm() can wrap: that bound and columns * |x| are below 2^31. Its
// root is then below 32768, and so positive.
bool layer_norm_is_safe(IntegerRange range, int columns);

// Whether no sum of integer_softmax() can wrap: columns times the largest i-exp, which is
// b^2 + c unless inverse_ln2 is so coarse that z comes out too small, is below 2^31. Masked scores
// count into the range. `constants` are of exp_constants().
bool softmax_is_safe(IntegerRange range, const ExpConstants& constants, int columns);

// Whether no product of integer_gelu() can wrap: |x| max(2 |c|, b^2) is below 2^31. `constants` are
// of gelu_constants().
bool gelu_is_safe(IntegerRange range, const GeluConstants& constants);

}  // namespace paretoformer::supernet
