// Numbers of supernet/quantization/integer_operators.hpp for kernels, in wrapping words.
#pragma once

#include <cstdint>

#include "supernet/quantization/integer_operators.hpp"
#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

using Word = std::uint32_t;

// requantize(): clipping to int8 before rounding gives the same, for the limits are integers. NaN
// fails the first comparison and becomes 127.
__device__ inline int requantized(int x, float scale) {
  float y = __fmul_rn(__int2float_rn(x), scale);
  y = y < 127.0F ? y : 127.0F;
  y = y > -128.0F ? y : -128.0F;
  return __float2int_rn(y);
}

// residual_add().
__device__ inline int added(int a, int b, const ResidualScales& scales) {
  const int sum = requantized(a, scales.a) + requantized(b, scales.b);
  return requantized(scales.relu && sum < 0 ? 0 : sum, scales.sum);
}

// i_exp() of how far a number is below the largest: z is below 32 exactly up to `last`, and up to
// there distance * inverse_ln2 fits 32 bits (supernet/quantization/integer_row_kernels.cpp).
struct Exponential {
  Word ln2, inverse_ln2, b, c, last;

  explicit Exponential(const ExpConstants& constants)
      : ln2(static_cast<Word>(constants.ln2)),
        inverse_ln2(static_cast<Word>(constants.inverse_ln2)),
        b(static_cast<Word>(constants.b)),
        c(static_cast<Word>(constants.c)),
        last(inverse_ln2 == 0 ? ~Word{0} : ((Word{1} << 21) - 1) / inverse_ln2) {}

  __device__ Word operator()(Word distance) const {
    if (distance > last) return 0;
    const Word z = (distance * inverse_ln2) >> 16;
    const Word sum = z * ln2 - distance + b;
    return (c + sum * sum) >> (z & 31);
  }
};

}  // namespace paretoformer::supernet::cuda
