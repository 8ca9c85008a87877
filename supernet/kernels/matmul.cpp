#include "supernet/kernels/matmul.hpp"

#include <memory>
#include <new>
#include <type_traits>

#include "supernet/kernels/kernel_sets.hpp"
#include "supernet/kernels/matmul_bf16.hpp"

namespace paretoformer::supernet {
namespace {

struct FreeAligned {
  void operator()(void* p) const { ::operator delete (p, std::align_val_t{64}); }
};

}  // namespace

void* matmul_scratch() {
  thread_local std::unique_ptr<void, FreeAligned> buffer{
      ::operator new (kMatmulScratch, std::align_val_t{64})};
  return buffer.get();
}

template <class T>
void matmul_vector(int m, int n, int k, MatrixView<T> a, MatrixView<T> b, T* c,
                   std::ptrdiff_t c_stride, Into into) {
  kernels<T>().matmul_vector(m, n, k, a, b, c, c_stride, into);
}

template <class T>
void matmul(int m, int n, int k, MatrixView<T> a, MatrixView<T> b, T* c, std::ptrdiff_t c_stride,
            Into into, Products products) {
  if constexpr (std::is_same_v<T, float>) {
    const Bf16Unit unit = bf16_unit();
    if (products == Products::bf16) return matmul_bf16(m, n, k, a, b, c, c_stride, into, unit);
    if (unit == Bf16Unit::amx) return matmul_split(m, n, k, a, b, c, c_stride, into);
  }
  matmul_vector<T>(m, n, k, a, b, c, c_stride, into);
}

template <class T>
std::size_t packed_bytes(int rows, int columns, Products products) {
  const auto up = [](int count, int unit) {
    return static_cast<std::size_t>((count + unit - 1) / unit) * static_cast<std::size_t>(unit);
  };
  const std::size_t of_columns = up(columns, kPackedColumns);
  if constexpr (std::is_same_v<T, float>) {
    const std::size_t of_terms = of_columns * up(rows, kBf16Depth) * 2;
    const Bf16Unit unit = bf16_unit();
    if (products == Products::bf16) return of_terms;
    if (unit == Bf16Unit::amx) return kSplitTerms * of_terms;
  }
  return of_columns * static_cast<std::size_t>(rows) * sizeof(T);
}

template <class T>
void pack_vector(MatrixView<T> b, int first, int last, const PackedMatrix<T>& packed) {
  kernels<T>().pack_vector(b, first, last, packed);
}

template <class T>
void pack(MatrixView<T> b, int first, int last, const PackedMatrix<T>& packed) {
  if constexpr (std::is_same_v<T, float>) {
    if (packed.products == Products::bf16) return pack_bf16(b, first, last, packed);
    if (bf16_unit() == Bf16Unit::amx) return pack_split(b, first, last, packed);
  }
  pack_vector<T>(b, first, last, packed);
}

template <class T>
void matmul_packed_vector(int m, int n, int k, MatrixView<T> a, const PackedMatrix<T>& b, int first,
                          T* c, std::ptrdiff_t c_stride, Into into) {
  kernels<T>().matmul_packed_vector(m, n, k, a, b, first, c, c_stride, into);
}

template <class T>
void matmul_packed(int m, int n, int k, MatrixView<T> a, const PackedMatrix<T>& b, int first, T* c,
                   std::ptrdiff_t c_stride, Into into) {
  if constexpr (std::is_same_v<T, float>) {
    const Bf16Unit unit = bf16_unit();
    if (b.products == Products::bf16)
      return matmul_packed_bf16(m, n, k, a, b, first, c, c_stride, into, unit);
    if (unit == Bf16Unit::amx) return matmul_packed_split(m, n, k, a, b, first, c, c_stride, into);
  }
  matmul_packed_vector<T>(m, n, k, a, b, first, c, c_stride, into);
}

#define PARETOFORMER_INSTANTIATE_MATMUL(T)                                                         \
  template void matmul<T>(int, int, int, MatrixView<T>, MatrixView<T>, T*, std::ptrdiff_t, Into,   \
                          Products);                                                               \
  template void matmul_vector<T>(int, int, int, MatrixView<T>, MatrixView<T>, T*, std::ptrdiff_t,  \
                                 Into);                                                            \
  template std::size_t packed_bytes<T>(int, int, Products);                                        \
  template void pack<T>(MatrixView<T>, int, int, const PackedMatrix<T>&);                          \
  template void pack_vector<T>(MatrixView<T>, int, int, const PackedMatrix<T>&);                   \
  template void matmul_packed<T>(int, int, int, MatrixView<T>, const PackedMatrix<T>&, int, T*,    \
                                 std::ptrdiff_t, Into);                                            \
  template void matmul_packed_vector<T>(int, int, int, MatrixView<T>, const PackedMatrix<T>&, int, \
                                        T*, std::ptrdiff_t, Into);

PARETOFORMER_INSTANTIATE_MATMUL(float)
PARETOFORMER_INSTANTIATE_MATMUL(double)

}  // namespace paretoformer::supernet
