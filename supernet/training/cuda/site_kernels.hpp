// The sizes of a pass's activations, counted on the device as Distribution does on the host.
#pragma once

#include <cstddef>
#include <cstdint>

#include "supernet/quantization/calibration.hpp"
#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// Values of a matrix of activations, worked out from what a pass keeps.
struct SiteRows {
  int rows = 0, columns = 0;
  // bf16, in rows of `stride`, and what is added to the columns; null: nothing.
  const Bf16* half = nullptr;
  std::ptrdiff_t stride = 0;
  const float* bias = nullptr;
  // Or fp32 in dense rows, without their means, times an inverse deviation; or the difference to
  // others. Null: none.
  const float* x = nullptr;
  const float *mean = nullptr, *inverse_deviation = nullptr;
  const float *before = nullptr, *before_mean = nullptr;
};

struct SiteCounts {
  unsigned largest;  // the bits of the largest size; of a NaN or infinity, if there is one
  unsigned bins[Distribution::kBins];
};

// Of blocks that look at the same matrix; each writes the largest size that it sees.
inline constexpr int kSiteBlocks = 64;

// Counts of all sizes. `partial` has kSiteBlocks numbers for this.
void count_sizes(Stream& stream, const SiteRows& values, unsigned* partial, SiteCounts* counts);

}  // namespace paretoformer::supernet::cuda
