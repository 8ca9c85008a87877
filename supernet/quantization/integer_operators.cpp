#include "supernet/quantization/integer_operators.hpp"

#include <algorithm>
#include <limits>
#include <string>

#include "supernet/kernels/kernel_sets.hpp"
#include "supernet/kernels/matmul_int8.hpp"
#include "supernet/quantization/integer_kernel_sets.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

void require_columns(int columns, int most) {
  if (columns < 1 || columns > most)
    throw InputError("rows of " + std::to_string(columns) + " columns: expected 1 to " +
                     std::to_string(most));
}

// With constants of nobody's making but a test's, for which the kernels' z would not fit.
void softmax_of_any_constants(int rows, int columns, Rows<const std::int32_t> x,
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
    for (int j = 0; j < columns; ++j)
      y.data[r * y.stride + j] = requantize(exponential(row[j]), factor);
  }
}

}  // namespace

const IntegerKernels& integer_kernels(std::string_view set) {
#ifdef PARETOFORMER_X86_64_KERNELS
  if (set == "x86-64-v3") return x86_64_v3::kIntegerKernels;
  if (set == "x86-64-v4") return x86_64_v4::kIntegerKernels;
#endif
  static_cast<void>(set);
  return portable::kIntegerKernels;
}

const IntegerKernels& integer_kernels() {
  static const IntegerKernels& kernels = integer_kernels(kernel_set().name);
  return kernels;
}

void integer_matmul(int m, int n, int k, MatrixView<std::int8_t> a, MatrixView<std::int8_t> b,
                    Bias bias, Rows<std::int32_t> c) {
  matmul_int8(m, n, k, a, b, bias, c.data, c.stride, int8_unit());
}

void requantize_rows(int rows, int columns, Rows<const std::int32_t> x, float scale,
                     Rows<std::int8_t> y) {
  integer_kernels().requantize_rows(rows, columns, x, scale, y);
}

void integer_relu(int rows, int columns, Rows<const std::int32_t> x, float scale,
                  Rows<std::int8_t> y) {
  integer_kernels().integer_relu(rows, columns, x, scale, y);
}

void integer_gelu(int rows, int columns, Rows<const std::int32_t> x, const GeluConstants& constants,
                  float scale, Rows<std::int8_t> y) {
  integer_kernels().integer_gelu(rows, columns, x, constants, scale, y);
}

void integer_softmax(int rows, int columns, Rows<const std::int32_t> x,
                     const ExpConstants& constants, float scale, Rows<std::int8_t> y) {
  require_columns(columns, std::numeric_limits<int>::max());
  if (constants.inverse_ln2 < 0 || constants.inverse_ln2 > 65536)
    return softmax_of_any_constants(rows, columns, x, constants, scale, y);
  integer_kernels().integer_softmax(rows, columns, x, constants, scale, y);
}

void integer_layer_norm(int rows, int columns, Rows<const std::int32_t> x, float scale,
                        Rows<std::int8_t> y) {
  require_columns(columns, 65535);
  integer_kernels().integer_layer_norm(rows, columns, x, scale, y);
}

void rescale(int rows, int columns, Rows<const std::int8_t> x, float scale, Rows<std::int8_t> y) {
  integer_kernels().rescale(rows, columns, x, scale, y);
}

void residual_add(int rows, int columns, Rows<const std::int8_t> a, Rows<const std::int8_t> b,
                  const ResidualScales& scales, Rows<std::int8_t> y) {
  integer_kernels().residual_add(rows, columns, a, b, scales, y);
}

}  // namespace paretoformer::supernet
