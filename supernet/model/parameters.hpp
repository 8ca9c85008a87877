// The arena of shared weights: where each tensor of the largest network lies in one flat vector.
//
// A sub-network is a prefix of every tensor: its first model_width columns, its first heads and FFN
// channels, its first layers. Nothing is copied; only the strides are those of the largest network.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "search_spaces/search_space.hpp"

namespace paretoformer::supernet {

struct Tensor {
  std::string name;  // "layers.0.attention.qkv.weight"
  int rows = 0;      // 1 for vectors; of a LayerNorm, one per model width (and depth)
  int columns = 0;   // contiguous
  std::size_t offset = 0;

  std::size_t size() const { return static_cast<std::size_t>(rows) * columns; }
};

// Offsets of one layer's tensors. Weights are [out][in]. The rows of qkv are head-major: head h
// owns rows [3 * head_width * h, 3 * head_width * (h + 1)), its q, k and v below one another, so
// that a prefix of rows is whole heads and one product yields q, k and v of all of them.
struct LayerOffsets {
  int attention_width, ffn_width;     // of the largest network: row strides of output and down
  std::size_t qkv, output, up, down;  // matrices
  std::size_t norm1_gain, norm1_bias, qkv_bias, output_bias;
  std::size_t norm2_gain, norm2_bias, up_bias, down_bias;
};

// Whether the output layer is the token embedding's matrix, or one of its own with a bias.
enum class Head { tied, untied };

// All matrices come first (they are decayed by AdamW), then all vectors. The constructors throw
// InputError beyond 2^40 parameters.
class ParameterLayout {
 public:
  // `context` is the number of learned positions, the longest sequence. Every model width of the
  // space has LayerNorm parameters of its own, and the final one also for every depth: what a
  // matrix makes of d inputs grows with d, so one gain cannot suit all widths (Yu et al. 2019,
  // "Slimmable neural networks", do so with batch normalisation). The space must have a
  // vocabulary.
  ParameterLayout(const SearchSpace& space, int context)
      : ParameterLayout(space.largest(), context, space.model_widths(), space.depths(),
                        Head::tied) {}
  // One network, which must have a vocabulary, or slices of it that share all parameters. An untied
  // head's matrix is behind all other matrices and its bias behind all other vectors, so that what
  // both kinds of layouts have is in the same order.
  ParameterLayout(const Architecture& largest, int context, Head head = Head::tied)
      : ParameterLayout(largest, context, {largest.model_width}, {largest.depth()}, head) {}

  const Architecture& largest() const { return largest_; }
  int model_width() const { return largest_.model_width; }  // row stride of most matrices
  int head_width() const { return largest_.head_width; }
  int vocabulary() const { return largest_.vocabulary; }
  int context() const { return context_; }
  // Scalars in the arena; [0, matrix_size()) are matrices, the rest vectors.
  std::size_t size() const { return size_; }
  std::size_t matrix_size() const { return matrix_size_; }
  std::size_t vector_size() const { return size_ - matrix_size_; }
  const std::vector<Tensor>& tensors() const { return tensors_; }
  const LayerOffsets& layer(int index) const { return layers_[static_cast<std::size_t>(index)]; }
  // Where in the tensors of a layer's, or of the final LayerNorm the network's own row begins.
  std::size_t norm_row(const Architecture& network) const;
  std::size_t final_norm_row(const Architecture& network) const;

  std::size_t token_embedding = 0;     // [vocabulary][d]
  std::size_t position_embedding = 0;  // [context][d]
  std::size_t head = 0;                // [vocabulary][d]; tied: the token embedding
  std::size_t head_bias = 0;           // of an untied head
  bool untied() const { return head != token_embedding; }
  std::size_t final_gain = 0, final_bias = 0;

 private:
  ParameterLayout(const Architecture& largest, int context, std::vector<int> widths,
                  std::vector<int> depths, Head head);
  std::size_t add(std::string name, int rows, int columns);

  Architecture largest_;
  int context_;
  std::vector<int> widths_, depths_;  // with LayerNorm parameters of their own
  std::vector<Tensor> tensors_;
  std::vector<LayerOffsets> layers_;
  std::size_t size_ = 0;
  std::size_t matrix_size_ = 0;
};

// Matrices N(0, 1 / columns), so that attention scores start with a spread of about one (GPT-2's
// fixed 0.02 was chosen for wide models); embeddings N(0, 1 / (2 columns)); gains 1, biases 0. The
// two projections that write to the residual stream start at zero, so that every layer starts as
// the identity: the LayerNorm analogue of the zero-initialised last gain of a residual block, as
// AttentiveNAS trains its supernets.
template <class T>
std::vector<T> initial_parameters(const ParameterLayout& layout, std::uint64_t seed);

// The weights of one sub-network, copied out into an arena of its own (`target`'s layout).
template <class T>
void extract(const ParameterLayout& supernet, const T* parameters, const ParameterLayout& target,
             T* extracted);
template <class T>
std::vector<T> extract(const ParameterLayout& supernet, const std::vector<T>& parameters,
                       const ParameterLayout& target);

}  // namespace paretoformer::supernet
