// What the row kernels share: values read and written several at a time, and sums over a warp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// n neighbours in memory, which one access of up to 16 bytes reads or writes (two for longer ones).
template <class T, int n>
struct alignas(sizeof(T) * n < 16 ? sizeof(T) * n : 16) Pack {
  T values[n];
};

template <int n>
struct Floats {
  float values[n];
  __device__ float& operator[](int i) { return values[i]; }
  __device__ const float& operator[](int i) const { return values[i]; }
};

template <int n>
__device__ inline Floats<n> load(const float* from) {
  const auto pack = *reinterpret_cast<const Pack<float, n>*>(from);
  Floats<n> result;
  for (int i = 0; i < n; ++i) result[i] = pack.values[i];
  return result;
}

template <int n>
__device__ inline Floats<n> load(const Bf16* from) {
  const auto pack = *reinterpret_cast<const Pack<Bf16, n>*>(from);
  Floats<n> result;
  for (int i = 0; i < n; ++i) result[i] = to_float(pack.values[i]);
  return result;
}

template <int n>
__device__ inline void store(float* to, const Floats<n>& values) {
  Pack<float, n> pack;
  for (int i = 0; i < n; ++i) pack.values[i] = values[i];
  *reinterpret_cast<Pack<float, n>*>(to) = pack;
}

template <int n>
__device__ inline void store(Bf16* to, const Floats<n>& values) {
  Pack<Bf16, n> pack;
  for (int i = 0; i < n; ++i) pack.values[i] = to_bf16(values[i]);
  *reinterpret_cast<Pack<Bf16, n>*>(to) = pack;
}

// Whether rows of `width` values that begin at these addresses, or at multiples of `stride` from
// them, can be read n at a time. Null is no obstacle.
template <int n, class... T>
bool packs_fit(int width, std::ptrdiff_t stride, const T*... rows) {
  return width % n == 0 && stride % n == 0 &&
         (... && (reinterpret_cast<std::uintptr_t>(rows) % alignof(Pack<T, n>) == 0));
}

// In all lanes; every lane must take part. The order of the sum is fixed.
template <class T>
__device__ inline T warp_sum(T value) {
  for (int bits = kWarp / 2; bits > 0; bits /= 2)
    value += __shfl_xor_sync(0xffffffffU, value, bits);
  return value;
}

}  // namespace paretoformer::supernet::cuda
