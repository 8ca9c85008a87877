#include <algorithm>

#include "supernet/kernels/kernels.hpp"
#include "supernet/training/cuda/packs.hpp"
#include "supernet/training/cuda/row_kernels.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr auto kEpsilon = static_cast<float>(kNormEpsilon);
constexpr auto kCubic = static_cast<float>(kGeluCubic);
constexpr auto kSlope = static_cast<float>(kSqrt2OverPi);

// Rows whose sums one block of column_sums forms, and blocks that share those of layer_norm
// gradients: enough of both to fill a device.
constexpr int kRowsPerBlock = 64;
constexpr int kNormBlocks = 512;
constexpr int kMostWarps = 8;
// What every device has for a block without leave.
constexpr int kSharedFloats = (48 << 10) / 4;

// LayerNorms mix fp32, of which four values are 16 bytes, and bf16.
constexpr int kMixed = 4;
constexpr int kAllBf16 = 8;

struct Row {
  int number, warp, lane;
};

// One warp per row.
__device__ inline Row row_of_warp() {
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  return {static_cast<int>(blockIdx.x) * (static_cast<int>(blockDim.x) / kWarp) + warp, warp,
          static_cast<int>(threadIdx.x) % kWarp};
}

// Values of a row from a column on.
template <int n>
__device__ inline void drop_values(const DropoutMask& mask, int row, int column,
                                   Floats<n>& values) {
  const DropoutRow kept = dropout_row(mask, row);
  const auto scale = static_cast<float>(mask.scale);
  for (int j = 0; j < n; ++j)
    values[j] = keeps(kept, static_cast<std::uint32_t>(column + j)) ? values[j] * scale : 0.0F;
}

int warps_of_rows(int width) { return std::clamp(kSharedFloats / width, 1, kMostWarps); }

// The sum, whose values a lane wrote itself, stays in shared memory for mean, variance and result.
template <int n, bool residual, bool drops>
__global__ void __launch_bounds__(kMostWarps* kWarp)
    layer_norm_rows(NormRows norm, const float* x, const Bf16* added, const float* added_bias,
                    float* sum, DropoutMask mask) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  const Row row = row_of_warp();
  if (row.number >= norm.rows) return;  // the whole warp
  const int width = norm.width;
  const std::ptrdiff_t first = std::ptrdiff_t{row.number} * width;
  float* kept = reinterpret_cast<float*>(memory) + row.warp * width;
  float total = 0;
  for (int i = row.lane * n; i < width; i += kWarp * n) {
    Floats<n> v = load<n>(x + first + i);
    if constexpr (residual) {
      const Floats<n> more = load<n>(added + first + i);
      const Floats<n> bias = load<n>(added_bias + i);
      if constexpr (drops) {
        Floats<n> left;
        for (int j = 0; j < n; ++j) left[j] = more[j] + bias[j];
        drop_values(mask, row.number, i, left);
        for (int j = 0; j < n; ++j) v[j] += left[j];
      } else {
        for (int j = 0; j < n; ++j) v[j] += more[j] + bias[j];
      }
      store<n>(sum + first + i, v);
    }
    store<n>(kept + i, v);
    for (int j = 0; j < n; ++j) total += v[j];
  }
  const float mean = warp_sum(total) / static_cast<float>(width);
  float squares = 0;
  for (int i = row.lane * n; i < width; i += kWarp * n) {
    const Floats<n> v = load<n>(kept + i);
    for (int j = 0; j < n; ++j) squares += (v[j] - mean) * (v[j] - mean);
  }
  const float s = rsqrtf(warp_sum(squares) / static_cast<float>(width) + kEpsilon);
  for (int i = row.lane * n; i < width; i += kWarp * n) {
    Floats<n> v = load<n>(kept + i);
    const Floats<n> gain = load<n>(norm.gain + i);
    const Floats<n> bias = load<n>(norm.bias + i);
    for (int j = 0; j < n; ++j) v[j] = (v[j] - mean) * s * gain[j] + bias[j];
    store<n>(norm.y + first + i, v);
  }
  if (row.lane == 0) {
    norm.mean[row.number] = mean;
    norm.inverse_deviation[row.number] = s;
  }
}

template <int n, bool residual, bool drops = false>
void launch_layer_norm(Stream& stream, const NormRows& norm, const float* x, const Bf16* added,
                       const float* added_bias, float* sum, const DropoutMask& mask = {}) {
  const int warps = warps_of_rows(norm.width);
  launch(layer_norm_rows<n, residual, drops>, ceil_div(norm.rows, warps), warps * kWarp,
         sizeof(float) * static_cast<std::size_t>(warps * norm.width), stream, norm, x, added,
         added_bias, sum, mask);
}

// dx = d_stream + s (t - mean(t) - y mean(t y)) for t = dy gain and y = (x - mean) s. The block
// keeps the sums over its rows, every `gridDim.x * warps`-th, warp by warp in shared memory.
template <int n, bool drops>
__global__ void __launch_bounds__(kMostWarps* kWarp)
    layer_norm_backward_rows(NormGradient g, float* partial_sums) {
  PARETOFORMER_DYNAMIC_SHARED(memory);
  const int width = g.width;
  const int warps = static_cast<int>(blockDim.x) / kWarp;
  const Row first_row = row_of_warp();
  const int lane = first_row.lane;
  auto* const all_sums = reinterpret_cast<float*>(memory);  // [warp][gain, bias, dx][width]
  float* const d_gain = all_sums + first_row.warp * 3 * width;
  float* const d_bias = d_gain + width;
  float* const dx_sum = d_bias + width;
  for (int i = lane * n; i < 3 * width; i += kWarp * n) store<n>(d_gain + i, Floats<n>{});
  __syncwarp();  // a lane's columns are its own only from here on
  for (int row = first_row.number; row < g.rows; row += static_cast<int>(gridDim.x) * warps) {
    const std::ptrdiff_t first = std::ptrdiff_t{row} * width;
    const float mean = g.mean[row];
    const float s = g.inverse_deviation[row];
    float t_sum = 0;
    float ty_sum = 0;
    for (int i = lane * n; i < width; i += kWarp * n) {
      const Floats<n> dy = load<n>(g.dy + first + i);
      const Floats<n> x = load<n>(g.x + first + i);
      const Floats<n> gain = load<n>(g.gain + i);
      for (int j = 0; j < n; ++j) {
        t_sum += dy[j] * gain[j];
        ty_sum += dy[j] * gain[j] * ((x[j] - mean) * s);
      }
    }
    t_sum = warp_sum(t_sum) / static_cast<float>(width);
    ty_sum = warp_sum(ty_sum) / static_cast<float>(width);
    for (int i = lane * n; i < width; i += kWarp * n) {
      const Floats<n> dy = load<n>(g.dy + first + i);
      const Floats<n> x = load<n>(g.x + first + i);
      const Floats<n> gain = load<n>(g.gain + i);
      Floats<n> dx = g.residual ? load<n>(g.d_stream + first + i) : Floats<n>{};
      Floats<n> gain_sum = load<n>(d_gain + i);
      Floats<n> bias_sum = load<n>(d_bias + i);
      Floats<n> stream_sum = load<n>(dx_sum + i);
      for (int j = 0; j < n; ++j) {
        const float y = (x[j] - mean) * s;
        dx[j] += s * (dy[j] * gain[j] - t_sum - y * ty_sum);
        gain_sum[j] += dy[j] * y;
        bias_sum[j] += dy[j];
      }
      store<n>(g.d_stream + first + i, dx);
      if constexpr (drops) drop_values(g.mask, row, i, dx);
      for (int j = 0; j < n; ++j) stream_sum[j] += dx[j];
      store<n>(g.d_stream16 + first + i, dx);
      store<n>(d_gain + i, gain_sum);
      store<n>(d_bias + i, bias_sum);
      store<n>(dx_sum + i, stream_sum);
    }
  }
  __syncthreads();
  float* const to = partial_sums + std::ptrdiff_t{blockIdx.x} * 3 * width;
  for (int i = static_cast<int>(threadIdx.x); i < 3 * width; i += static_cast<int>(blockDim.x)) {
    float sum = 0;
    for (int w = 0; w < warps; ++w) sum += all_sums[w * 3 * width + i];
    to[i] = sum;
  }
}

// Up to three vectors that are added to; null ones are passed over.
struct Targets {
  float *first, *second, *third;
};

// targets[y][column] += sum over p of partial_sums[p][y][column], of every eighth p by one warp,
// and then over the warps.
__global__ void __launch_bounds__(kMostWarps* kWarp)
    add_partial_sums(int parts, int width, const float* partial_sums, Targets targets) {
  PARETOFORMER_SHARED(float, sums, kMostWarps* kWarp);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int column = static_cast<int>(blockIdx.x) * kWarp + lane;
  float* const target = blockIdx.y == 0   ? targets.first
                        : blockIdx.y == 1 ? targets.second
                                          : targets.third;
  if (!target) return;  // the whole block
  float sum = 0;
  if (column < width) {
    const std::ptrdiff_t pitch = std::ptrdiff_t{gridDim.y} * width;
    const float* from = partial_sums + std::ptrdiff_t{blockIdx.y} * width + column;
    for (int p = warp; p < parts; p += kMostWarps) sum += from[p * pitch];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (warp > 0 || column >= width) return;
  for (int w = 1; w < kMostWarps; ++w) sum += sums[w * kWarp + lane];
  target[column] += sum;
}

void add_sums(Stream& stream, int parts, int width, const float* partial_sums, float* target) {
  launch(add_partial_sums, ceil_div(width, kWarp), kMostWarps * kWarp, 0, stream, parts, width,
         partial_sums, Targets{target, nullptr, nullptr});
}

// tanh(z) = 1 - 2 / (e^2z + 1), right at both ends. Its error, about 1e-6, is far below what bf16
// sees of it.
__device__ inline float hyperbolic_tangent(float z) {
  return 1.0F - 2.0F / (__expf(2.0F * z) + 1.0F);
}

__device__ inline float gelu(float x) {
  const float t = hyperbolic_tangent(kSlope * (x + kCubic * x * x * x));
  return 0.5F * x * (1.0F + t);
}

__device__ inline float gelu_slope(float x) {
  const float t = hyperbolic_tangent(kSlope * (x + kCubic * x * x * x));
  return 0.5F * (1.0F + t) + 0.5F * x * (1.0F - t * t) * kSlope * (1.0F + 3.0F * kCubic * x * x);
}

// One block per row.
template <int n>
__global__ void drop_rows(int width, DropoutMask mask, float* x) {
  float* const row = x + std::ptrdiff_t{blockIdx.x} * width;
  for (int i = static_cast<int>(threadIdx.x) * n; i < width;
       i += static_cast<int>(blockDim.x) * n) {
    Floats<n> v = load<n>(row + i);
    drop_values(mask, static_cast<int>(blockIdx.x), i, v);
    store<n>(row + i, v);
  }
}

// One block per row.
template <int n>
__global__ void add_bias_rows(int width, const float* bias, Bf16* y) {
  Bf16* const row = y + std::ptrdiff_t{blockIdx.x} * width;
  for (int i = static_cast<int>(threadIdx.x) * n; i < width;
       i += static_cast<int>(blockDim.x) * n) {
    Floats<n> v = load<n>(row + i);
    const Floats<n> b = load<n>(bias + i);
    for (int j = 0; j < n; ++j) v[j] += b[j];
    store<n>(row + i, v);
  }
}

template <int n>
__global__ void bias_gelu_rows(int width, const Bf16* u, const float* bias, Bf16* y) {
  const std::ptrdiff_t first = std::ptrdiff_t{blockIdx.x} * width;
  for (int i = static_cast<int>(threadIdx.x) * n; i < width;
       i += static_cast<int>(blockDim.x) * n) {
    Floats<n> v = load<n>(u + first + i);
    const Floats<n> b = load<n>(bias + i);
    for (int j = 0; j < n; ++j) v[j] = gelu(v[j] + b[j]);
    store<n>(y + first + i, v);
  }
}

// Threads of a block for one row, n values each at a time.
int threads_of_row(int width, int n) {
  return std::clamp(ceil_div(ceil_div(width, n), kWarp) * kWarp, kWarp, 256);
}

// partial_sums[block of rows][column] = sum over its rows of dy; with `slope`, dy *= gelu'(u +
// bias) first. Lane by lane n columns, warp by warp every eighth row.
template <int n, bool slope>
__global__ void __launch_bounds__(kMostWarps* kWarp)
    column_sums(int rows, int width, const Bf16* u, const float* bias, Bf16* changed,
                const Bf16* dy, float* partial_sums) {
  PARETOFORMER_SHARED(float, sums, kMostWarps* kWarp* n);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int column = (static_cast<int>(blockIdx.x) * kWarp + lane) * n;
  const int first = static_cast<int>(blockIdx.y) * kRowsPerBlock;
  const int last = min(first + kRowsPerBlock, rows);
  Floats<n> sum{};
  if (column < width) {
    const Floats<n> b = slope ? load<n>(bias + column) : Floats<n>{};
    for (int row = first + warp; row < last; row += kMostWarps) {
      const std::ptrdiff_t at = std::ptrdiff_t{row} * width + column;
      Floats<n> d = load<n>(dy + at);
      if constexpr (slope) {
        const Floats<n> v = load<n>(u + at);
        for (int j = 0; j < n; ++j) d[j] *= gelu_slope(v[j] + b[j]);
        store<n>(changed + at, d);
      }
      for (int j = 0; j < n; ++j) sum[j] += d[j];
    }
  }
  for (int j = 0; j < n; ++j) sums[static_cast<int>(threadIdx.x) * n + j] = sum[j];
  __syncthreads();
  float* const to = partial_sums + std::ptrdiff_t{blockIdx.y} * width;
  for (int i = static_cast<int>(threadIdx.x); i < kWarp * n; i += kMostWarps * kWarp) {
    const int at = static_cast<int>(blockIdx.x) * kWarp * n + i;
    if (at >= width) continue;
    float total = 0;
    for (int w = 0; w < kMostWarps; ++w) total += sums[w * kWarp * n + i];
    to[at] = total;
  }
}

template <bool slope>
void sum_columns(Stream& stream, int rows, int width, const Bf16* u, const float* bias,
                 Bf16* changed, const Bf16* dy, float* d_bias, float* partial_sums) {
  const int parts = ceil_div(rows, kRowsPerBlock);
  const auto run = [&](auto kernel, int n) {
    launch(kernel, dim3(ceil_div(width, kWarp * n), parts), kMostWarps * kWarp, 0, stream, rows,
           width, u, bias, changed, dy, partial_sums);
  };
  if (packs_fit<kAllBf16>(width, width, u, bias, dy))
    run(column_sums<kAllBf16, slope>, kAllBf16);
  else
    run(column_sums<1, slope>, 1);
  add_sums(stream, parts, width, partial_sums, d_bias);
}

}  // namespace

std::size_t partial_sum_floats(int rows, int model_width, int width) {
  const auto blocks = static_cast<std::size_t>(ceil_div(rows, kRowsPerBlock));
  return std::max(blocks * static_cast<std::size_t>(width),
                  std::size_t{kNormBlocks} * 3 * static_cast<std::size_t>(model_width));
}

void layer_norm(Stream& stream, const NormRows& norm, const float* x) {
  if (packs_fit<kMixed>(norm.width, norm.width, x, norm.gain, norm.bias, norm.y))
    launch_layer_norm<kMixed, false>(stream, norm, x, nullptr, nullptr, nullptr);
  else
    launch_layer_norm<1, false>(stream, norm, x, nullptr, nullptr, nullptr);
}

void residual_layer_norm(Stream& stream, const NormRows& norm, const float* x, const Bf16* added,
                         const float* added_bias, float* sum, const DropoutMask& mask) {
  const auto run = [&](auto launcher) { launcher(stream, norm, x, added, added_bias, sum, mask); };
  if (packs_fit<kMixed>(norm.width, norm.width, x, added, added_bias, sum, norm.gain, norm.bias,
                        norm.y))
    run(mask ? launch_layer_norm<kMixed, true, true> : launch_layer_norm<kMixed, true, false>);
  else
    run(mask ? launch_layer_norm<1, true, true> : launch_layer_norm<1, true, false>);
}

void layer_norm_backward(Stream& stream, const NormGradient& g, float* partial_sums) {
  // Two blocks of these share a multiprocessor, where rows are not very wide.
  const int warps = warps_of_rows(3 * g.width);
  const int blocks = std::min(kNormBlocks, ceil_div(g.rows, warps));
  const auto run = [&](auto kernel) {
    launch(kernel, blocks, warps * kWarp,
           sizeof(float) * static_cast<std::size_t>(warps * 3 * g.width), stream, g, partial_sums);
  };
  if (packs_fit<kMixed>(g.width, g.width, g.dy, g.x, g.gain, g.d_stream, g.d_stream16))
    run(g.mask ? layer_norm_backward_rows<kMixed, true> : layer_norm_backward_rows<kMixed, false>);
  else
    run(g.mask ? layer_norm_backward_rows<1, true> : layer_norm_backward_rows<1, false>);
  launch(add_partial_sums, dim3(ceil_div(g.width, kWarp), 3), kMostWarps * kWarp, 0, stream, blocks,
         g.width, partial_sums, Targets{g.d_gain, g.d_bias, g.dx_sum});
}

void drop(Stream& stream, int rows, int width, const DropoutMask& mask, float* x) {
  if (packs_fit<kMixed>(width, width, x))
    launch(drop_rows<kMixed>, rows, threads_of_row(width, kMixed), 0, stream, width, mask, x);
  else
    launch(drop_rows<1>, rows, threads_of_row(width, 1), 0, stream, width, mask, x);
}

void add_bias(Stream& stream, int rows, int width, const float* bias, Bf16* y) {
  if (packs_fit<kAllBf16>(width, width, bias, y))
    launch(add_bias_rows<kAllBf16>, rows, threads_of_row(width, kAllBf16), 0, stream, width, bias,
           y);
  else
    launch(add_bias_rows<1>, rows, threads_of_row(width, 1), 0, stream, width, bias, y);
}

void add_bias_backward(Stream& stream, int rows, int width, const Bf16* dy, float* d_bias,
                       float* partial_sums) {
  sum_columns<false>(stream, rows, width, nullptr, nullptr, nullptr, dy, d_bias, partial_sums);
}

void bias_gelu(Stream& stream, int rows, int width, const Bf16* u, const float* bias, Bf16* y) {
  if (packs_fit<kAllBf16>(width, width, u, bias, y))
    launch(bias_gelu_rows<kAllBf16>, rows, threads_of_row(width, kAllBf16), 0, stream, width, u,
           bias, y);
  else
    launch(bias_gelu_rows<1>, rows, threads_of_row(width, 1), 0, stream, width, u, bias, y);
}

void bias_gelu_backward(Stream& stream, int rows, int width, const Bf16* u, const float* bias,
                        Bf16* dy, float* d_bias, float* partial_sums) {
  sum_columns<true>(stream, rows, width, u, bias, dy, dy, d_bias, partial_sums);
}

}  // namespace paretoformer::supernet::cuda
