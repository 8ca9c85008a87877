// The largest network with heads, FFN channels and layers left out, and not trained again: Kwon et
// al. 2022, "A Fast Post-Training Pruning Framework for Transformers", arXiv 2204.09656. What a
// search over a supernet has to beat.
//
// All functions are of a network that a layout has for itself (ParameterLayout(largest, context)).
#pragma once

#include <span>
#include <vector>

#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/warm_start.hpp"

namespace paretoformer::supernet {

// What stays of a layer, in rising order. Neither: the layer is left out, but for its biases.
struct Kept {
  std::vector<int> heads, channels;

  bool operator==(const Kept&) const = default;
};

// Squares of the L2 norms of the weights that a head (rows of q, k and v, columns of the output
// projection) or a channel has: what leaving it out takes off the network's.
Importance magnitude_importance(const ParameterLayout& layout,
                                const std::vector<float>& parameters);

// Of every layer as many as `sizes` says, the most important ones; no heads are no channels.
std::vector<Kept> most_important(const Importance& importance, std::span<const Layer> sizes);

// The same by the Fisher information of a layer's heads, or channels, together (section 4.2):
// greedily, as the authors' program goes about it, from those left out by its diagonal. One after
// the other of the others joins these, by rising importance, and that one leaves without which the
// sum of their gradients is the least.
std::vector<Kept> rearranged(const MaskGradients& gradients, std::span<const Layer> sizes);

struct PrunedNetwork {
  ParameterLayout layout;
  std::vector<float> parameters;
};

// What is left, an item of `kept` for every layer; one layer at least. The biases of layers that
// are left out go to the one before, or to the positions: it computes what the largest network does
// with the outputs of the others' heads and channels at zero.
PrunedNetwork pruned(const ParameterLayout& layout, const std::vector<float>& parameters,
                     std::span<const Kept> kept);

// Multiplies the output of every head and channel that is left, layer by layer, by what brings the
// residual stream nearest to the whole network's, in least squares over the batch (section 4.3).
// Ends, as the authors' program, before a layer whose factors are not within 10 of zero.
void tune_masks(const ParameterLayout& layout, const std::vector<float>& parameters,
                std::span<const Kept> kept, const Batch& batch, PrunedNetwork& network);

}  // namespace paretoformer::supernet
