// What Gemmini computes with int8 and int32 matrices, to the bit: products, what is done to int32
// sums on their way out of the accumulator, residual additions.
//
// Every function is pure, single-threaded and defined for all numbers: sums wrap, results saturate.
// Results are the same on every processor; the fastest kernels that it has are used (kernel_set(),
// int8_unit()). They are, to the bit, the arithmetic of one number in
// supernet/quantization/integer_arithmetic.hpp.
//
// Units: an int8 or int32 element x of a matrix with scale S stands for x S. `scale` is what the
// store multiplies by (config_st), e.g. S_in / S_out.
#pragma once

#include <cstddef>
#include <cstdint>

#include "supernet/kernels/matmul.hpp"
#include "supernet/kernels/matmul_int8.hpp"
#include "supernet/quantization/integer_arithmetic.hpp"

namespace paretoformer::supernet {

// Rows of `stride` elements; not more than 2^31 - 1 rows or columns.
template <class T>
struct Rows {
  T* data;
  std::ptrdiff_t stride;
};

// What a mask adds to the scores that a row must not see, in a bias matrix. Scores below 2^28 in
// size do not wrap with it, and their exponentials are 0 beside any that the row sees. A row of
// nothing else is softmaxed as if it had no mask: only differences count.
inline constexpr std::int32_t kMasked = -(std::int32_t{1} << 30);

// C[m x n] = bias + A[m x k] B[k x n] in wrapping int32 (Mesh.scala). The array's own sums have 20
// bits, enough for 16 products; 32 would wrap if all were -128 times -128, which is not modelled. C
// must not overlap A, B or the bias; m, n and k may be 0. Gemmini reads the bias into the
// accumulator before the product (LoopMatmul.scala, ldD).
void integer_matmul(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                    Bias bias, Rows<std::int32_t> c);

// The following take rows x columns elements; y has as many and overlaps none of them.

// y = requantize(x, scale): an mvout without activation.
void requantize_rows(int rows, int columns, Rows<const std::int32_t> x, float scale,
                     Rows<std::int8_t> y);

// y = requantize(max(x, 0), scale).
void integer_relu(int rows, int columns, Rows<const std::int32_t> x, float scale,
                  Rows<std::int8_t> y);

// y = requantize(i_gelu(x), scale).
void integer_gelu(int rows, int columns, Rows<const std::int32_t> x, const GeluConstants& constants,
                  float scale, Rows<std::int8_t> y);

// With m the largest of a row and e = i_exp(x - m): y = requantize(e, k),
// k = f32(f32(127 / f32(sum of e)) * scale), so that with scale 1 y stands for y / 127. The sum
// wraps: supernet/quantization/overflow.hpp says when it cannot. Throws InputError without columns.
void integer_softmax(int rows, int columns, Rows<const std::int32_t> x,
                     const ExpConstants& constants, float scale, Rows<std::int8_t> y);

// y = requantize(x - mean, k), k = f32(f32(1 / r) * scale), mean = sum of x / columns truncated, r
// the integer root of sum of (x - mean)^2 / columns truncated, 1 instead of 0: a row whose variance
// is below 1 keeps x - mean. Both sums wrap, and a root of 32768 or more counts as negative
// (Normalizer.scala: IntSqrt's 16 bits are sign-extended): such rows are garbage, and
// supernet/quantization/overflow.hpp says when there are none. No gain, no bias: they are the next
// product's. Throws InputError unless columns are 1 to 65535 (they are counted in 16 bits).
void integer_layer_norm(int rows, int columns, Rows<const std::int32_t> x, float scale,
                        Rows<std::int8_t> y);

// y = requantize(x, scale) of int8: a scaled mvin. A scale of 1 changes nothing.
void rescale(int rows, int columns, Rows<const std::int8_t> x, float scale, Rows<std::int8_t> y);

struct ResidualScales {
  float a, b, sum;
  bool relu = false;  // the sum is clipped at 0 before it is scaled
};
// y = requantize(requantize(a, scales.a) + requantize(b, scales.b), scales.sum): two mvins, the
// second accumulating, and an mvout (gemmini.h, sp_tiled_resadd).
void residual_add(int rows, int columns, Rows<const std::int8_t> a, Rows<const std::int8_t> b,
                  const ResidualScales& scales, Rows<std::int8_t> y);

}  // namespace paretoformer::supernet
