// The operators between the matrix products, on the device. Formulas are those of
// supernet/kernels/kernels.hpp.
//
// Rows of activations lie one after the other, `width` values each. Activations are bf16, the
// residual stream and its gradient fp32, statistics and sums fp32. The stream is fp32 because every
// layer adds to it: in bf16 it would lose what is below 2^-8 of it, layer after layer, and the
// LayerNorms subtract its mean; it costs 2 of about 40 bytes per value and layer. All that a
// product reads is rounded to bf16 once, by the kernel that makes it.
//
// Sums over rows, of which the gradients of vectors are made, are in two steps: blocks write the
// sums of rows that the number of rows alone assigns to them, and add_partial_sums() adds those in
// one order. So there are no atomics, and results have the same bits in every run.
#pragma once

#include <cstddef>

#include "supernet/kernels/dropout.hpp"
#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// The widest rows of layer_norm_backward(): a warp's sums must fit into shared memory.
inline constexpr int kMostModelWidth = 8192;

// Floats that the functions below need at `partial_sums`, for rows of up to `model_width` in the
// residual stream and of up to `width` elsewhere.
std::size_t partial_sum_floats(int rows, int model_width, int width);

struct NormRows {
  int rows, width;
  const float *gain, *bias;
  Bf16* y;
  float *mean, *inverse_deviation;  // [rows]
};
// y = (x - mean) / sqrt(variance + 1e-5) * gain + bias
void layer_norm(Stream& stream, const NormRows& norm, const float* x);
// The same of sum = x + added + added_bias, which is kept: the end of one half of a layer and the
// beginning of the next in one pass over the rows. With a mask of what is left of what is added.
void residual_layer_norm(Stream& stream, const NormRows& norm, const float* x, const Bf16* added,
                         const float* added_bias, float* sum, const DropoutMask& mask = {});

struct NormGradient {
  int rows, width;
  const Bf16* dy;
  const float *x, *gain, *mean, *inverse_deviation;
  bool residual;     // whether d_stream has the gradient that reaches x past the normalisation
  float* d_stream;   // += or = dL/dx
  Bf16* d_stream16;  // the result, rounded, for products
  float *d_gain, *d_bias, *dx_sum;  // += sums over rows; dx_sum null: not wanted
  // Of what was added last to x: d_stream16 and dx_sum are the gradient of that.
  DropoutMask mask = {};
};
void layer_norm_backward(Stream& stream, const NormGradient& gradient, float* partial_sums);

// x = what the mask leaves of it.
void drop(Stream& stream, int rows, int width, const DropoutMask& mask, float* x);

// y[r] += bias
void add_bias(Stream& stream, int rows, int width, const float* bias, Bf16* y);
// d_bias += sum over rows of dy
void add_bias_backward(Stream& stream, int rows, int width, const Bf16* dy, float* d_bias,
                       float* partial_sums);
// y = gelu(u + bias), tanh form. u stays: the backward pass takes the slope from it again. Keeping
// the slope instead would save no memory, and round it once more.
void bias_gelu(Stream& stream, int rows, int width, const Bf16* u, const float* bias, Bf16* y);
// dy *= gelu'(u + bias); d_bias += sum over rows of dy
void bias_gelu_backward(Stream& stream, int rows, int width, const Bf16* u, const float* bias,
                        Bf16* dy, float* d_bias, float* partial_sums);

}  // namespace paretoformer::supernet::cuda
