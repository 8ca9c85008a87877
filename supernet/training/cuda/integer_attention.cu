// A block has 64 queries of one head of one sequence, a warp 16 of them, and goes over the keys
// that they may see three times, 64 at a time: for the largest score of each query, for the sum of
// the exponentials, and for the probabilities, whose scale depends on it, and their products. So no
// scores are kept, and the last products are those of integer_softmax(), to the bit.
#include <string>
#include <type_traits>

#include "supernet/training/cuda/integer_arithmetic.hpp"
#include "supernet/training/cuda/integer_kernels.hpp"
#include "supernet/training/cuda/integer_tiles.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kRows = 64;  // queries or keys of a tile
constexpr int kValuePitch = tile_pitch(kRows);

// Rows of one head in a sequence: `length` of them.
struct HeadRows {
  const std::int8_t* data;
  std::ptrdiff_t stride;
  int length, width;

  __device__ int at(int row, int column) const {
    return row < length && column < width ? data[row * stride + column] : 0;
  }
};

// Rows from `first` on, as they are, in rows of kWidth.
template <int kWidth>
__device__ inline void load_rows(const HeadRows& rows, int first, std::int8_t* tile) {
  constexpr int kPieces = kWidth / 16;
  const bool whole = rows.width % 16 == 0;  // then every piece begins at a multiple of 16 bytes
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kPieces; i += kThreads) {
    const int row = i / kPieces;
    const int column = i % kPieces * 16;
    std::int8_t* const to = tile + row * tile_pitch(kWidth) + column;
    if (whole && first + row < rows.length && column < rows.width) {
      const std::int8_t* const from = rows.data + (first + row) * rows.stride + column;
      *reinterpret_cast<uint4*>(to) = *reinterpret_cast<const uint4*>(from);
    } else {
      for (int j = 0; j < 16; ++j)
        to[j] = static_cast<std::int8_t>(rows.at(first + row, column + j));
    }
  }
}

// Where the probability of a key is among 32 as the left factor of a product, if a lane's scores
// become its part of that without an exchange: those of keys 2t and 2t + 1 of each eight.
__device__ inline int place_of_key(int key) {
  return key / 32 * 32 + key / 16 % 2 * 16 + key % 8 / 2 * 4 + key / 8 % 2 * 2 + key % 2;
}

// The transposed rows, a key where its probability is.
template <int kWidth>
__device__ inline void load_values(const HeadRows& rows, int first, std::int8_t* tile) {
  for (int i = static_cast<int>(threadIdx.x); i < kRows * kWidth; i += kThreads) {
    const int key = i / kWidth;
    const int column = i % kWidth;
    tile[column * kValuePitch + place_of_key(key)] =
        static_cast<std::int8_t>(rows.at(first + key, column));
  }
}

// The same of the four lanes that have parts of a row.
template <class T, class Join>
__device__ inline T of_row(T value, const Join& join) {
  value = join(value, __shfl_xor_sync(0xffffffffU, value, 1));
  return join(value, __shfl_xor_sync(0xffffffffU, value, 2));
}

// Scores of 16 queries and 64 keys, `sums` as multiply_add() has them.
template <int kWidth>
__device__ inline void scores(const unsigned (&query)[kWidth / 32][4], const std::int8_t* keys,
                              int (&sums)[kRows / 8][4]) {
  PARETOFORMER_UNROLL
  for (int j = 0; j < kRows / 8; ++j)
    for (int e = 0; e < 4; ++e) sums[j][e] = 0;
  PARETOFORMER_UNROLL
  for (int k = 0; k < kWidth / 32; ++k) {
    PARETOFORMER_UNROLL
    for (int j = 0; j < kRows / 8; j += 2) {
      unsigned key[4];
      load_right(key, keys + j * 8 * tile_pitch(kWidth) + k * 32, tile_pitch(kWidth));
      multiply_add(sums[j], query[k], key[0], key[1]);
      multiply_add(sums[j + 1], query[k], key[2], key[3]);
    }
  }
}

__device__ inline unsigned four_bytes(int a, int b, int c, int d) {
  return (static_cast<unsigned>(a) & 255U) | (static_cast<unsigned>(b) & 255U) << 8 |
         (static_cast<unsigned>(c) & 255U) << 16 | static_cast<unsigned>(d) << 24;
}

template <int kWidth>
__global__ void __launch_bounds__(kThreads)
    integer_attention_rows(IntegerAttention shape, Exponential exp, const std::int8_t* query,
                           const std::int8_t* key, const std::int8_t* value, std::int8_t* context) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  auto* const tile = reinterpret_cast<std::int8_t*>(memory);  // of queries, then of keys
  std::int8_t* const values = tile + kRows * tile_pitch(kWidth);
  const std::ptrdiff_t stride = byte_stride(shape.heads * shape.head_width);
  const std::ptrdiff_t offset =
      blockIdx.z * stride * shape.length + static_cast<int>(blockIdx.y) * shape.head_width;
  const int first = static_cast<int>(blockIdx.x) * kRows;
  const int warp_row = static_cast<int>(threadIdx.x) / kWarp * 16;
  const int end = min(first + kRows, shape.length);  // of the keys
  const auto rows = [&](const std::int8_t* of) {
    return HeadRows{of + offset, stride, shape.length, shape.head_width};
  };

  load_rows<kWidth>(rows(query), first, tile);
  __syncthreads();
  unsigned left[kWidth / 32][4];
  PARETOFORMER_UNROLL
  for (int k = 0; k < kWidth / 32; ++k)
    load_left(left[k], tile + warp_row * tile_pitch(kWidth) + k * 32, tile_pitch(kWidth));

  int sums[kRows / 8][4];
  // Calls use(j, e, row's half, whether its query sees the key) for every score of a tile of keys.
  const auto for_scores = [&](int keys, const auto& use) {
    __syncthreads();  // everybody is through with the tile before
    load_rows<kWidth>(rows(key), keys, tile);
    __syncthreads();
    scores<kWidth>(left, tile, sums);
    PARETOFORMER_UNROLL
    for (int j = 0; j < kRows / 8; ++j) {
      PARETOFORMER_UNROLL
      for (int e = 0; e < 4; ++e)
        use(j, e, e / 2, keys + j * 8 + column_of_sum(e) <= first + warp_row + row_of_sum(e));
    }
  };

  int largest[2] = {-2147483647 - 1, -2147483647 - 1};
  for (int keys = 0; keys < end; keys += kRows)
    for_scores(keys, [&](int j, int e, int half, bool sees) {
      if (sees) largest[half] = max(largest[half], sums[j][e]);
    });
  for (int& each : largest) each = of_row(each, [](int a, int b) { return max(a, b); });
  const auto exponential = [&](int j, int e, int half) {
    return exp(static_cast<Word>(largest[half]) - static_cast<Word>(sums[j][e]));
  };

  Word total[2] = {0, 0};
  for (int keys = 0; keys < end; keys += kRows)
    for_scores(keys, [&](int j, int e, int half, bool sees) {
      if (sees) total[half] += exponential(j, e, half);
    });
  float inverse[2];
  for (int half = 0; half < 2; ++half) {
    const Word all = of_row(total[half], [](Word a, Word b) { return a + b; });
    inverse[half] = __fdiv_rn(127.0F, __int2float_rn(static_cast<int>(all)));
  }

  int results[kWidth / 8][4] = {};
  for (int keys = 0; keys < end; keys += kRows) {
    __syncthreads();  // everybody is through with the values before; for_scores() waits for these
    load_values<kWidth>(rows(value), keys, values);
    for_scores(keys, [&](int j, int e, int half, bool sees) {
      const int number = static_cast<int>(exponential(j, e, half));
      sums[j][e] = sees ? requantized(number, inverse[half]) : 0;
    });
    PARETOFORMER_UNROLL
    for (int k = 0; k < kRows / 32; ++k) {
      const auto& p = sums;
      const int j = 4 * k;
      const unsigned probabilities[4] = {
          four_bytes(p[j][0], p[j][1], p[j + 1][0], p[j + 1][1]),
          four_bytes(p[j][2], p[j][3], p[j + 1][2], p[j + 1][3]),
          four_bytes(p[j + 2][0], p[j + 2][1], p[j + 3][0], p[j + 3][1]),
          four_bytes(p[j + 2][2], p[j + 2][3], p[j + 3][2], p[j + 3][3])};
      PARETOFORMER_UNROLL
      for (int n = 0; n < kWidth / 8; n += 2) {
        unsigned right[4];
        load_right(right, values + n * 8 * kValuePitch + k * 32, kValuePitch);
        multiply_add(results[n], probabilities, right[0], right[1]);
        multiply_add(results[n + 1], probabilities, right[2], right[3]);
      }
    }
  }
  PARETOFORMER_UNROLL
  for (int n = 0; n < kWidth / 8; ++n) {
    PARETOFORMER_UNROLL
    for (int e = 0; e < 4; ++e) {
      const int row = first + warp_row + row_of_sum(e);
      const int column = n * 8 + column_of_sum(e);
      if (row < shape.length && column < shape.head_width)
        context[offset + row * stride + column] =
            static_cast<std::int8_t>(requantized(results[n][e], shape.context_scale));
    }
  }
}

}  // namespace

void integer_attention(Stream& stream, const IntegerAttention& attention, const std::int8_t* query,
                       const std::int8_t* key, const std::int8_t* value, std::int8_t* context) {
  const dim3 grid(static_cast<unsigned>(ceil_div(attention.length, kRows)),
                  static_cast<unsigned>(attention.heads),
                  static_cast<unsigned>(attention.sequences));
  const auto run = [&]<int kWidth>(std::integral_constant<int, kWidth>) {
    constexpr std::size_t kBytes = kRows * tile_pitch(kWidth) + kWidth * kValuePitch;
    launch(integer_attention_rows<kWidth>, grid, kThreads, kBytes, stream, attention,
           Exponential(attention.softmax), query, key, value, context);
  };
  if (attention.head_width > 128)
    throw Error("heads of " + std::to_string(attention.head_width) +
                " columns on a GPU: expected at most 128");
  if (attention.head_width <= 32)
    run(std::integral_constant<int, 32>());
  else if (attention.head_width <= 64)
    run(std::integral_constant<int, 64>());
  else
    run(std::integral_constant<int, 128>());
}

}  // namespace paretoformer::supernet::cuda
