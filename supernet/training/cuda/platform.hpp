// What all kernels include. They compile for the device (nvcc), or, where
// PARETOFORMER_CUDA_EMULATION names a header that stands in for CUDA's, as plain C++, so that they
// are tested on machines without a device.
//
// Both know: bf16 with to_float() and to_bf16(), launch(), __syncthreads(), __syncwarp(),
// __shfl_sync(), __shfl_xor_sync(), __shfl_down_sync(), float math, and of nvcuda::wmma the
// 16x16x16 products of bf16 summed in float. Atomics add whole numbers only: what they add comes in
// any order, and results must have the same bits in every run.
#pragma once

#ifdef PARETOFORMER_CUDA_EMULATION
#include PARETOFORMER_CUDA_EMULATION
#else
#include <cuda_bf16.h>
#include <cuda_runtime.h>

// The dynamic shared memory of a kernel, as bytes.
#define PARETOFORMER_DYNAMIC_SHARED(name) extern __shared__ __align__(128) unsigned char name[]
// An array in static shared memory.
#define PARETOFORMER_SHARED(type, name, count) __shared__ type name[count]
#endif

// In front of a loop whose index picks registers; and of one that is to stay a loop, as what the
// compiler would keep for all its rounds takes registers.
#ifdef __CUDACC__
#define PARETOFORMER_UNROLL _Pragma("unroll")
#define PARETOFORMER_KEEP_LOOP _Pragma("unroll 1")
#else
#define PARETOFORMER_UNROLL
#define PARETOFORMER_KEEP_LOOP
#endif

#include <cstddef>
#include <tuple>

#include "supernet/training/cuda/device.hpp"

namespace paretoformer::supernet::cuda {

using Bf16 = __nv_bfloat16;

inline constexpr int kWarp = 32;  // threads

__host__ __device__ inline float to_float(Bf16 value) { return __bfloat162float(value); }
// To the nearest, ties to even.
__host__ __device__ inline Bf16 to_bf16(float value) { return __float2bfloat16_rn(value); }

template <class T>
__host__ __device__ constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

#ifdef PARETOFORMER_CUDA_EMULATION

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Stream& /*stream*/, Arguments... arguments) {
  emulation::run(grid, block, shared_bytes, [&] { kernel(static_cast<Parameters>(arguments)...); });
}

#else

// cudaLaunchKernel() after leave to use shared memory above 48 KiB; throws Error.
void launch_kernel(const void* kernel, dim3 grid, dim3 block, std::size_t shared_bytes,
                   Stream& stream, void** arguments);

template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes,
            Stream& stream, Arguments... arguments) {
  std::tuple<Parameters...> values(static_cast<Parameters>(arguments)...);
  std::apply(
      [&](Parameters&... value) {
        void* addresses[] = {&value...};
        launch_kernel(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, stream,
                      addresses);
      },
      values);
}

#endif

}  // namespace paretoformer::supernet::cuda
