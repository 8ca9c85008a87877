// A sub-network in int8 and its forward pass, of which every step is an integer operator of
// supernet/quantization/integer_operators.hpp, in the places where the accelerator has it:
//
//   x = residual_add(tokens[t], positions[p])                  int8
//   per layer:
//     n = layer_norm(4 x, read into int32)                     int8
//     q, k, v = requantize(n W + bias)                         int8, three products
//     per head: p = softmax(mask + q k^T), c = requantize(p v)
//     x = residual_add(x, requantize(c W + bias))
//     n = layer_norm(4 x, read into int32)
//     u = requantize(n W + bias)
//     g = gelu(u read into int32)
//     x = residual_add(x, requantize(g W + bias))
//   logits = layer_norm(4 x, read into int32) W + bias         int32, times a scale in fp32
//
// Why these places: a LayerNorm fused onto the int32 sums of a projection wraps (overflow.hpp), and
// so does i-GELU of raw sums, whose steps are so fine that its constants fill 32 bits. Both read
// int8 instead, for which their bounds hold whatever the values are; require_safe() checks that
// they do. The softmax does read raw sums; the scales of q and k are made coarse enough for it.
//
// 4 x, because the normaliser's mean and root are whole numbers: of rows whose deviation is 20, the
// root is up to a twentieth too small. Rows that are read into the accumulator four times, three of
// them accumulating (as gemmini.h's sp_tiled_resadd reads two operands), have four times as fine
// steps. docs/results.md has what that is worth, docs/simulator.md what it costs.
//
// Scales: one per tensor. A product has one output scale, so q, k and v are products of their own
// with scales of their own, and each head's scores and context are. What a projection adds to the
// residual stream leaves it in the step in which it is added, so that it is rounded once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "supernet/quantization/activation_sites.hpp"
#include "supernet/quantization/calibration.hpp"
#include "supernet/quantization/folded_network.hpp"
#include "supernet/quantization/int4_weights.hpp"
#include "supernet/quantization/integer_operators.hpp"

namespace paretoformer::supernet {

// y = requantize(x W^T + bias, scale), of int8 x with scale S_x: bias has the scale S_x S_w, and
// `scale` is S_x S_w / S_y. The head has no `scale`: its sums stay int32.
struct IntegerLinear {
  int outputs = 0, inputs = 0;
  std::vector<std::int8_t> weight;  // [outputs][inputs]
  std::vector<std::int32_t> bias;   // [outputs]
  float weight_scale = 0;           // S_w
  float scale = 0;
  // Of weights of four bits, [outputs][groups of kInt4Group inputs]: `weight` holds their products.
  std::vector<std::uint8_t> multipliers = {};
};

struct IntegerLayer {
  int heads = 0;
  float norm1 = 0, norm2 = 0;  // scales of the LayerNorms' mvouts, 1 / S
  IntegerLinear query, key, value, output, up, down;
  ExpConstants softmax{};  // of S_q S_k / sqrt(head_width)
  float context = 0;       // of the product of probabilities (scale 1 / 127) and v
  ResidualScales attention_add{}, ffn_add{};
  GeluConstants gelu{};  // of S_up
  float gelu_scale = 0;  // from i-GELU's numbers to S_gelu: negative
};

// How often a LayerNorm's rows are read into the accumulator. With 4, the sum of squares fits 32
// bits up to 8256 columns.
inline constexpr int kNormReads = 4;

struct QuantizedNetwork {
  Architecture network;
  int context = 0;
  int norm_reads = kNormReads;
  Sites<float> scales;                         // of every int8 tensor, as they are used
  std::vector<std::int8_t> tokens, positions;  // [vocabulary][d], [context][d]
  ResidualScales embedding{};
  std::vector<IntegerLayer> layers;
  float norm = 0;
  IntegerLinear head;
  float logit_scale = 0;  // a logit is its int32 sum times this
};

// With the scales of activations, but for those of the tables, which follow from their values, like
// those of matrices, by `weights`; the matrices of layers with weights of four bits are those of
// to_int4() with the layer's `moments`, or none. Some are made coarser where an operator asks for
// it: q and k until softmax_is_safe() for rows of `context`, up until i-GELU's constants are whole
// and its products safe. Throws InputError that names the tensor where a scale is not a positive
// number or a bias does not fit int32, and what require_safe() throws.
QuantizedNetwork quantize(const FoldedNetwork& network, const Sites<float>& scales,
                          Calibration weights = Calibration::kMeanSquare,
                          int norm_reads = kNormReads,
                          const std::vector<LayerMoments>& moments = {});

// Throws InputError unless no sum or product of the pass can wrap, whatever the tokens are: the
// bounds of overflow.hpp for all int8 inputs of LayerNorm and GELU and all scores of int8 q and k,
// and the sums of all products.
void require_safe(const QuantizedNetwork& network);

// Of the scores of int8 q and k with these scales.
float score_scale(float query, float key, int head_width);

// Memory for the pass of up to `rows` tokens: of one thread.
struct IntegerActivations {
  IntegerActivations(const QuantizedNetwork& network, int rows);

  std::vector<std::int8_t> x, added, norm, query, key, value, context, wide, gelu, probabilities;
  std::vector<std::int32_t> sums, mask;
};

// The int32 logits [sequences * length][vocabulary] of sequences of `length` tokens, one after the
// other; length is at most network.context. `activations` are for as many rows or more. Throws what
// require_safe() throws.
void integer_logits(const QuantizedNetwork& network, std::span<const std::int32_t> tokens,
                    int length, IntegerActivations& activations, std::int32_t* logits);

// Steps of the pass, for whoever puts them together in another way. Row-wise arguments are dense.

// Reads int8 rows `reads` times into `sums` and normalises them.
void integer_norm(int rows, int columns, const std::int8_t* x, int reads, float scale,
                  std::int32_t* sums, std::int8_t* y);
void project(const IntegerLinear& linear, int rows, const std::int8_t* x, std::int32_t* sums,
             std::int8_t* y);
// Reads int8 rows into `sums` and applies i-GELU.
void integer_gelu_of(const IntegerLayer& layer, int rows, int columns, const std::int8_t* x,
                     std::int32_t* sums, std::int8_t* y);
// The bias that hides from each query the keys after it: [length][length] of 0 and kMasked.
void causal_mask(int length, std::int32_t* mask);
// Rows x = tokens[t] + positions[p].
void integer_embedding(const QuantizedNetwork& network, std::span<const std::int32_t> tokens,
                       int length, std::int8_t* x);

// Queries whose scores are in memory at a time; keys after the last of them are not computed.
inline constexpr int kIntegerQueryBlock = 64;

}  // namespace paretoformer::supernet
