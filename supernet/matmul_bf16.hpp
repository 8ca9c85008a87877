// The product of matmul.hpp with its factors rounded to bfloat16 and sums in fp32, for processors
// that have instructions for it.
#pragma once

#include <cstddef>

#include "supernet/matmul.hpp"

namespace paretoformer {

// What this processor multiplies bfloat16 with: AMX tiles, AVX-512 BF16 or nothing. The kernels sum
// pairs of products in different orders, so their results differ in the last bits.
enum class Bf16Unit { none, avx512, amx };
Bf16Unit bf16_unit();

// Like matmul<float>(), with a and b rounded to nearest even; sums run over k in one fixed order
// however rows and columns are cut. `unit` is one that this processor has, not none. Denormal
// factors and results count as zero.
void matmul_bf16(int m, int n, int k, MatrixView<float> a, MatrixView<float> b, float* c,
                 std::ptrdiff_t c_stride, Into into, Bf16Unit unit);

}  // namespace paretoformer
