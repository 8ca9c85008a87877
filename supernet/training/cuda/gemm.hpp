// Matrix products on the device: bf16 factors on the tensor cores, sums in fp32.
//
// Matrices are rows in memory and named by views, as in supernet/kernels/matmul.hpp; the pointers
// are the device's. Any widths and strides will do, multiples of 8 are faster.
#pragma once

#include <cstddef>

#include "supernet/kernels/matmul.hpp"
#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// C[m x n] = A[m x k] B[k x n], or C += A B; C has rows of `c_stride` elements and must not overlap
// A or B. T is float or Bf16, to which fp32 sums are rounded. The same call on the same kind of
// device gives the same bits.
template <class T>
void gemm(Stream& stream, int m, int n, int k, MatrixView<Bf16> a, MatrixView<Bf16> b, T* c,
          std::ptrdiff_t c_stride, Into into = Into::replace);

}  // namespace paretoformer::supernet::cuda
