// SmoothQuant (Xiao et al. 2023, arXiv 2211.10438): of two factors whose channels are multiplied
// with one another, one is divided by a scale per channel and the other multiplied, so that neither
// has channels much larger than the rest, for which one scale per tensor is coarse.
//
// In a folded network that is possible in two places without a further operation: between v and the
// output projection, and between q and k. Elsewhere a LayerNorm without gain, a GELU or an addition
// lies between two matrices.
#pragma once

#include <vector>

#include "supernet/model/network.hpp"
#include "supernet/quantization/folded_network.hpp"

namespace paretoformer::supernet {

// The largest sizes of a layer's activations by channel: heads * head_width each.
struct ChannelSizes {
  std::vector<float> query, key, context;

  void include(const ChannelSizes& other);  // the larger of both
};

// The same function of its tokens, but for rounding. Scales are |a|^alpha / |b|^(1 - alpha) of the
// largest sizes of a channel: context and output projection (equation 4 of the paper), q and k; 1
// where either is 0. `alpha` is from 0 to 1, `sizes` has one element per layer.
FoldedNetwork smoothed(FoldedNetwork network, const std::vector<ChannelSizes>& sizes, double alpha);

// With the sizes of the fp32 pass over these sequences, of up to network.context tokens.
FoldedNetwork smoothed(const FoldedNetwork& network, const Batch& batch, double alpha);

}  // namespace paretoformer::supernet
