#include <algorithm>

#include "supernet/training/cuda/packs.hpp"
#include "supernet/training/cuda/text_kernels.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr int kWarps = 8;       // of a block that sums rows
constexpr int kMostWarps = 16;  // of one that works on a row of logits
constexpr int kMixed = 4;
constexpr int kAllBf16 = 8;

// One block per row.
template <int n>
__global__ void embed_rows(int width, int length, const std::int32_t* tokens,
                           const Bf16* token_embedding, const Bf16* position_embedding,
                           std::ptrdiff_t stride, float* x) {
  const int row = static_cast<int>(blockIdx.x);
  const Bf16* const token = token_embedding + tokens[row] * stride;
  const Bf16* const position = position_embedding + row % length * stride;
  float* const to = x + std::ptrdiff_t{row} * width;
  for (int i = static_cast<int>(threadIdx.x) * n; i < width;
       i += static_cast<int>(blockDim.x) * n) {
    Floats<n> v = load<n>(token + i);
    const Floats<n> p = load<n>(position + i);
    for (int j = 0; j < n; ++j) v[j] += p[j];
    store<n>(to + i, v);
  }
}

int threads_of_row(int width, int n) {
  return std::clamp(ceil_div(ceil_div(width, n), kWarp) * kWarp, kWarp, 256);
}

// One thread per column of a position.
__global__ void position_columns(int sequences, int length, int width, const float* dx,
                                 float* gradient, std::ptrdiff_t stride) {
  const int position = static_cast<int>(blockIdx.x);
  const int column = static_cast<int>(blockIdx.y * blockDim.x + threadIdx.x);
  if (column >= width) return;
  const float* const from = dx + std::ptrdiff_t{position} * width + column;
  const std::ptrdiff_t pitch = std::ptrdiff_t{length} * width;
  float sum = 0;
  for (int s = 0; s < sequences; ++s) sum += from[s * pitch];
  gradient[position * stride + column] += sum;
}

// Frequent tokens have many rows, hence eight warps for them.
__global__ void __launch_bounds__(kWarps* kWarp)
    token_columns(const std::int32_t* tokens, const std::int32_t* starts, const std::int32_t* rows,
                  int width, const float* dx, float* gradient, std::ptrdiff_t stride) {
  PARETOFORMER_SHARED(float, sums, kWarps* kWarp);
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int column = static_cast<int>(blockIdx.y) * kWarp + lane;
  const int last = starts[blockIdx.x + 1];
  float sum = 0;
  if (column < width) {
    for (int i = starts[blockIdx.x] + warp; i < last; i += kWarps)
      sum += dx[std::ptrdiff_t{rows[i]} * width + column];
  }
  sums[threadIdx.x] = sum;
  __syncthreads();
  if (warp > 0 || column >= width) return;
  for (int w = 1; w < kWarps; ++w) sum += sums[w * kWarp + lane];
  gradient[tokens[blockIdx.x] * stride + column] += sum;
}

// sum over some logits of exp(logit - largest)
struct Exponentials {
  float largest, sum;
};

__device__ inline Exponentials together(Exponentials a, Exponentials b) {
  if (a.largest < b.largest) {
    const Exponentials c = a;
    a = b;
    b = c;
  }
  if (b.sum != 0.0F)  // else none yet; a sum that is NaN must stay
    a.sum += b.sum * __expf(b.largest - a.largest);
  return a;
}

// The log-sum-exp of a row of logits, in all threads of the block.
template <int n>
__device__ float log_sum_exp(const Bf16* logits, int vocabulary, Exponentials* of_warps) {
  Exponentials mine{-INFINITY, 0};
  for (int i = static_cast<int>(threadIdx.x) * n; i < vocabulary;
       i += static_cast<int>(blockDim.x) * n) {
    Floats<n> v = load<n>(logits + i);
    Exponentials here{-INFINITY, 0};
    for (int j = 0; j < n; ++j) {
      if (i + j >= vocabulary) v[j] = -INFINITY;
      here.largest = fmaxf(here.largest, v[j]);
    }
    for (int j = 0; j < n; ++j) here.sum += __expf(v[j] - here.largest);
    mine = together(mine, here);
  }
  for (int bits = kWarp / 2; bits > 0; bits /= 2)
    mine = together(mine, {__shfl_xor_sync(0xffffffffU, mine.largest, bits),
                           __shfl_xor_sync(0xffffffffU, mine.sum, bits)});
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  if (threadIdx.x % kWarp == 0) of_warps[warp] = mine;
  __syncthreads();
  Exponentials all = of_warps[0];
  for (int w = 1; w < static_cast<int>(blockDim.x) / kWarp; ++w) all = together(all, of_warps[w]);
  return all.largest + logf(all.sum);
}

enum class Wanted { loss, gradient, gradient_to_soft };

// One block per row: once over the row for the log-sum-exp, once more, out of the cache, for the
// gradient. Pads at the end of a row make room for whole packs.
template <int n, Wanted wanted>
__global__ void __launch_bounds__(kMostWarps* kWarp)
    cross_entropy_rows(int vocabulary, std::ptrdiff_t stride, Bf16* logits,
                       const std::int32_t* targets, SoftTargets soft, float gradient_scale,
                       float* losses) {
  PARETOFORMER_SHARED(Exponentials, of_warps, kMostWarps);
  Bf16* const row = logits + blockIdx.x * stride;
  const int target = targets[blockIdx.x];
  const float lse = log_sum_exp<n>(row, vocabulary, of_warps);
  if (threadIdx.x == 0) losses[blockIdx.x] = lse - to_float(row[target]);
  if constexpr (wanted == Wanted::loss) return;
  __syncthreads();  // the target's logit has been read
  const Bf16* teacher = nullptr;
  float hard = 1, teacher_lse = 0;
  if constexpr (wanted == Wanted::gradient_to_soft) {
    teacher = soft.logits + blockIdx.x * stride;
    hard = 1 - soft.weight;
    teacher_lse = log_sum_exp<n>(teacher, vocabulary, of_warps);
  }
  for (int i = static_cast<int>(threadIdx.x) * n; i < stride;
       i += static_cast<int>(blockDim.x) * n) {
    Floats<n> v = load<n>(row + i);
    Floats<n> t{};
    if constexpr (wanted == Wanted::gradient_to_soft) t = load<n>(teacher + i);
    for (int j = 0; j < n; ++j) {
      float p = __expf(v[j] - lse) - (i + j == target ? hard : 0.0F);
      if constexpr (wanted == Wanted::gradient_to_soft)
        p -= soft.weight * __expf(t[j] - teacher_lse);
      v[j] = i + j < vocabulary ? p * gradient_scale : 0.0F;
    }
    store<n>(row + i, v);
  }
}

template <Wanted wanted>
void launch_cross_entropy(Stream& stream, int rows, int vocabulary, std::ptrdiff_t stride,
                          Bf16* logits, const std::int32_t* targets, const SoftTargets& soft,
                          float gradient_scale, float* losses) {
  const auto run = [&](auto kernel, int n) {
    const int warps = std::clamp(ceil_div(vocabulary, kWarp * n), 1, kMostWarps);
    launch(kernel, rows, warps * kWarp, 0, stream, vocabulary, stride, logits, targets, soft,
           gradient_scale, losses);
  };
  if (packs_fit<kAllBf16>(static_cast<int>(stride), stride, logits, soft.logits))
    run(cross_entropy_rows<kAllBf16, wanted>, kAllBf16);
  else
    run(cross_entropy_rows<1, wanted>, 1);
}

// One warp per sequence.
__global__ void sum_of_sequence(int length, const float* losses, double* sums) {
  const float* const from = losses + std::ptrdiff_t{blockIdx.x} * length;
  double sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < length; i += kWarp)
    sum += static_cast<double>(from[i]);
  sum = warp_sum(sum);
  if (threadIdx.x == 0) sums[blockIdx.x] = sum;
}

}  // namespace

void embed(Stream& stream, int rows, int width, int length, const std::int32_t* tokens,
           const Bf16* token_embedding, const Bf16* position_embedding, std::ptrdiff_t stride,
           float* x) {
  if (packs_fit<kMixed>(width, stride, token_embedding, position_embedding, x))
    launch(embed_rows<kMixed>, rows, threads_of_row(width, kMixed), 0, stream, width, length,
           tokens, token_embedding, position_embedding, stride, x);
  else
    launch(embed_rows<1>, rows, threads_of_row(width, 1), 0, stream, width, length, tokens,
           token_embedding, position_embedding, stride, x);
}

void position_gradient(Stream& stream, int sequences, int length, int width, const float* dx,
                       float* gradient, std::ptrdiff_t stride) {
  const int threads = threads_of_row(width, 1);
  launch(position_columns, dim3(length, ceil_div(width, threads)), threads, 0, stream, sequences,
         length, width, dx, gradient, stride);
}

void TokenRows::sort(const std::int32_t* all, int count) {
  tokens.clear();
  starts.assign(1, 0);
  rows.resize(static_cast<std::size_t>(count));
  for (int i = 0; i < count; ++i)
    if (place_[static_cast<std::size_t>(all[i])]++ == 0) tokens.push_back(all[i]);
  for (const std::int32_t token : tokens) {
    std::int32_t& place = place_[static_cast<std::size_t>(token)];
    starts.push_back(starts.back() + place);
    place = starts[starts.size() - 2];
  }
  for (int i = 0; i < count; ++i)
    rows[static_cast<std::size_t>(place_[static_cast<std::size_t>(all[i])]++)] = i;
  for (const std::int32_t token : tokens) place_[static_cast<std::size_t>(token)] = 0;
}

void token_gradient(Stream& stream, int distinct, const std::int32_t* tokens,
                    const std::int32_t* starts, const std::int32_t* rows, int width,
                    const float* dx, float* gradient, std::ptrdiff_t stride) {
  launch(token_columns, dim3(distinct, ceil_div(width, kWarp)), kWarps * kWarp, 0, stream, tokens,
         starts, rows, width, dx, gradient, stride);
}

void row_losses(Stream& stream, int rows, int vocabulary, std::ptrdiff_t stride, const Bf16* logits,
                const std::int32_t* targets, float* losses) {
  launch_cross_entropy<Wanted::loss>(stream, rows, vocabulary, stride, const_cast<Bf16*>(logits),
                                     targets, {}, 0, losses);
}

void cross_entropy(Stream& stream, int rows, int vocabulary, std::ptrdiff_t stride, Bf16* logits,
                   const std::int32_t* targets, const SoftTargets& soft, float gradient_scale,
                   float* losses) {
  if (soft.logits)
    launch_cross_entropy<Wanted::gradient_to_soft>(stream, rows, vocabulary, stride, logits,
                                                   targets, soft, gradient_scale, losses);
  else
    launch_cross_entropy<Wanted::gradient>(stream, rows, vocabulary, stride, logits, targets, soft,
                                           gradient_scale, losses);
}

void sequence_sums(Stream& stream, int sequences, int length, const float* losses, double* sums) {
  launch(sum_of_sequence, sequences, kWarp, 0, stream, length, losses, sums);
}

}  // namespace paretoformer::supernet::cuda
