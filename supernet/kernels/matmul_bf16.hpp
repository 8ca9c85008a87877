// Products of bfloat16 numbers summed in fp32, for processors that have instructions for it: the
// matrix product with rounded factors, and, from several such numbers per factor, that in fp32.
#pragma once

#include <cstddef>

#include "supernet/kernels/matmul.hpp"

namespace paretoformer::supernet {

// What this processor multiplies bfloat16 with: AMX tiles, AVX-512 BF16 or nothing. The kernels sum
// pairs of products in different orders, so their results differ in the last bits.
enum class Bf16Unit { none, avx512, amx };
Bf16Unit bf16_unit();

// Like matmul<float>() with a and b rounded to nearest even; sums run over k in one fixed order
// however rows and columns are cut. `unit` is one that this processor has, not none. Denormal
// factors and results count as zero.
void matmul_bf16(int m, int n, int k, MatrixView<float> a, MatrixView<float> b, float* c,
                 std::ptrdiff_t c_stride, Into into, Bf16Unit unit);

// The same in fp32 on AMX tiles: a float is the sum of three bfloat16 numbers (24 bits, 8 each),
// and of the nine products of their terms the six largest are summed. What is left out is below
// 2^-23 of the product; sums are rounded in fp32, once per 32 elements of k and product. Factors
// beyond 3.38e38, which bfloat16 rounds to infinity, give infinities or NaN.
void matmul_split(int m, int n, int k, MatrixView<float> a, MatrixView<float> b, float* c,
                  std::ptrdiff_t c_stride, Into into);

// The parts of pack() and matmul_packed() that go with these. Packed rows are filled up to a
// multiple of kBf16Depth; every element is 2 bytes a term.
inline constexpr int kBf16Depth = 32;
inline constexpr int kSplitTerms = 3;
void pack_bf16(MatrixView<float> b, int first, int last, const PackedMatrix<float>& packed);
void matmul_packed_bf16(int m, int n, int k, MatrixView<float> a, const PackedMatrix<float>& b,
                        int first, float* c, std::ptrdiff_t c_stride, Into into, Bf16Unit unit);
void pack_split(MatrixView<float> b, int first, int last, const PackedMatrix<float>& packed);
void matmul_packed_split(int m, int n, int k, MatrixView<float> a, const PackedMatrix<float>& b,
                         int first, float* c, std::ptrdiff_t c_stride, Into into);

}  // namespace paretoformer::supernet
