#include <algorithm>
#include <cmath>

#include "supernet/training/cuda/optimiser_kernels.hpp"
#include "supernet/training/cuda/packs.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kPack = 4;  // floats in 16 bytes

// In all threads of the block, the same.
__device__ double block_sum(double value, double* of_warps) {
  value = warp_sum(value);
  if (threadIdx.x % kWarp == 0) of_warps[threadIdx.x / kWarp] = value;
  __syncthreads();
  double sum = 0;
  for (int w = 0; w < kThreads / kWarp; ++w) sum += of_warps[w];
  return sum;
}

// partial_sums[block] = sum of squares of its packs, every `gridDim.x * blockDim.x`-th of a thread.
// In fp64: a square of fp32 overflows long before a gradient does.
__global__ void __launch_bounds__(kThreads)
    squares(std::size_t count, const float* gradient, double* partial_sums) {
  PARETOFORMER_SHARED(double, of_warps, kThreads / kWarp);
  const std::size_t pitch = std::size_t{gridDim.x} * kThreads * kPack;
  double sum = 0;
  for (std::size_t i = (std::size_t{blockIdx.x} * kThreads + threadIdx.x) * kPack; i < count;
       i += pitch) {
    if (i + kPack <= count) {
      const Floats<kPack> g = load<kPack>(gradient + i);
      for (int j = 0; j < kPack; ++j) sum += static_cast<double>(g[j]) * static_cast<double>(g[j]);
    } else {
      for (std::size_t j = i; j < count; ++j)
        sum += static_cast<double>(gradient[j]) * static_cast<double>(gradient[j]);
    }
  }
  sum = block_sum(sum, of_warps);
  if (threadIdx.x == 0) partial_sums[blockIdx.x] = sum;
}

__global__ void __launch_bounds__(kThreads)
    norm_of_squares(int parts, const double* partial_sums, double gradient_scale, double clip_norm,
                    NormOfGradient* result) {
  PARETOFORMER_SHARED(double, of_warps, kThreads / kWarp);
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < parts; i += kThreads) sum += partial_sums[i];
  sum = block_sum(sum, of_warps);
  if (threadIdx.x > 0) return;
  const double norm = sqrt(sum) * gradient_scale;
  const double clipped = norm > clip_norm ? clip_norm / norm : 1.0;
  result->norm = norm;
  result->scale = static_cast<float>(gradient_scale * clipped);
}

struct Step {
  float beta1, beta2, rate, inverse_root, epsilon, keep;
};

// Returns the weight.
__device__ inline float update(const Step& step, float keep, float g, float p, float& m, float& v) {
  m = step.beta1 * m + (1.0F - step.beta1) * g;
  v = step.beta2 * v + (1.0F - step.beta2) * g * g;
  return p * keep - step.rate * m / (sqrtf(v) * step.inverse_root + step.epsilon);
}

template <int n>
__device__ void update_pack(const Step& step, const Arenas& a, std::size_t i, float scale) {
  const Floats<n> g = load<n>(a.gradient + i);
  Floats<n> p = load<n>(a.parameters + i);
  Floats<n> m = load<n>(a.m + i);
  Floats<n> v = load<n>(a.v + i);
  for (int j = 0; j < n; ++j)
    p[j] = update(step, i + j < a.matrices ? step.keep : 1.0F, g[j] * scale, p[j], m[j], v[j]);
  store<n>(a.parameters + i, p);
  store<n>(a.m + i, m);
  store<n>(a.v + i, v);
  if (i + n <= a.matrices)
    store<n>(a.rounded + i, p);
  else
    for (int j = 0; j < n; ++j)
      if (i + j < a.matrices) a.rounded[i + j] = to_bf16(p[j]);
}

__global__ void __launch_bounds__(kThreads)
    adamw_packs(Step step, Arenas a, const NormOfGradient* norm) {
  if (!(fabs(norm->norm) < INFINITY)) return;
  const std::size_t first = (std::size_t{blockIdx.x} * kThreads + threadIdx.x) * kPack;
  if (first + kPack <= a.size)
    update_pack<kPack>(step, a, first, norm->scale);
  else
    for (std::size_t i = first; i < a.size; ++i) update_pack<1>(step, a, i, norm->scale);
}

__global__ void __launch_bounds__(kThreads)
    round_packs(std::size_t count, const float* values, Bf16* rounded) {
  const std::size_t first = (std::size_t{blockIdx.x} * kThreads + threadIdx.x) * kPack;
  if (first + kPack <= count)
    store<kPack>(rounded + first, load<kPack>(values + first));
  else
    for (std::size_t i = first; i < count; ++i) rounded[i] = to_bf16(values[i]);
}

unsigned blocks(std::size_t count) {
  return static_cast<unsigned>(ceil_div(count, std::size_t{kThreads} * kPack));
}

}  // namespace

void gradient_norm(Stream& stream, std::size_t count, const float* gradient, double gradient_scale,
                   double clip_norm, double* partial_sums, NormOfGradient* result) {
  const unsigned parts = std::min<unsigned>(kNormParts, blocks(count));
  launch(squares, parts, kThreads, 0, stream, count, gradient, partial_sums);
  launch(norm_of_squares, 1, kThreads, 0, stream, static_cast<int>(parts), partial_sums,
         gradient_scale, clip_norm, result);
}

void apply_adamw(Stream& stream, const AdamW& step, const Arenas& arenas,
                 const NormOfGradient* norm) {
  const Step constants{static_cast<float>(step.beta1),
                       static_cast<float>(step.beta2),
                       static_cast<float>(step.learning_rate / step.correction1),
                       static_cast<float>(1.0 / std::sqrt(step.correction2)),
                       static_cast<float>(step.epsilon),
                       static_cast<float>(1.0 - step.learning_rate * step.weight_decay)};
  launch(adamw_packs, blocks(arenas.size), kThreads, 0, stream, constants, arenas, norm);
}

void round_values(Stream& stream, std::size_t count, const float* values, Bf16* rounded) {
  launch(round_packs, blocks(count), kThreads, 0, stream, count, values, rounded);
}

}  // namespace paretoformer::supernet::cuda
