// What a network in int8 does on the device: the steps of
// supernet/quantization/quantized_network.hpp, to the bit those of integer_operators.hpp.
//
// Matrices of int8 have rows of byte_stride() elements and begin at multiples of 16 bytes. What
// lies behind the elements of a row may be anything, but in weights, where it is 0.
#pragma once

#include <cstddef>
#include <cstdint>

#include "supernet/quantization/integer_operators.hpp"
#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// Elements from one row to the next: whole pieces of what is copied at a time.
__host__ __device__ constexpr int byte_stride(int columns) { return (columns + 15) / 16 * 16; }

// An IntegerLinear whose numbers are the device's.
struct DeviceLinear {
  int outputs = 0, inputs = 0;
  const std::int8_t* weight = nullptr;  // [outputs][inputs]
  const std::int32_t* bias = nullptr;   // [outputs]
  float scale = 0;
};

// y = x W^T + bias. The sums themselves, in rows of `stride`.
void integer_sums(Stream& stream, const DeviceLinear& linear, int rows, const std::int8_t* x,
                  std::int32_t* y, std::ptrdiff_t stride);
// Requantized; `table`, if there is one, has what becomes of each of the results from -128 on.
void integer_linear(Stream& stream, const DeviceLinear& linear, int rows, const std::int8_t* x,
                    const std::int8_t* table, std::int8_t* y);
// x = residual_add(x, requantized sums of `added`).
void integer_linear_added(Stream& stream, const DeviceLinear& linear, int rows,
                          const std::int8_t* added, const ResidualScales& scales, std::int8_t* x);

// integer_layer_norm() of rows that are read `reads` times.
void integer_norm(Stream& stream, int rows, int columns, const std::int8_t* x, int reads,
                  float scale, std::int8_t* y);

// x[r] = residual_add(tokens[text[r]], positions[r % length]).
void integer_embedding(Stream& stream, int rows, int columns, int length, const std::int32_t* text,
                       const std::int8_t* tokens, const std::int8_t* positions,
                       const ResidualScales& scales, std::int8_t* x);

// Causal attention of sequences of `length` rows, every head by itself.
struct IntegerAttention {
  int sequences, length, heads, head_width;  // of at most 128
  ExpConstants softmax;
  float context_scale;
};
void integer_attention(Stream& stream, const IntegerAttention& attention, const std::int8_t* query,
                       const std::int8_t* key, const std::int8_t* value, std::int8_t* context);

// losses[r] = -log softmax(scale * sums[r])[targets[r]], for a scale above 0.
void integer_losses(Stream& stream, int rows, int vocabulary, std::ptrdiff_t stride,
                    const std::int32_t* sums, float scale, const std::int32_t* targets,
                    float* losses);

}  // namespace paretoformer::supernet::cuda
