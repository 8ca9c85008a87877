// Stands in for CUDA's headers: kernels compile as plain C++ and run on the CPU.
//
// The threads of a block are fibers, which run one after another in one thread of the system and
// change at barriers and at what a warp does together. That finds what no test on a device would:
// memory that is read before it is written (shared and device memory start as NaN), barriers and
// warp operations that not all threads reach (Fault), missing barriers (results change when threads
// run in the reverse order, `reversed`), and, under valgrind, what is read or written past the end.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned width = 1, unsigned height = 1, unsigned depth = 1)
      : x(width), y(height), z(depth) {}
};

inline dim3 threadIdx, blockIdx, blockDim, gridDim;  // of the fiber that runs

namespace emulation {

// What a kernel must not do.
class Fault : public std::logic_error {
  using std::logic_error::logic_error;
};

// A block may have that much on compute capability 8.6 and 8.9; 163 KiB on 8.0, 227 KiB on 9.0.
inline constexpr std::size_t kSharedBytes = 99 << 10;

inline bool reversed = false;  // the order in which threads get their turn
// Memory of the emulated device in bytes, for all that is allocated at a time.
inline std::size_t device_memory = std::size_t{4} << 30;
inline std::uint64_t launches = 0;

// All blocks, one after another; throws the Fault of the first thread that commits one.
void run(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& thread);

unsigned lane();
void barrier(const std::source_location& where);
// All 32 threads of a warp bring `mine`; the last one to come does `together` for all, lanes in
// order. `what` must be the same for all.
void warp_operation(const char* what, void* mine, void (*together)(void* const* lanes),
                    const std::source_location& where);
void require(bool condition, const char* expected);

unsigned char* dynamic_shared();
// Static shared memory is filled with NaN before every block.
void register_shared(void* memory, std::size_t bytes);

template <class T, std::size_t count>
struct SharedArray {
  T values[count];
  SharedArray() { register_shared(values, sizeof values); }
};

}  // namespace emulation

#define PARETOFORMER_DYNAMIC_SHARED(name) unsigned char* const name = emulation::dynamic_shared()
#define PARETOFORMER_SHARED(type, name, count)              \
  static emulation::SharedArray<type, count> name##_shared; \
  type* const name = name##_shared.values

inline void __syncthreads(std::source_location where = std::source_location::current()) {
  emulation::barrier(where);
}

inline void __syncwarp(unsigned mask = 0xffffffffU,
                       std::source_location where = std::source_location::current()) {
  emulation::require(mask == 0xffffffffU, "the mask of a whole warp");
  emulation::warp_operation(
      "__syncwarp", nullptr, [](void* const*) {}, where);
}

namespace emulation {

template <class T>
struct Exchange {
  T value;
  unsigned source;  // lane
  T result;
};

template <class T>
T exchange(const char* what, unsigned mask, T value, unsigned source, int width,
           const std::source_location& where) {
  require(mask == 0xffffffffU, "the mask of a whole warp");
  require(width == 32, "an exchange between all lanes");
  Exchange<T> mine{value, source, value};
  warp_operation(
      what, &mine,
      [](void* const* lanes) {
        for (unsigned i = 0; i < 32; ++i) {
          auto& to = *static_cast<Exchange<T>*>(lanes[i]);
          if (to.source < 32) to.result = static_cast<Exchange<T>*>(lanes[to.source])->value;
        }
      },
      where);
  return mine.result;
}

}  // namespace emulation

template <class T>
T __shfl_sync(unsigned mask, T value, int source, int width = 32,
              std::source_location where = std::source_location::current()) {
  return emulation::exchange("__shfl_sync", mask, value, static_cast<unsigned>(source) % 32, width,
                             where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  std::source_location where = std::source_location::current()) {
  return emulation::exchange("__shfl_xor_sync", mask, value,
                             emulation::lane() ^ static_cast<unsigned>(bits), width, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32,
                   std::source_location where = std::source_location::current()) {
  return emulation::exchange("__shfl_down_sync", mask, value, emulation::lane() + distance, width,
                             where);
}

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

inline float rsqrtf(float x) { return 1.0F / std::sqrt(x); }
inline float __expf(float x) { return std::exp(x); }
inline float __logf(float x) { return std::log(x); }
template <class T>
const T& min(const T& a, const T& b) {
  return std::min(a, b);
}
template <class T>
const T& max(const T& a, const T& b) {
  return std::max(a, b);
}
template <class T>
T __ldg(const T* address) {
  return *address;
}

struct __nv_bfloat16 {
  std::uint16_t bits;
};

inline float __bfloat162float(__nv_bfloat16 value) {
  const std::uint32_t bits = std::uint32_t{value.bits} << 16;
  float result;
  std::memcpy(&result, &bits, sizeof result);
  return result;
}

inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  if (std::isnan(value)) return {0x7fff};
  std::uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits += 0x7fff + ((bits >> 16) & 1);  // ties to even
  return {static_cast<std::uint16_t>(bits >> 16)};
}

// The part of mma.h for 16x16x16 products of bf16. Which lane holds which element is not specified
// (CUDA C++ Programming Guide, "Warp Matrix Functions"), so here it is a way that no device has.
namespace nvcuda::wmma {

struct row_major;
struct col_major;
struct matrix_a;
struct matrix_b;
struct accumulator;
enum layout_t { mem_row_major, mem_col_major };

template <class Use, int m, int n, int k, class T, class Layout = void>
struct fragment {
  static_assert(m == 16 && n == 16 && k == 16);
  static constexpr int num_elements = 8;
  T x[num_elements];
};

template <class Use, int m, int n, int k, class T, class Layout>
void fill_fragment(fragment<Use, m, n, k, T, Layout>& f, T value) {
  std::fill_n(f.x, f.num_elements, value);
}

namespace detail {

// Element e of lane l is number place(l, e) of the 256 of the rows of the matrix.
inline int place(int lane, int element) { return (element * 32 + lane) * 37 % 256; }

template <class F, class T>
struct Transfer {
  F* fragment;
  T* memory;
  unsigned stride;
  bool columns;
};

template <class T>
void check(const T* memory, unsigned stride) {
  emulation::require(reinterpret_cast<std::uintptr_t>(memory) % 32 == 0,
                     "a matrix at a multiple of 32 bytes");
  emulation::require(stride * sizeof(T) % 16 == 0 && stride >= 16,
                     "rows of a matrix multiples of 16 bytes apart");
}

// `copy` is done for every element of the fragments of a warp and its place in memory.
template <class F, class T, class Copy>
void transfer(void* const* lanes, Copy copy) {
  using Item = Transfer<F, T>;
  const Item& first = *static_cast<Item*>(lanes[0]);
  for (int lane = 0; lane < 32; ++lane) {
    const Item& item = *static_cast<Item*>(lanes[lane]);
    emulation::require(
        item.memory == first.memory && item.stride == first.stride && item.columns == first.columns,
        "one matrix for all lanes of a warp");
    for (int e = 0; e < F::num_elements; ++e) {
      const unsigned row = static_cast<unsigned>(place(lane, e)) / 16;
      const unsigned column = static_cast<unsigned>(place(lane, e)) % 16;
      copy(item.fragment->x[e],
           item.memory[item.columns ? column * item.stride + row : row * item.stride + column]);
    }
  }
}

template <class F, class T>
void load(F& f, const T* memory, unsigned stride, bool columns, const std::source_location& where) {
  check(memory, stride);
  Transfer<F, const T> mine{&f, memory, stride, columns};
  emulation::warp_operation(
      "load_matrix_sync", &mine,
      [](void* const* lanes) {
        transfer<F, const T>(lanes, [](auto& element, const T& value) { element = value; });
      },
      where);
}

template <class F>
void gather(void* const* lanes, const F* (*of)(void*), float* matrix) {
  for (int lane = 0; lane < 32; ++lane)
    for (int e = 0; e < F::num_elements; ++e) {
      const auto value = of(lanes[lane])->x[e];
      if constexpr (std::is_same_v<decltype(value), const float>)
        matrix[place(lane, e)] = value;
      else
        matrix[place(lane, e)] = __bfloat162float(value);
    }
}

}  // namespace detail

template <class Use, class T, class Layout>
void load_matrix_sync(fragment<Use, 16, 16, 16, T, Layout>& f, const T* memory, unsigned stride,
                      std::source_location where = std::source_location::current()) {
  detail::load(f, memory, stride, std::is_same_v<Layout, col_major>, where);
}
template <class T>
void load_matrix_sync(fragment<accumulator, 16, 16, 16, T>& f, const T* memory, unsigned stride,
                      layout_t layout,
                      std::source_location where = std::source_location::current()) {
  detail::load(f, memory, stride, layout == mem_col_major, where);
}

template <class T>
void store_matrix_sync(T* memory, const fragment<accumulator, 16, 16, 16, T>& f, unsigned stride,
                       layout_t layout,
                       std::source_location where = std::source_location::current()) {
  using F = const fragment<accumulator, 16, 16, 16, T>;
  detail::check(memory, stride);
  detail::Transfer<F, T> mine{&f, memory, stride, layout == mem_col_major};
  emulation::warp_operation(
      "store_matrix_sync", &mine,
      [](void* const* lanes) {
        detail::transfer<F, T>(lanes, [](const T& element, T& value) { value = element; });
      },
      where);
}

// d = a b + c, sums over k in order.
template <class LayoutA, class LayoutB>
void mma_sync(fragment<accumulator, 16, 16, 16, float>& d,
              const fragment<matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA>& a,
              const fragment<matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB>& b,
              const fragment<accumulator, 16, 16, 16, float>& c,
              std::source_location where = std::source_location::current()) {
  using A = fragment<matrix_a, 16, 16, 16, __nv_bfloat16, LayoutA>;
  using B = fragment<matrix_b, 16, 16, 16, __nv_bfloat16, LayoutB>;
  using C = fragment<accumulator, 16, 16, 16, float>;
  struct Factors {
    C* d;
    const A* a;
    const B* b;
    const C* c;
  } mine{&d, &a, &b, &c};
  emulation::warp_operation(
      "mma_sync", &mine,
      [](void* const* lanes) {
        float a_matrix[256], b_matrix[256], sums[256];
        detail::gather<A>(
            lanes, [](void* of) { return static_cast<Factors*>(of)->a; }, a_matrix);
        detail::gather<B>(
            lanes, [](void* of) { return static_cast<Factors*>(of)->b; }, b_matrix);
        detail::gather<C>(
            lanes, [](void* of) { return static_cast<const C*>(static_cast<Factors*>(of)->c); },
            sums);
        for (int i = 0; i < 16; ++i)
          for (int k = 0; k < 16; ++k)
            for (int j = 0; j < 16; ++j)
              sums[i * 16 + j] += a_matrix[i * 16 + k] * b_matrix[k * 16 + j];
        for (int lane = 0; lane < 32; ++lane)
          for (int e = 0; e < C::num_elements; ++e)
            static_cast<Factors*>(lanes[lane])->d->x[e] = sums[detail::place(lane, e)];
      },
      where);
}

}  // namespace nvcuda::wmma
