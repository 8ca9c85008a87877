// Tiles of int8 in shared memory, as the tensor cores read them: rows of `pitch` bytes.
#pragma once

#include <cstdint>

#include "supernet/training/cuda/tensor_cores.hpp"

namespace paretoformer::supernet::cuda {

// Between rows of so many bytes, a multiple of 32: the eight rows of a matrix lie in different
// banks.
__host__ __device__ constexpr int tile_pitch(int bytes) { return bytes + 16; }

// 16 rows, 32 bytes deep, as the left factor of multiply_add().
__device__ __forceinline__ void load_left(unsigned (&registers)[4], const std::int8_t* tile,
                                          int pitch) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  load_matrices(registers,
                reinterpret_cast<const Bf16*>(tile + lane % 16 * pitch + lane / 16 * 16));
}

// 16 rows, 32 bytes deep, of the transposed right factor: registers 0 and 1 of the first eight
// columns of the product, 2 and 3 of the others.
__device__ __forceinline__ void load_right(unsigned (&registers)[4], const std::int8_t* tile,
                                           int pitch) {
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int row = lane / 16 * 8 + lane % 8;
  load_matrices(registers, reinterpret_cast<const Bf16*>(tile + row * pitch + lane / 8 % 2 * 16));
}

// Where in a product of 16 x 8 a lane's sums are.
__device__ __forceinline__ int row_of_sum(int i) {
  return static_cast<int>(threadIdx.x) % kWarp / 4 + i / 2 * 8;
}
__device__ __forceinline__ int column_of_sum(int i) {
  return static_cast<int>(threadIdx.x) % 4 * 2 + i % 2;
}

}  // namespace paretoformer::supernet::cuda
