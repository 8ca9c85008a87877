// Single-threaded matrix product on strided views: the one kernel that training time depends on.
//
// Every element of the result is summed over k in one fixed order that does not depend on how the
// caller cuts the rows or columns into pieces: splitting a product over any number of threads
// gives the same bits. (A library product, e.g. Eigen's, chooses its blocking by the shape.)
#pragma once

#include <cstddef>

namespace paretoformer::supernet {

// Element (i, j) is data[i * row_stride + j * column_stride]; one of the strides is 1.
template <class T>
struct MatrixView {
  const T* data;
  std::ptrdiff_t row_stride;
  std::ptrdiff_t column_stride;
};

// Rows of `stride` elements as they lie in memory.
template <class T>
MatrixView<T> plain(const T* data, std::ptrdiff_t stride) {
  return {data, stride, 1};
}

// The transpose of rows of `stride` elements.
template <class T>
MatrixView<T> transposed(const T* data, std::ptrdiff_t stride) {
  return {data, 1, stride};
}

enum class Into { replace, accumulate };

// What factors of type float are rounded to before they are multiplied; sums are in fp32 in any
// case. bf16 needs a processor with bf16_unit() != none (supernet/kernels/matmul_bf16.hpp).
enum class Products { fp32, bf16 };

// C[m x n] = A[m x k] B[k x n], or C += A B; C has rows of `c_stride` elements and must not overlap
// A or B. Allocates only on a thread's first call. T is float or double. On a processor with AMX
// tiles fp32 products of float are matmul_split() of supernet/kernels/matmul_bf16.hpp, as accurate
// and faster; elsewhere, and for double, they are matmul_vector().
template <class T>
void matmul(int m, int n, int k, MatrixView<T> a, MatrixView<T> b, T* c, std::ptrdiff_t c_stride,
            Into into = Into::replace, Products products = Products::fp32);

// The same on the processor's vectors: faster on matrices as small as those of attention heads.
template <class T>
void matmul_vector(int m, int n, int k, MatrixView<T> a, MatrixView<T> b, T* c,
                   std::ptrdiff_t c_stride, Into into = Into::replace);

// The right factor B[rows x columns] of many products in the order in which matmul() reads it,
// packed once for all of them. Of use to products with any part of B whose rows are its first ones.
template <class T>
struct PackedMatrix {
  void* data;  // packed_bytes(), aligned to 64
  int rows, columns;
  Products products;  // of all products with it
};

template <class T>
std::size_t packed_bytes(int rows, int columns, Products products);

// Columns are packed and used from multiples of this on.
inline constexpr int kPackedColumns = 32;

// Packs the columns of `b` from `first` up to `last`.
template <class T>
void pack(MatrixView<T> b, int first, int last, const PackedMatrix<T>& packed);

// matmul() with the first k rows and the n columns from `first` on of B, to the same bits as from
// where it was packed from.
template <class T>
void matmul_packed(int m, int n, int k, MatrixView<T> a, const PackedMatrix<T>& b, int first, T* c,
                   std::ptrdiff_t c_stride, Into into = Into::replace);

// Of both, what the processor's vectors do.
template <class T>
void pack_vector(MatrixView<T> b, int first, int last, const PackedMatrix<T>& packed);
template <class T>
void matmul_packed_vector(int m, int n, int k, MatrixView<T> a, const PackedMatrix<T>& b, int first,
                          T* c, std::ptrdiff_t c_stride, Into into);

// This thread's memory for packed blocks, kMatmulScratch bytes aligned to 64, of which the matrix
// product that is running has all. Allocated on a thread's first call.
inline constexpr std::size_t kMatmulScratch = std::size_t{5} << 20;
void* matmul_scratch();

}  // namespace paretoformer::supernet
