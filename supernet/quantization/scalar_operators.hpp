// The operators of integer_operators.hpp in their plain form, one element after the other: what the
// fast ones are tested against.
#pragma once

#include "supernet/quantization/integer_operators.hpp"

namespace paretoformer::supernet::scalar {

void integer_matmul(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                    Bias bias, Rows<std::int32_t> c);
void requantize_rows(int rows, int columns, Rows<const std::int32_t> x, float scale,
                     Rows<std::int8_t> y);
void integer_relu(int rows, int columns, Rows<const std::int32_t> x, float scale,
                  Rows<std::int8_t> y);
void integer_gelu(int rows, int columns, Rows<const std::int32_t> x, const GeluConstants& constants,
                  float scale, Rows<std::int8_t> y);
void integer_softmax(int rows, int columns, Rows<const std::int32_t> x,
                     const ExpConstants& constants, float scale, Rows<std::int8_t> y);
void integer_layer_norm(int rows, int columns, Rows<const std::int32_t> x, float scale,
                        Rows<std::int8_t> y);
void rescale(int rows, int columns, Rows<const std::int8_t> x, float scale, Rows<std::int8_t> y);
void residual_add(int rows, int columns, Rows<const std::int8_t> a, Rows<const std::int8_t> b,
                  const ResidualScales& scales, Rows<std::int8_t> y);

}  // namespace paretoformer::supernet::scalar
