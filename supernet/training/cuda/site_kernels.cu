#include "supernet/training/cuda/site_kernels.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kBins = Distribution::kBins;
constexpr int kBinBits = 13;
static_assert(1 << kBinBits == kBins);

__device__ inline float value_at(const SiteRows& v, int row, int column) {
  if (v.half != nullptr) {
    const float value = to_float(v.half[row * v.stride + column]);
    return v.bias != nullptr ? value + v.bias[column] : value;
  }
  const std::ptrdiff_t i = std::ptrdiff_t{row} * v.columns + column;
  float value = v.x[i] - v.mean[row];
  if (v.before != nullptr) value -= v.before[i] - v.before_mean[row];
  return v.inverse_deviation != nullptr ? value * v.inverse_deviation[row] : value;
}

// The bits of |value|, which are in the order of sizes, NaN behind infinity.
__device__ inline unsigned size_bits(float value) { return __float_as_uint(value) & 0x7fffffffU; }

template <class Use>
__device__ inline void for_values(const SiteRows& values, const Use& use) {
  for (int row = static_cast<int>(blockIdx.x); row < values.rows; row += kSiteBlocks)
    for (int column = static_cast<int>(threadIdx.x); column < values.columns; column += kThreads)
      use(value_at(values, row, column));
}

__global__ void __launch_bounds__(kThreads) largest_sizes(SiteRows values, unsigned* partial) {
  PARETOFORMER_SHARED(unsigned, of_threads, kThreads);
  unsigned largest = 0;
  for_values(values, [&](float value) { largest = max(largest, size_bits(value)); });
  of_threads[threadIdx.x] = largest;
  __syncthreads();
  if (threadIdx.x > 0) return;
  for (int i = 1; i < kThreads; ++i) largest = max(largest, of_threads[i]);
  partial[blockIdx.x] = largest;
}

// Counts are whole numbers, whose sums do not depend on who comes first: hence the atomics.
__global__ void __launch_bounds__(kThreads)
    sizes_in_bins(SiteRows values, const unsigned* partial, SiteCounts* counts) {
  PARETOFORMER_SHARED(unsigned, bins, kBins);
  for (int i = static_cast<int>(threadIdx.x); i < kBins; i += kThreads) bins[i] = 0;
  unsigned largest = 0;
  for (int i = 0; i < kSiteBlocks; ++i) largest = max(largest, partial[i]);
  if (blockIdx.x == 0 && threadIdx.x == 0) counts->largest = largest;
  // Distribution's bins: the largest size, below 2^(exponent + 13), is in the upper half of them.
  const int exponent = max(static_cast<int>(largest >> 23) - 126 - kBinBits, -126);
  const float inverse = ldexpf(1.0F, -exponent);
  __syncthreads();
  for_values(values, [&](float value) {
    // Within them, but for what is not finite.
    atomicAdd(&bins[static_cast<int>(fminf(fabsf(value) * inverse, kBins - 1))], 1U);
  });
  __syncthreads();
  for (int i = static_cast<int>(threadIdx.x); i < kBins; i += kThreads)
    if (bins[i] > 0) atomicAdd(&counts->bins[i], bins[i]);
}

}  // namespace

void count_sizes(Stream& stream, const SiteRows& values, unsigned* partial, SiteCounts* counts) {
  zero_bytes(stream, counts, sizeof *counts);
  launch(largest_sizes, kSiteBlocks, kThreads, 0, stream, values, partial);
  launch(sizes_in_bins, kSiteBlocks, kThreads, 0, stream, values, partial, counts);
}

}  // namespace paretoformer::supernet::cuda
