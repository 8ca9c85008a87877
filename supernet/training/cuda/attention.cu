#include <cmath>
#include <cstdint>
#include <type_traits>

#include "supernet/training/cuda/attention.hpp"
#include "supernet/training/cuda/attention_tiles.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr float kLog2E = 1.4426950408889634F;
constexpr float kLn2 = 0.6931471805599453F;

// One block of threads has kAttentionRows queries (or keys) of one head of one sequence and goes
// through tiles of the keys (or queries) that these see, two tiles at a time: one is copied to
// shared memory while the other is worked on. Shared memory stays below the 99 KiB of compute
// capability 8.6, the smallest of those that run this.
struct Problem {
  int length, heads, width;
  std::ptrdiff_t rows;  // of all sequences
  bool vectors;
  float scale;

  __device__ HeadRows<const Bf16> qkv(const Bf16* data, int part) const {
    const std::ptrdiff_t stride = std::ptrdiff_t{3} * heads * width;
    return {data + first_row() * stride + (head() * 3 + part) * width, stride, width, vectors};
  }
  __device__ HeadRows<Bf16> d_qkv(Bf16* data, int part) const {
    const std::ptrdiff_t stride = std::ptrdiff_t{3} * heads * width;
    return {data + first_row() * stride + (head() * 3 + part) * width, stride, width, vectors};
  }
  template <class T>
  __device__ HeadRows<T> attended(T* data) const {
    const std::ptrdiff_t stride = std::ptrdiff_t{1} * heads * width;
    return {data + first_row() * stride + head() * width, stride, width, vectors};
  }
  template <class T>
  __device__ T* statistics(T* data) const {
    return data + head() * rows + first_row();
  }
  __device__ int head() const { return static_cast<int>(blockIdx.y); }
  __device__ std::ptrdiff_t first_row() const {
    return static_cast<std::ptrdiff_t>(blockIdx.z) * length;
  }
};

// Which query, or key, of a tile element i of a lane's four of a product belongs to.
__device__ __forceinline__ int row_in_tile(int i) {
  return warp_index() * 16 + lane_index() / 4 + i / 2 * 8;
}
__device__ __forceinline__ int column_in_tile(int j, int i) {
  return j * 8 + lane_index() % 4 * 2 + i % 2;
}

// Scores that no query sees.
template <int kColumns, class Hidden>
__device__ __forceinline__ void hide(float (&scores)[kColumns][4], Hidden hidden) {
  PARETOFORMER_UNROLL
  for (int j = 0; j < kColumns; ++j) {
    PARETOFORMER_UNROLL
    for (int i = 0; i < 4; ++i)
      if (hidden(row_in_tile(i), column_in_tile(j, i))) scores[j][i] = -INFINITY;
  }
}

// Of a row of a product, four lanes next to each other have the parts.
__device__ __forceinline__ float row_maximum(float value) {
  value = fmaxf(value, __shfl_xor_sync(0xffffffffU, value, 1));
  return fmaxf(value, __shfl_xor_sync(0xffffffffU, value, 2));
}
__device__ __forceinline__ float row_sum(float value) {
  value += __shfl_xor_sync(0xffffffffU, value, 1);
  return value + __shfl_xor_sync(0xffffffffU, value, 2);
}

// Left factors of wide heads are loaded again for every tile, as sums need the registers.
template <int kWidth>
constexpr bool kKept = kWidth <= 64;

// How many blocks a multiprocessor is to hold at a time: 3 have 168 of its 65536 registers a
// thread, 2 have 255.
template <int kWidth>
constexpr int kBlocks = kWidth <= 64 ? 3 : 2;

// ---------------------------------------------------------------------------------------- forward

constexpr int kForwardKeys = 64;

template <int kWidth>
constexpr int kForwardShared =
    kTileBytes<kAttentionRows, kWidth> + 4 * kTileBytes<kForwardKeys, kWidth>;

// The running softmax of a lane's two rows: sums of exponentials relative to the largest score so
// far, in units of log2.
struct Softmax {
  float maximum[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0.0F, 0.0F};  // this lane's part

  // Scores become exponentials; what was summed before has to be multiplied by `before`.
  template <int kColumns>
  __device__ __forceinline__ void step(float (&scores)[kColumns][4], float scale,
                                       float (&before)[2]) {
    PARETOFORMER_UNROLL
    for (int r = 0; r < 2; ++r) {
      float largest = -INFINITY;
      PARETOFORMER_UNROLL
      for (int j = 0; j < kColumns; ++j)
        largest = fmaxf(largest, fmaxf(scores[j][2 * r], scores[j][2 * r + 1]));
      // Never minus infinity: the first tile has key 0, which every query sees.
      const float next = fmaxf(maximum[r], row_maximum(largest) * scale);
      before[r] = fast_exp2(maximum[r] - next);
      maximum[r] = next;
      sum[r] *= before[r];
      PARETOFORMER_UNROLL
      for (int j = 0; j < kColumns; ++j) {
        PARETOFORMER_UNROLL
        for (int i = 2 * r; i < 2 * r + 2; ++i) {
          scores[j][i] = fast_exp2(scores[j][i] * scale - next);
          sum[r] += scores[j][i];
        }
      }
    }
  }
};

template <int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kBlocks<kWidth>)
    forward_kernel(Problem problem, const Bf16* qkv, Bf16* attended, float* log_sum_exp) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  constexpr int kStage = 2 * kForwardKeys * kTileStride<kWidth>;
  auto* query_tile = reinterpret_cast<Bf16*>(memory);
  Bf16* stages = query_tile + kAttentionRows * kTileStride<kWidth>;  // keys, values; twice
  const int last = static_cast<int>(gridDim.x - 1 - blockIdx.x);     // the longest sums first
  const int first_query = last * kAttentionRows;
  const int queries = problem.length - first_query;
  const HeadRows<const Bf16> keys = problem.qkv(qkv, 1);
  const HeadRows<const Bf16> values = problem.qkv(qkv, 2);
  const auto load_keys = [&](int tile) {
    const int first = tile * kForwardKeys;
    Bf16* stage = stages + tile % 2 * kStage;
    load_tile<kForwardKeys, kWidth>(stage, keys.from(first), problem.length - first);
    load_tile<kForwardKeys, kWidth>(stage + kStage / 2, values.from(first), problem.length - first);
    commit_copies();
  };
  load_tile<kAttentionRows, kWidth>(query_tile, problem.qkv(qkv, 0).from(first_query), queries);
  commit_copies();
  load_keys(0);
  wait_for_copies<1>();
  __syncthreads();
  Left<kWidth, kKept<kWidth>> query(query_tile);

  Softmax softmax;
  float sums[kWidth / 8][4];
  clear(sums);
  for (int tile = 0; tile <= last; ++tile) {
    wait_for_copies<0>();
    __syncthreads();  // the tile is there, and nobody needs the one before it any more
    if (tile < last) load_keys(tile + 1);
    const Bf16* stage = stages + tile % 2 * kStage;
    float scores[kForwardKeys / 8][4];
    multiply_by_transposed<kForwardKeys>(scores, query, stage);
    if (tile == last) {
      hide(scores, [](int row, int column) { return column > row; });
    }
    float before[2];
    softmax.step(scores, problem.scale * kLog2E, before);
    PARETOFORMER_UNROLL
    for (int j = 0; j < kWidth / 8; ++j) {
      PARETOFORMER_UNROLL
      for (int i = 0; i < 4; ++i) sums[j][i] *= before[i / 2];
    }
    multiply_sums<kForwardKeys, kWidth>(sums, scores, stage + kStage / 2);
  }

  PARETOFORMER_UNROLL
  for (int r = 0; r < 2; ++r) {
    const float total = row_sum(softmax.sum[r]);
    PARETOFORMER_UNROLL
    for (int j = 0; j < kWidth / 8; ++j) {
      sums[j][2 * r] /= total;
      sums[j][2 * r + 1] /= total;
    }
    const int row = row_in_tile(2 * r);
    if (lane_index() % 4 == 0 && row < queries)
      problem.statistics(log_sum_exp)[first_query + row] = softmax.maximum[r] * kLn2 + logf(total);
  }
  store_rows<kWidth>(problem.attended(attended).from(first_query), queries, query_tile, sums, 1.0F);
}

// --------------------------------------------------------------------------------------- backward
//
// With p the probabilities and o the output, d_v = p^T d_o, d_p = d_o v^T,
// d_s = p * (d_p - sum(d_o * o)) of the scaled scores, d_q = scale d_s k and d_k = scale d_s^T q.
// p is recomputed from the log-sum-exp, once for d_q, whose sums run over keys, and once for d_k
// and d_v, whose sums run over queries: two products more than if all came from one loop, but that
// would add to d_q in memory, in the order in which blocks happen to run.

// One warp per row and head.
__global__ void __launch_bounds__(kAttentionThreads)
    products_kernel(Problem problem, const Bf16* attended, const Bf16* d_attended,
                    float* products) {
  const std::ptrdiff_t item =
      static_cast<std::ptrdiff_t>(blockIdx.x) * (kAttentionThreads / kWarp) + warp_index();
  if (item >= problem.rows * problem.heads) return;
  float sum = 0.0F;
  for (int i = lane_index(); i < problem.width; i += kWarp)
    sum += to_float(attended[item * problem.width + i]) *
           to_float(d_attended[item * problem.width + i]);
  for (int distance = kWarp / 2; distance > 0; distance /= 2)
    sum += __shfl_xor_sync(0xffffffffU, sum, distance);
  if (lane_index() == 0) products[item % problem.heads * problem.rows + item / problem.heads] = sum;
}

// Tiles have fewer rows where sums take many registers.
template <int kWidth>
constexpr int kQueryTileKeys = kWidth <= 64 ? 64 : 32;
template <int kWidth>
constexpr int kKeyTileQueries = kWidth <= 32 ? 64 : 32;

template <int kWidth>
constexpr int kQueryShared =
    2 * kTileBytes<kAttentionRows, kWidth> + 4 * kTileBytes<kQueryTileKeys<kWidth>, kWidth>;

template <int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kBlocks<kWidth>)
    d_query_kernel(Problem problem, const Bf16* qkv, const float* log_sum_exp,
                   const Bf16* d_attended, const float* products, Bf16* d_qkv) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  constexpr int kKeys = kQueryTileKeys<kWidth>;
  constexpr int kTile = kAttentionRows * kTileStride<kWidth>;
  constexpr int kStage = 2 * kKeys * kTileStride<kWidth>;
  auto* query_tile = reinterpret_cast<Bf16*>(memory);
  Bf16* stages = query_tile + 2 * kTile;  // after queries and d_o
  const int first_query = static_cast<int>(gridDim.x - 1 - blockIdx.x) * kAttentionRows;
  const int queries = problem.length - first_query;
  const int tiles = ceil_div(min(problem.length, first_query + kAttentionRows), kKeys);
  const HeadRows<const Bf16> keys = problem.qkv(qkv, 1);
  const HeadRows<const Bf16> values = problem.qkv(qkv, 2);
  const auto load_keys = [&](int tile) {
    const int first = tile * kKeys;
    Bf16* stage = stages + tile % 2 * kStage;
    load_tile<kKeys, kWidth>(stage, keys.from(first), problem.length - first);
    load_tile<kKeys, kWidth>(stage + kStage / 2, values.from(first), problem.length - first);
    commit_copies();
  };
  load_tile<kAttentionRows, kWidth>(query_tile, problem.qkv(qkv, 0).from(first_query), queries);
  load_tile<kAttentionRows, kWidth>(query_tile + kTile,
                                    problem.attended(d_attended).from(first_query), queries);
  commit_copies();
  load_keys(0);
  float log2_sum[2], product[2];
  PARETOFORMER_UNROLL
  for (int r = 0; r < 2; ++r) {
    const int row = row_in_tile(2 * r);
    const bool there = row < queries;
    log2_sum[r] = there ? problem.statistics(log_sum_exp)[first_query + row] * kLog2E : 0.0F;
    product[r] = there ? problem.statistics(products)[first_query + row] : 0.0F;
  }
  wait_for_copies<1>();
  __syncthreads();
  Left<kWidth, kKept<kWidth>> query(query_tile);
  Left<kWidth, kKept<kWidth>> d_output(query_tile + kTile);

  float sums[kWidth / 8][4];
  clear(sums);
  for (int tile = 0; tile < tiles; ++tile) {
    wait_for_copies<0>();
    __syncthreads();
    if (tile + 1 < tiles) load_keys(tile + 1);
    const Bf16* stage = stages + tile % 2 * kStage;
    const int diagonal = first_query - tile * kKeys;  // of key - query, in the tiles
    float scores[kKeys / 8][4];
    float d_scores[kKeys / 8][4];
    multiply_by_transposed<kKeys>(scores, query, stage);
    multiply_by_transposed<kKeys>(d_scores, d_output, stage + kStage / 2);
    if (kKeys - 1 > diagonal)
      hide(scores, [&](int row, int column) { return column > row + diagonal; });
    PARETOFORMER_UNROLL
    for (int j = 0; j < kKeys / 8; ++j) {
      PARETOFORMER_UNROLL
      for (int i = 0; i < 4; ++i) {
        const float p = fast_exp2(scores[j][i] * (problem.scale * kLog2E) - log2_sum[i / 2]);
        d_scores[j][i] = p * (d_scores[j][i] - product[i / 2]);
      }
    }
    multiply_sums<kKeys, kWidth>(sums, d_scores, stage);
  }
  store_rows<kWidth>(problem.d_qkv(d_qkv, 0).from(first_query), queries, query_tile, sums,
                     problem.scale);
}

// Keys and values; queries and d_o, twice; log-sum-exp and sum(d_o * o) of these queries, twice.
template <int kWidth>
constexpr int kKeyStatistics =
    2 * kTileBytes<kAttentionRows, kWidth> + 4 * kTileBytes<kKeyTileQueries<kWidth>, kWidth>;
template <int kWidth>
constexpr int kKeyShared = kKeyStatistics<kWidth> +
                           4 * kKeyTileQueries<kWidth>* static_cast<int>(sizeof(float));

template <int kWidth>
__global__ void __launch_bounds__(kAttentionThreads, kBlocks<kWidth>)
    d_key_value_kernel(Problem problem, const Bf16* qkv, const float* log_sum_exp,
                       const Bf16* d_attended, const float* products, Bf16* d_qkv) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  constexpr int kQueries = kKeyTileQueries<kWidth>;
  constexpr int kTile = kAttentionRows * kTileStride<kWidth>;
  constexpr int kStage = 2 * kQueries * kTileStride<kWidth>;
  auto* key_tile = reinterpret_cast<Bf16*>(memory);
  Bf16* stages = key_tile + 2 * kTile;  // after keys and values
  auto* statistics = reinterpret_cast<float*>(memory + kKeyStatistics<kWidth>);
  const int first_key = static_cast<int>(blockIdx.x) * kAttentionRows;
  const int keys_left = problem.length - first_key;
  const int tiles = ceil_div(problem.length, kQueries);
  const HeadRows<const Bf16> queries = problem.qkv(qkv, 0);
  const HeadRows<const Bf16> d_outputs = problem.attended(d_attended);
  const auto load_queries = [&](int tile) {
    const int first = tile * kQueries;
    const int rows = problem.length - first;
    Bf16* stage = stages + tile % 2 * kStage;
    load_tile<kQueries, kWidth>(stage, queries.from(first), rows);
    load_tile<kQueries, kWidth>(stage + kStage / 2, d_outputs.from(first), rows);
    // Queries past the last are 0, d_o too: they add nothing, with any statistics that are finite.
    const int thread = static_cast<int>(threadIdx.x);
    if (thread < 2 * kQueries) {
      const int row = thread % kQueries;
      const float* from = problem.statistics(thread < kQueries ? log_sum_exp : products);
      copy_async_4(statistics + tile % 2 * 2 * kQueries + thread,
                   from + (row < rows ? first + row : 0), row < rows);
    }
    commit_copies();
  };
  load_tile<kAttentionRows, kWidth>(key_tile, problem.qkv(qkv, 1).from(first_key), keys_left);
  load_tile<kAttentionRows, kWidth>(key_tile + kTile, problem.qkv(qkv, 2).from(first_key),
                                    keys_left);
  commit_copies();
  const int first_tile = first_key / kQueries;
  load_queries(first_tile);
  wait_for_copies<1>();
  __syncthreads();
  Left<kWidth, kKept<kWidth>> key(key_tile);
  // Both would not fit into 168 registers at 64.
  Left<kWidth, (kWidth < 64)> value(key_tile + kTile);

  float d_key[kWidth / 8][4];
  float d_value[kWidth / 8][4];
  clear(d_key);
  clear(d_value);
  for (int tile = first_tile; tile < tiles; ++tile) {
    wait_for_copies<0>();
    __syncthreads();
    if (tile + 1 < tiles) load_queries(tile + 1);
    const Bf16* stage = stages + tile % 2 * kStage;
    const float* log_sum = statistics + tile % 2 * 2 * kQueries;
    const int diagonal = first_key - tile * kQueries;  // of query - key, in the tiles
    // Transposed: rows are keys, columns are queries.
    float p[kQueries / 8][4];
    multiply_by_transposed<kQueries>(p, key, stage);
    if (kAttentionRows - 1 + diagonal > 0)
      hide(p, [&](int row, int column) { return row + diagonal > column; });
    PARETOFORMER_UNROLL
    for (int j = 0; j < kQueries / 8; ++j) {
      PARETOFORMER_UNROLL
      for (int i = 0; i < 4; ++i) {
        const int column = column_in_tile(j, i);
        p[j][i] = fast_exp2(p[j][i] * (problem.scale * kLog2E) - log_sum[column] * kLog2E);
      }
    }
    multiply_sums<kQueries, kWidth>(d_value, p, stage + kStage / 2);
    float d_scores[kQueries / 8][4];
    multiply_by_transposed<kQueries>(d_scores, value, stage + kStage / 2);
    PARETOFORMER_UNROLL
    for (int j = 0; j < kQueries / 8; ++j) {
      PARETOFORMER_UNROLL
      for (int i = 0; i < 4; ++i)
        d_scores[j][i] = p[j][i] * (d_scores[j][i] - log_sum[kQueries + column_in_tile(j, i)]);
    }
    multiply_sums<kQueries, kWidth>(d_key, d_scores, stage);
  }
  store_rows<kWidth>(problem.d_qkv(d_qkv, 1).from(first_key), keys_left, key_tile, d_key,
                     problem.scale);
  store_rows<kWidth>(problem.d_qkv(d_qkv, 2).from(first_key), keys_left, key_tile + kTile, d_value,
                     1.0F);
}

// ------------------------------------------------------------------------------------------------

// `pointers` are those of matrices of heads.
template <class... Pointers>
Problem problem_of(const AttentionShape& shape, const Pointers*... pointers) {
  if (shape.head_width < 1 || shape.head_width > 128)
    throw Error("attention on the CUDA device: expected heads of width 1 to 128, got " +
                std::to_string(shape.head_width));
  const bool aligned = ((reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0) && ...);
  return {shape.length,
          shape.heads,
          shape.head_width,
          shape.rows(),
          aligned && shape.head_width % 8 == 0,
          static_cast<float>(1.0 / std::sqrt(static_cast<double>(shape.head_width)))};
}

dim3 grid_of(const AttentionShape& shape) {
  return dim3(static_cast<unsigned>(ceil_div(shape.length, kAttentionRows)),
              static_cast<unsigned>(shape.heads), static_cast<unsigned>(shape.sequences));
}

// Calls f with the width of tiles.
template <class F>
void with_width(int head_width, F f) {
  switch (ceil_div(head_width, 16)) {
    case 1:
      return f(std::integral_constant<int, 16>());
    case 2:
      return f(std::integral_constant<int, 32>());
    case 3:
      return f(std::integral_constant<int, 48>());
    case 4:
      return f(std::integral_constant<int, 64>());
    case 5:
      return f(std::integral_constant<int, 80>());
    case 6:
      return f(std::integral_constant<int, 96>());
    case 7:
      return f(std::integral_constant<int, 112>());
    default:
      return f(std::integral_constant<int, 128>());
  }
}

}  // namespace

void attention_forward(Stream& stream, const AttentionShape& shape, const Bf16* qkv, Bf16* attended,
                       float* log_sum_exp) {
  const Problem problem = problem_of(shape, qkv, attended);
  with_width(shape.head_width, [&](auto width) {
    launch(forward_kernel<width>, grid_of(shape), kAttentionThreads, kForwardShared<width>, stream,
           problem, qkv, attended, log_sum_exp);
  });
}

void attention_backward(Stream& stream, const AttentionShape& shape, const Bf16* qkv,
                        const Bf16* attended, const float* log_sum_exp, const Bf16* d_attended,
                        float* products, Bf16* d_qkv) {
  const Problem problem = problem_of(shape, qkv, d_attended, d_qkv);
  const std::ptrdiff_t items = shape.rows() * shape.heads;
  launch(products_kernel,
         dim3(static_cast<unsigned>(
             ceil_div(items, static_cast<std::ptrdiff_t>(kAttentionThreads / kWarp)))),
         kAttentionThreads, 0, stream, problem, attended, d_attended, products);
  with_width(shape.head_width, [&](auto width) {
    launch(d_key_value_kernel<width>, grid_of(shape), kAttentionThreads, kKeyShared<width>, stream,
           problem, qkv, log_sum_exp, d_attended, products, d_qkv);
    launch(d_query_kernel<width>, grid_of(shape), kAttentionThreads, kQueryShared<width>, stream,
           problem, qkv, log_sum_exp, d_attended, products, d_qkv);
  });
}

}  // namespace paretoformer::supernet::cuda
