// The row-wise operators of integer_operators.hpp, and what goes between them, for every
// instruction set that they are compiled for: integer_row_kernels.cpp, once per set, under the
// rules of supernet/kernels/kernel_sets.hpp. All sets give the same bits. Columns are not checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "supernet/quantization/integer_operators.hpp"

namespace paretoformer::supernet {

struct IntegerKernels {
  decltype(&supernet::requantize_rows) requantize_rows;
  decltype(&supernet::integer_relu) integer_relu;
  decltype(&supernet::integer_gelu) integer_gelu;
  decltype(&supernet::integer_softmax) integer_softmax;
  decltype(&supernet::integer_layer_norm) integer_layer_norm;
  decltype(&supernet::rescale) rescale;
  decltype(&supernet::residual_add) residual_add;
  // y = times * x.
  void (*widen)(std::size_t count, const std::int8_t* x, int times, std::int32_t* y);
  // y = x * scale.
  void (*to_float)(std::size_t count, const std::int32_t* x, float scale, float* y);
  // The bits of the largest size |x|; of sizes, bits are in their order, and those of numbers that
  // are not finite above all others.
  std::int32_t (*largest_size)(std::size_t count, const float* x);
};

// Those of the set of this name, one of kernel_sets().
const IntegerKernels& integer_kernels(std::string_view set);

// Those of kernel_set().
const IntegerKernels& integer_kernels();

namespace portable {
extern const IntegerKernels kIntegerKernels;
}
namespace x86_64_v3 {
extern const IntegerKernels kIntegerKernels;
}
namespace x86_64_v4 {
extern const IntegerKernels kIntegerKernels;
}

}  // namespace paretoformer::supernet
