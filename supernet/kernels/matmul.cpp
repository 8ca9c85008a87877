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

#define PARETOFORMER_INSTANTIATE_MATMUL(T)                                                        \
  template void matmul<T>(int, int, int, MatrixView<T>, MatrixView<T>, T*, std::ptrdiff_t, Into,  \
                          Products);                                                              \
  template void matmul_vector<T>(int, int, int, MatrixView<T>, MatrixView<T>, T*, std::ptrdiff_t, \
                                 Into);

PARETOFORMER_INSTANTIATE_MATMUL(float)
PARETOFORMER_INSTANTIATE_MATMUL(double)

}  // namespace paretoformer::supernet
