#include <algorithm>

#include "supernet/training/cuda/integer_arithmetic.hpp"
#include "supernet/training/cuda/integer_kernels.hpp"
#include "supernet/training/cuda/integer_tiles.hpp"
#include "supernet/training/cuda/packs.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr int kWarps = 8;  // of a block that works on rows

// --- products: a block has 128 x 128 results, a warp 64 x 32 of them, 64 products deep at a time,
// with what comes next on its way into shared memory.

constexpr int kSide = 128, kDepth = 64, kStages = 3;
constexpr int kThreads = 256;
constexpr int kPitch = tile_pitch(kDepth);
constexpr int kTile = kSide * kPitch;
constexpr int kWarpRows = 64, kWarpColumns = 32;
constexpr std::size_t kSharedBytes = 2 * kStages * kTile;

__device__ inline int first_row() { return static_cast<int>(blockIdx.x) * kSide; }
__device__ inline int first_column() { return static_cast<int>(blockIdx.y) * kSide; }
__device__ inline int warp_row() { return static_cast<int>(threadIdx.x) / kWarp % 2 * kWarpRows; }
__device__ inline int warp_column() {
  return static_cast<int>(threadIdx.x) / kWarp / 2 * kWarpColumns;
}

// Rows from `first` on, of which there are `rows`, and from column k on.
__device__ inline void copy_tile(const std::int8_t* from, int first, int rows, int stride, int k,
                                 std::int8_t* to) {
  constexpr int kPieces = kDepth / 16;
  for (int i = static_cast<int>(threadIdx.x); i < kSide * kPieces; i += kThreads) {
    const int row = i / kPieces;
    const int column = i % kPieces * 16;
    const bool there = first + row < rows && k + column < stride;
    const std::int8_t* const source =
        there ? from + std::ptrdiff_t{first + row} * stride + k + column : from;
    copy_async_16(to + row * kPitch + column, source, there);
  }
}

using Sums = int[kWarpRows / 16][kWarpColumns / 8][4];

// The product of the block's tile, whose sums are spread over its threads; see for_sums().
__device__ inline void multiply_tile(const DeviceLinear& linear, int rows, const std::int8_t* x,
                                     std::int8_t* memory, Sums& sums) {
  std::int8_t* const left = memory;
  std::int8_t* const right = left + kStages * kTile;
  const int stride = byte_stride(linear.inputs);
  const int steps = ceil_div(stride, kDepth);
  const auto fetch = [&](int step) {
    if (step < steps) {
      const int stage = step % kStages * kTile;
      copy_tile(x, first_row(), rows, stride, step * kDepth, left + stage);
      copy_tile(linear.weight, first_column(), linear.outputs, stride, step * kDepth,
                right + stage);
    }
    commit_copies();
  };
  for (int step = 0; step < kStages - 1; ++step) fetch(step);
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<kStages - 2>();
    __syncthreads();
    fetch(step + kStages - 1);
    const int stage = step % kStages * kTile;
    PARETOFORMER_UNROLL
    for (int k = 0; k < kDepth; k += 32) {
      unsigned a[kWarpRows / 16][4], b[kWarpColumns / 16][4];
      PARETOFORMER_UNROLL
      for (int i = 0; i < kWarpRows / 16; ++i)
        load_left(a[i], left + stage + (warp_row() + i * 16) * kPitch + k, kPitch);
      PARETOFORMER_UNROLL
      for (int j = 0; j < kWarpColumns / 16; ++j)
        load_right(b[j], right + stage + (warp_column() + j * 16) * kPitch + k, kPitch);
      PARETOFORMER_UNROLL
      for (int i = 0; i < kWarpRows / 16; ++i) {
        PARETOFORMER_UNROLL
        for (int j = 0; j < kWarpColumns / 8; ++j)
          multiply_add(sums[i][j], a[i], b[j / 2][j % 2 * 2], b[j / 2][j % 2 * 2 + 1]);
      }
    }
  }
}

// Calls use(row, column, sum with its bias) for this thread's part of the tile.
template <class Use>
__device__ inline void for_sums(const DeviceLinear& linear, const Sums& sums, const Use& use) {
  PARETOFORMER_UNROLL
  for (int i = 0; i < kWarpRows / 16; ++i) {
    PARETOFORMER_UNROLL
    for (int j = 0; j < kWarpColumns / 8; ++j) {
      PARETOFORMER_UNROLL
      for (int e = 0; e < 4; ++e) {
        const int column = warp_column() + j * 8 + column_of_sum(e);
        const int output = first_column() + column;
        const int bias = output < linear.outputs ? linear.bias[output] : 0;
        use(warp_row() + i * 16 + row_of_sum(e), column,
            static_cast<int>(static_cast<Word>(sums[i][j][e]) + static_cast<Word>(bias)));
      }
    }
  }
}

__global__ void __launch_bounds__(kThreads)
    integer_sum_tiles(DeviceLinear linear, int rows, const std::int8_t* x, std::int32_t* y,
                      std::ptrdiff_t stride) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  Sums sums = {};
  multiply_tile(linear, rows, x, reinterpret_cast<std::int8_t*>(memory), sums);
  for_sums(linear, sums, [&](int row, int column, int sum) {
    row += first_row();
    column += first_column();
    if (row < rows && column < linear.outputs) y[row * stride + column] = sum;
  });
}

// What becomes of the results from -128 on, if there is a table, or whether they are added to those
// that are there.
struct AfterProduct {
  const std::int8_t* table = nullptr;
  bool adds = false;
  ResidualScales scales{};
};

// Results go through shared memory, so that they leave by 16.
__global__ void __launch_bounds__(kThreads)
    integer_result_tiles(DeviceLinear linear, int rows, const std::int8_t* x, AfterProduct after,
                         std::int8_t* y) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  auto* const tile = reinterpret_cast<std::int8_t*>(memory);
  Sums sums = {};
  multiply_tile(linear, rows, x, tile, sums);
  wait_for_copies<0>();
  __syncthreads();  // everybody is through with the factors
  constexpr int kResultPitch = tile_pitch(kSide);
  for_sums(linear, sums, [&](int row, int column, int sum) {
    tile[row * kResultPitch + column] = static_cast<std::int8_t>(requantized(sum, linear.scale));
  });
  __syncthreads();
  const int stride = byte_stride(linear.outputs);
  for (int i = static_cast<int>(threadIdx.x); i < kSide * kSide / 16; i += kThreads) {
    const int row = i / (kSide / 16);
    const int column = i % (kSide / 16) * 16;
    if (first_row() + row >= rows || first_column() + column >= stride) continue;
    using Piece = Pack<std::int8_t, 16>;
    auto results = *reinterpret_cast<const Piece*>(tile + row * kResultPitch + column);
    auto* const to = reinterpret_cast<Piece*>(y + std::ptrdiff_t{first_row() + row} * stride +
                                              first_column() + column);
    if (after.table != nullptr)
      for (std::int8_t& each : results.values) each = after.table[each + 128];
    if (after.adds) {
      const Piece before = *to;
      for (int j = 0; j < 16; ++j)
        results.values[j] =
            static_cast<std::int8_t>(added(before.values[j], results.values[j], after.scales));
    }
    *to = results;
  }
}

dim3 tiles(const DeviceLinear& linear, int rows) {
  return dim3(static_cast<unsigned>(ceil_div(rows, kSide)),
              static_cast<unsigned>(ceil_div(linear.outputs, kSide)));
}

void launch_results(Stream& stream, const DeviceLinear& linear, int rows, const std::int8_t* x,
                    const AfterProduct& after, std::int8_t* y) {
  launch(integer_result_tiles, tiles(linear, rows), kThreads, kSharedBytes, stream, linear, rows, x,
         after, y);
}

// --- rows

// A warp per row.
__global__ void __launch_bounds__(kWarps* kWarp)
    integer_norm_rows(int rows, int columns, const std::int8_t* x, int reads, float scale,
                      std::int8_t* y) {
  const int row = static_cast<int>(blockIdx.x) * kWarps + static_cast<int>(threadIdx.x) / kWarp;
  if (row >= rows) return;  // the whole warp
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const std::ptrdiff_t first = std::ptrdiff_t{row} * byte_stride(columns);
  const auto read = [&](int i) { return static_cast<Word>(reads * x[first + i]); };
  Word sum = 0;
  for (int i = lane; i < columns; i += kWarp) sum += read(i);
  const auto mean = static_cast<Word>(static_cast<int>(warp_sum(sum)) / columns);
  Word squares = 0;
  for (int i = lane; i < columns; i += kWarp) squares += (read(i) - mean) * (read(i) - mean);
  const int variance = static_cast<int>(warp_sum(squares)) / columns;
  // Doubles are fine enough to tell the root of n^2 - 1 from n.
  const auto root = static_cast<std::int16_t>(
      static_cast<Word>(sqrt(static_cast<double>(static_cast<Word>(variance)))));
  const float inverse = __fdiv_rn(1.0F, __int2float_rn(root == 0 ? 1 : root));
  const float factor = __fmul_rn(inverse, scale);
  for (int i = lane; i < columns; i += kWarp)
    y[first + i] = static_cast<std::int8_t>(requantized(static_cast<int>(read(i) - mean), factor));
}

// A block per row.
__global__ void integer_embedding_rows(int columns, int length, const std::int32_t* text,
                                       const std::int8_t* tokens, const std::int8_t* positions,
                                       ResidualScales scales, std::int8_t* x) {
  const int row = static_cast<int>(blockIdx.x);
  const std::ptrdiff_t stride = byte_stride(columns);
  const std::int8_t* const token = tokens + text[row] * stride;
  const std::int8_t* const position = positions + row % length * stride;
  for (int i = static_cast<int>(threadIdx.x); i < columns; i += static_cast<int>(blockDim.x))
    x[row * stride + i] = static_cast<std::int8_t>(added(token[i], position[i], scales));
}

// A block per row: its largest sum, then what lies below it.
__global__ void __launch_bounds__(kWarps* kWarp)
    integer_loss_rows(int vocabulary, std::ptrdiff_t stride, const std::int32_t* sums, float scale,
                      const std::int32_t* targets, float* losses) {
  PARETOFORMER_SHARED(int, largest_of, kWarps);
  PARETOFORMER_SHARED(float, sum_of, kWarps);
  const std::int32_t* const row = sums + blockIdx.x * stride;
  const int thread = static_cast<int>(threadIdx.x);
  const int warp = thread / kWarp;
  int largest = row[0];
  for (int i = thread; i < vocabulary; i += kWarps * kWarp) largest = max(largest, row[i]);
  for (int bits = kWarp / 2; bits > 0; bits /= 2)
    largest = max(largest, __shfl_xor_sync(0xffffffffU, largest, bits));
  if (thread % kWarp == 0) largest_of[warp] = largest;
  __syncthreads();
  for (int w = 0; w < kWarps; ++w) largest = max(largest, largest_of[w]);
  const float most = __fmul_rn(__int2float_rn(largest), scale);
  float sum = 0;
  for (int i = thread; i < vocabulary; i += kWarps * kWarp)
    sum += expf(__fmul_rn(__int2float_rn(row[i]), scale) - most);
  sum = warp_sum(sum);
  if (thread % kWarp == 0) sum_of[warp] = sum;
  __syncthreads();
  if (thread > 0) return;
  sum = 0;
  for (int w = 0; w < kWarps; ++w) sum += sum_of[w];
  const float wanted = __fmul_rn(__int2float_rn(row[targets[blockIdx.x]]), scale);
  losses[blockIdx.x] = logf(sum) + (most - wanted);
}

}  // namespace

void integer_sums(Stream& stream, const DeviceLinear& linear, int rows, const std::int8_t* x,
                  std::int32_t* y, std::ptrdiff_t stride) {
  launch(integer_sum_tiles, tiles(linear, rows), kThreads, kSharedBytes, stream, linear, rows, x, y,
         stride);
}

void integer_linear(Stream& stream, const DeviceLinear& linear, int rows, const std::int8_t* x,
                    const std::int8_t* table, std::int8_t* y) {
  launch_results(stream, linear, rows, x, {.table = table}, y);
}

void integer_linear_added(Stream& stream, const DeviceLinear& linear, int rows,
                          const std::int8_t* added, const ResidualScales& scales, std::int8_t* x) {
  launch_results(stream, linear, rows, added, {.adds = true, .scales = scales}, x);
}

void integer_norm(Stream& stream, int rows, int columns, const std::int8_t* x, int reads,
                  float scale, std::int8_t* y) {
  launch(integer_norm_rows, ceil_div(rows, kWarps), kWarps * kWarp, 0, stream, rows, columns, x,
         reads, scale, y);
}

void integer_embedding(Stream& stream, int rows, int columns, int length, const std::int32_t* text,
                       const std::int8_t* tokens, const std::int8_t* positions,
                       const ResidualScales& scales, std::int8_t* x) {
  const int threads = std::clamp(ceil_div(columns, kWarp) * kWarp, kWarp, 256);
  launch(integer_embedding_rows, rows, threads, 0, stream, columns, length, text, tokens, positions,
         scales, x);
}

void integer_losses(Stream& stream, int rows, int vocabulary, std::ptrdiff_t stride,
                    const std::int32_t* sums, float scale, const std::int32_t* targets,
                    float* losses) {
  launch(integer_loss_rows, rows, kWarps * kWarp, 0, stream, vocabulary, stride, sums, scale,
         targets, losses);
}

}  // namespace paretoformer::supernet::cuda
