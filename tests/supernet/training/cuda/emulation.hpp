// Stands in for CUDA's headers: kernels compile as plain C++ and run on the CPU.
//
// The threads of a block are fibers, which run one after another in one thread of the system and
// change at barriers and at what a warp does together. That finds what no test on a device would:
// memory that is read before it is written (shared and device memory start as NaN), barriers and
// warp operations that not all threads reach (Fault), and missing barriers (results change when
// threads run in the reverse order, `reversed`).
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <stdexcept>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct dim3 {
  unsigned x, y, z;
  // NOLINTNEXTLINE: CUDA's own is not explicit either
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

// Where in the source something is called from, as a default argument.
// std::source_location would do but for clang 14.
struct Site {
  const char* file;
  int line;
  static constexpr Site current(const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
    return {file, line};
  }
};

inline bool reversed = false;  // the order in which threads get their turn
// Memory of the emulated device in bytes, for all that is allocated at a time.
inline std::size_t device_memory = std::size_t{4} << 30;
inline std::uint64_t launches = 0;

// All blocks, one after another; throws the Fault of the first thread that commits one.
void run(dim3 grid, dim3 block, std::size_t shared_bytes, const std::function<void()>& thread);

unsigned lane();
void barrier(const Site& where);
// All 32 threads of a warp bring `mine`; the last one to come does `together` for all, lanes in
// order. `what` must be the same for all.
void warp_operation(const char* what, void* mine, void (*together)(void* const* lanes),
                    const Site& where);
void require(bool condition, const char* expected);

unsigned char* dynamic_shared();
// Whether the block's dynamic shared memory has [address, address + bytes).
bool is_shared(const void* address, std::size_t bytes);
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

inline void __syncthreads(emulation::Site where = emulation::Site::current()) {
  emulation::barrier(where);
}

inline void __syncwarp(unsigned mask = 0xffffffffU,
                       emulation::Site where = emulation::Site::current()) {
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
           const Site& where) {
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
              emulation::Site where = emulation::Site::current()) {
  return emulation::exchange("__shfl_sync", mask, value, static_cast<unsigned>(source) % 32, width,
                             where);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits, int width = 32,
                  emulation::Site where = emulation::Site::current()) {
  return emulation::exchange("__shfl_xor_sync", mask, value,
                             emulation::lane() ^ static_cast<unsigned>(bits), width, where);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance, int width = 32,
                   emulation::Site where = emulation::Site::current()) {
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
// To the nearest, ties to even, and never part of a fused multiply-add.
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fdiv_rn(float x, float y) { return x / y; }
inline float __int2float_rn(int x) { return static_cast<float>(x); }
inline int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
template <class T>
const T& min(const T& a, const T& b) {
  return std::min(a, b);
}
template <class T>
const T& max(const T& a, const T& b) {
  return std::max(a, b);
}
inline unsigned __float_as_uint(float x) {
  unsigned bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}
// Threads do not interrupt one another.
inline unsigned atomicAdd(unsigned* address, unsigned value) {
  const unsigned before = *address;
  *address += value;
  return before;
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

// Instructions of the tensor cores and of asynchronous copies, from the PTX ISA
// (docs.nvidia.com/cuda/parallel-thread-execution).
namespace emulation {

// ldmatrix.sync.aligned.m8n8.x4[.trans].shared.b16: lane 8 m + r brings the address of row r of
// matrix m; lane l gets of every matrix the two elements (l / 4, 2 (l % 4)) and behind it, with
// .trans those of the transposed matrix.
void ldmatrix_x4(unsigned (&registers)[4], const void* row, bool trans, const Site& where);
// mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32: c[16 x 8] += a[16 x 16] b[16 x 8]. With
// g = l / 4 and t = l % 4, lane l holds
//   of a (g, 2t..), (g + 8, 2t..), (g, 2t + 8..), (g + 8, 2t + 8..), two elements of a row each;
//   of b (2t.., g), (2t + 8.., g), two elements of a column each;
//   of c (g, 2t), (g, 2t + 1), (g + 8, 2t), (g + 8, 2t + 1).
// Sums over k are in order; a device's are in none that is specified.
void mma_m16n8k16(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1,
                  const Site& where);

// mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32: c[16 x 8] += a[16 x 32] b[32 x 8], wrapping. As
// above with four elements of a row or column in a register: of a (g, 4t..), (g + 8, 4t..),
// (g, 4t + 16..), (g + 8, 4t + 16..); of b (4t.., g), (4t + 16.., g).
void mma_m16n8k32(int (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, const Site& where);

// cp.async: `bytes` (4 or 16), of which the first `source_bytes` come from `from` and the others
// are 0. Nothing is copied before the thread waits for it.
void cp_async(void* to, const void* from, unsigned bytes, unsigned source_bytes);
void cp_async_commit_group();
void cp_async_wait_group(unsigned pending);

}  // namespace emulation
