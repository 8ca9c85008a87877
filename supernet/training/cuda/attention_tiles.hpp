// Tiles of matrices in shared memory and products of them, for the kernels of attention.cu.
//
// A block has four warps. A tile has kWidth columns, the head's width rounded up to 16, of which
// those past the head's are 0, and 8 more that nobody reads: rows are then an odd number of 16
// bytes apart, so that the eight rows of an 8x8 matrix lie in different banks.
//
// Each warp has 16 rows of a product, whose sums are arrays of [columns / 8][4] in the lanes'
// registers, as multiply_add() has them.
#pragma once

#include "supernet/training/cuda/tensor_cores.hpp"

namespace paretoformer::supernet::cuda {

inline constexpr int kAttentionThreads = 4 * kWarp;
inline constexpr int kAttentionRows = 64;  // 16 of each warp

template <int kWidth>
inline constexpr int kTileStride = kWidth + 8;

// Bytes of a tile.
template <int kRows, int kWidth>
inline constexpr int kTileBytes = kRows* kTileStride<kWidth>* static_cast<int>(sizeof(Bf16));

__device__ inline int lane_index() { return static_cast<int>(threadIdx.x) % kWarp; }
__device__ inline int warp_index() { return static_cast<int>(threadIdx.x) / kWarp; }

// Some rows of one head's matrix in device memory, `stride` elements apart.
template <class T>
struct HeadRows {
  T* data;
  std::ptrdiff_t stride;
  int width;
  bool vectors;  // all rows are at multiples of 16 bytes, and `width` is one of 8 elements

  __device__ HeadRows from(int row) const {
    return {data + static_cast<std::ptrdiff_t>(row) * stride, stride, width, vectors};
  }
};

// Starts to copy rows [0, rows) of `source` to a tile, and zeros to where it has none. The copies
// belong to the group that the thread commits next.
template <int kRows, int kWidth>
__device__ void load_tile(Bf16* tile, const HeadRows<const Bf16>& source, int rows) {
  constexpr int kPerRow = kWidth / 8;
  const int thread = static_cast<int>(threadIdx.x);
  if (source.vectors) {
    PARETOFORMER_KEEP_LOOP
    for (int i = 0; i < ceil_div(kRows * kPerRow, kAttentionThreads); ++i) {
      const int row = (i * kAttentionThreads + thread) / kPerRow;
      const int column = (i * kAttentionThreads + thread) % kPerRow * 8;
      if (kRows * kPerRow % kAttentionThreads != 0 && row >= kRows) break;
      const bool there = row < rows && column < source.width;
      copy_async_16(tile + row * kTileStride<kWidth> + column,
                    there ? source.data + row * source.stride + column : source.data, there);
    }
  } else {
    for (int i = thread; i < kRows * kWidth; i += kAttentionThreads) {
      const int row = i / kWidth;
      const int column = i % kWidth;
      tile[row * kTileStride<kWidth> + column] = row < rows && column < source.width
                                                     ? source.data[row * source.stride + column]
                                                     : to_bf16(0.0F);
    }
  }
}

// Columns [16 k, 16 k + 16) of this warp's 16 rows of a tile, as a left factor.
template <int kWidth>
__device__ __forceinline__ void load_left(unsigned (&a)[4], const Bf16* tile, int k) {
  const int lane = lane_index();
  load_matrices(
      a, tile + (warp_index() * 16 + lane % 16) * kTileStride<kWidth> + k * 16 + lane / 16 * 8);
}

// This warp's rows of a tile as a left factor: kept in registers, or loaded when they are needed.
template <int kWidth, bool kKept>
struct Left {
  const Bf16* tile;
  unsigned registers[kKept ? kWidth / 16 : 1][4];

  __device__ __forceinline__ explicit Left(const Bf16* rows) : tile(rows) {
    if constexpr (kKept) {
      PARETOFORMER_UNROLL
      for (int k = 0; k < kWidth / 16; ++k) load_left<kWidth>(registers[k], tile, k);
    }
  }

  __device__ __forceinline__ const unsigned (&operator[](int k))[4] {
    if constexpr (kKept) return registers[k];
    load_left<kWidth>(registers[0], tile, k);
    return registers[0];
  }
};

template <int kColumns>
__device__ __forceinline__ void clear(float (&sums)[kColumns][4]) {
  PARETOFORMER_UNROLL
  for (int j = 0; j < kColumns; ++j) {
    PARETOFORMER_UNROLL
    for (int i = 0; i < 4; ++i) sums[j][i] = 0.0F;
  }
}

// sums[16][kRows] = left[16][kWidth] tile^T, of a tile of kRows rows.
template <int kRows, int kWidth, bool kKept>
__device__ __forceinline__ void multiply_by_transposed(float (&sums)[kRows / 8][4],
                                                       Left<kWidth, kKept>& left,
                                                       const Bf16* tile) {
  const int lane = lane_index();
  const Bf16* row = tile + (lane % 8 + lane / 16 * 8) * kTileStride<kWidth> + lane / 8 % 2 * 8;
  clear(sums);
  PARETOFORMER_UNROLL
  for (int k = 0; k < kWidth / 16; ++k) {
    const unsigned(&a)[4] = left[k];
    PARETOFORMER_UNROLL
    for (int n = 0; n < kRows / 16; ++n) {
      unsigned b[4];
      load_matrices(b, row + n * 16 * kTileStride<kWidth> + k * 16);
      multiply_add(sums[2 * n], a, b[0], b[1]);
      multiply_add(sums[2 * n + 1], a, b[2], b[3]);
    }
  }
}

// sums[16][kWidth] += left[16][kRows] tile, where `left` are sums of another product, rounded.
template <int kRows, int kWidth>
__device__ __forceinline__ void multiply_sums(float (&sums)[kWidth / 8][4],
                                              const float (&left)[kRows / 8][4], const Bf16* tile) {
  const int lane = lane_index();
  const Bf16* row = tile + lane % 16 * kTileStride<kWidth> + lane / 16 * 8;
  PARETOFORMER_UNROLL
  for (int k = 0; k < kRows / 16; ++k) {
    // Where a lane has its part of sums is where it has its part of a left factor.
    const unsigned a[4] = {pack_bf16(left[2 * k][0], left[2 * k][1]),
                           pack_bf16(left[2 * k][2], left[2 * k][3]),
                           pack_bf16(left[2 * k + 1][0], left[2 * k + 1][1]),
                           pack_bf16(left[2 * k + 1][2], left[2 * k + 1][3])};
    PARETOFORMER_UNROLL
    for (int n = 0; n < kWidth / 16; ++n) {
      unsigned b[4];
      load_transposed_matrices(b, row + k * 16 * kTileStride<kWidth> + n * 16);
      multiply_add(sums[2 * n], a, b[0], b[1]);
      multiply_add(sums[2 * n + 1], a, b[2], b[3]);
    }
  }
}

// Writes this warp's sums, times `scale`, to rows of `target` below `rows`, by way of the warp's
// rows of a tile, so that what a warp writes at a time lies together.
template <int kWidth>
__device__ void store_rows(const HeadRows<Bf16>& target, int rows, Bf16* tile,
                           const float (&sums)[kWidth / 8][4], float scale) {
  const int lane = lane_index();
  const int first = warp_index() * 16;
  Bf16* mine = tile + first * kTileStride<kWidth>;
  __syncwarp();
  PARETOFORMER_UNROLL
  for (int j = 0; j < kWidth / 8; ++j) {
    PARETOFORMER_UNROLL
    for (int i = 0; i < 2; ++i)
      *reinterpret_cast<unsigned*>(mine + (lane / 4 + i * 8) * kTileStride<kWidth> + j * 8 +
                                   lane % 4 * 2) =
          pack_bf16(sums[j][2 * i] * scale, sums[j][2 * i + 1] * scale);
  }
  __syncwarp();
  for (int i = lane; i < 16 * (kWidth / 8); i += kWarp) {
    const int row = i / (kWidth / 8);
    const int column = i % (kWidth / 8) * 8;
    if (first + row >= rows || column >= target.width) continue;
    const Bf16* from = mine + row * kTileStride<kWidth> + column;
    Bf16* to = target.data + (first + row) * target.stride + column;
    if (target.vectors) {
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    } else {
      for (int e = 0; e < 8 && column + e < target.width; ++e) to[e] = from[e];
    }
  }
}

}  // namespace paretoformer::supernet::cuda
