// The operators of supernet/quantization/integer_operators.hpp in their plain forms, one number at
// a time (supernet/quantization/integer_arithmetic.hpp): what the fast ones are compared with.
#pragma once

#include <algorithm>
#include <cstdint>

#include "supernet/quantization/integer_operators.hpp"

namespace paretoformer::supernet::scalar {

template <class From, class Function>
void map(int rows, int columns, Rows<const From> x, Rows<std::int8_t> y, Function function) {
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < columns; ++j) y.data[r * y.stride + j] = function(x.data[r * x.stride + j]);
}

inline void integer_matmul(int m, int n, int k, MatrixView<std::int8_t> a,
                           MatrixView<std::int8_t> b, Bias bias, Rows<std::int32_t> c) {
  for (int i = 0; i < m; ++i)
    for (int j = 0; j < n; ++j) {
      std::int32_t sum = bias.data ? bias.data[i * bias.stride + j] : 0;
      for (int p = 0; p < k; ++p)
        sum = wrapping_add(sum, a.data[i * a.row_stride + p * a.column_stride] *
                                    b.data[p * b.row_stride + j * b.column_stride]);
      c.data[i * c.stride + j] = sum;
    }
}

inline void requantize_rows(int rows, int columns, Rows<const std::int32_t> x, float scale,
                            Rows<std::int8_t> y) {
  map(rows, columns, x, y, [&](std::int32_t v) { return requantize(v, scale); });
}

inline void integer_relu(int rows, int columns, Rows<const std::int32_t> x, float scale,
                         Rows<std::int8_t> y) {
  map(rows, columns, x, y, [&](std::int32_t v) { return requantize(std::max(v, 0), scale); });
}

inline void integer_gelu(int rows, int columns, Rows<const std::int32_t> x,
                         const GeluConstants& constants, float scale, Rows<std::int8_t> y) {
  map(rows, columns, x, y, [&](std::int32_t v) { return requantize(i_gelu(v, constants), scale); });
}

inline void integer_softmax(int rows, int columns, Rows<const std::int32_t> x,
                            const ExpConstants& constants, float scale, Rows<std::int8_t> y) {
  for (int r = 0; r < rows; ++r) {
    const std::int32_t* row = x.data + r * x.stride;
    const std::int32_t largest = *std::max_element(row, row + columns);
    const auto exponential = [&](std::int32_t v) {
      return i_exp(wrapping_subtract(v, largest), constants);
    };
    std::int32_t sum = 0;
    for (int j = 0; j < columns; ++j) sum = wrapping_add(sum, exponential(row[j]));
    const float inverse = 127.0F / static_cast<float>(sum);
    const float factor = inverse * scale;
    map<std::int32_t>(1, columns, {row, 0}, {y.data + r * y.stride, 0},
                      [&](std::int32_t v) { return requantize(exponential(v), factor); });
  }
}

inline void integer_layer_norm(int rows, int columns, Rows<const std::int32_t> x, float scale,
                               Rows<std::int8_t> y) {
  for (int r = 0; r < rows; ++r) {
    const std::int32_t* row = x.data + r * x.stride;
    std::int32_t sum = 0;
    for (int j = 0; j < columns; ++j) sum = wrapping_add(sum, row[j]);
    const std::int32_t mean = sum / columns;
    std::int32_t squares = 0;
    for (int j = 0; j < columns; ++j) {
      const std::int32_t difference = wrapping_subtract(row[j], mean);
      squares = wrapping_add(squares, wrapping_multiply(difference, difference));
    }
    const auto variance = static_cast<std::uint32_t>(squares / columns);
    const auto root = static_cast<std::int16_t>(i_sqrt(variance));
    const float inverse = 1.0F / static_cast<float>(root == 0 ? 1 : root);
    const float factor = inverse * scale;
    map<std::int32_t>(1, columns, {row, 0}, {y.data + r * y.stride, 0}, [&](std::int32_t v) {
      return requantize(wrapping_subtract(v, mean), factor);
    });
  }
}

inline void rescale(int rows, int columns, Rows<const std::int8_t> x, float scale,
                    Rows<std::int8_t> y) {
  map(rows, columns, x, y, [&](std::int8_t v) { return requantize(v, scale); });
}

inline void residual_add(int rows, int columns, Rows<const std::int8_t> a,
                         Rows<const std::int8_t> b, const ResidualScales& scales,
                         Rows<std::int8_t> y) {
  for (int r = 0; r < rows; ++r)
    for (int j = 0; j < columns; ++j) {
      const std::int32_t sum = requantize(a.data[r * a.stride + j], scales.a) +
                               requantize(b.data[r * b.stride + j], scales.b);
      y.data[r * y.stride + j] = requantize(scales.relu ? std::max(sum, 0) : sum, scales.sum);
    }
}

}  // namespace paretoformer::supernet::scalar
