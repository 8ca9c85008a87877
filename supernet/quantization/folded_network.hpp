// One sub-network as the accelerator's units can run it: LayerNorms without gain and bias.
//
// The normaliser has neither, so they are folded into the matrix that follows,
// W (g * x + b) + c = (W g) x + (W b + c), the final ones into an output layer that is no longer
// tied to the token embedding. What writes to the residual stream (embeddings, the output and down
// projections) has its mean over the stream's columns taken away: every LayerNorm subtracts it
// anyhow (Ashkboos et al. 2024, "SliceGPT", arXiv 2401.15024, section 3), but the integer one only
// in whole steps of an int8 stream. With it the stream's mean is 0 but for rounding. The function
// of the network is unchanged but for rounding.
//
// Where per-channel scales could go (SmoothQuant, Xiao et al. 2023, arXiv 2211.10438): between a
// LayerNorm and its matrix nowhere, as the gains that would take them are the matrix's own; between
// matrices, from v to the output projection and between q and k.
#pragma once

#include <cstddef>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/model/parameters.hpp"

namespace paretoformer::supernet {

// Elements of a matrix.
inline std::size_t area(int rows, int columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
}

// y = W x + bias.
struct Linear {
  int outputs = 0, inputs = 0;
  std::vector<float> weight;  // [outputs][inputs]
  std::vector<float> bias;    // [outputs]
};

struct FoldedLayer {
  int heads = 0;
  Linear query, key, value;  // [heads * head_width][d], of the normalised stream; head by head
  Linear output;             // [d][heads * head_width]
  Linear up, down;           // [ffn_width][d] of the normalised stream, [d][ffn_width]
};

struct FoldedNetwork {
  Architecture network;
  int context = 0;
  std::vector<float> tokens, positions;  // [vocabulary][d] and [context][d], what is read
  std::vector<FoldedLayer> layers;
  Linear head;  // [vocabulary][d] of the normalised stream: logits
};

// The same in an arena, for training. `own` is the layout of one network, `folded` the same with an
// untied head; its LayerNorms have gains of 1 and biases of 0.
template <class T>
void fold(const ParameterLayout& own, const T* parameters, const ParameterLayout& folded,
          T* result);
// The gradient of the parameters from that of what fold() makes of them, its derivative transposed.
template <class T>
void fold_backward(const ParameterLayout& own, const T* parameters, const ParameterLayout& folded,
                   const T* d_result, T* gradient);

// What is in such an arena.
FoldedNetwork folded_network(const ParameterLayout& folded, const std::vector<float>& arena);

// `network` is a prefix of layout.largest(), `parameters` has layout.size() values.
FoldedNetwork fold(const ParameterLayout& layout, const float* parameters,
                   const Architecture& network);

}  // namespace paretoformer::supernet
