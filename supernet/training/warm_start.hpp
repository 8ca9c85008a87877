// A supernet that starts from trained weights of its largest network, reordered so that its slices,
// which are prefixes, keep what matters most.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "supernet/model/parameters.hpp"
#include "supernet/training/training_config.hpp"

namespace paretoformer::supernet {

// What a network loses without each of its heads and FFN channels, by the diagonal of the empirical
// Fisher information of a mask over them (Kwon et al. 2022, "A Fast Post-Training Pruning Framework
// for Transformers", arXiv 2204.09656, section 4.1): the mean over sequences of the squared
// gradient of a sequence's loss in a factor of the head's or channel's output.
struct Importance {
  std::vector<std::vector<double>> heads, channels;  // [layer][head], [layer][channel]
};

// Heads or channels of a layer, the most important first, equals in the order they have.
std::vector<int> by_importance(const std::vector<double>& importance);

// Sequences on which importance is measured; Kwon et al. take 2048 of classification tasks, each of
// which is one target, where a sequence of text is as many as it has tokens.
inline constexpr int kImportanceSequences = 256;

// The gradients themselves: of the loss of every sequence in every factor.
struct MaskGradients {
  std::vector<std::vector<std::vector<double>>> heads, channels;  // [layer][sequence][of a layer]
};

// Of layout.largest() with these weights, on kImportanceSequences sequences of config.context
// tokens of the text, at places that `seed` draws, on config.device of this machine.
MaskGradients mask_gradients(const ParameterLayout& layout, const std::vector<float>& parameters,
                             std::span<const std::int32_t> text, const TrainingConfig& config,
                             std::uint64_t seed);
Importance fisher_importance(const MaskGradients& gradients);
Importance fisher_importance(const ParameterLayout& layout, const std::vector<float>& parameters,
                             std::span<const std::int32_t> text, const TrainingConfig& config,
                             std::uint64_t seed);

// Reorders the heads and FFN channels of every layer of layout.largest(), the most important first,
// equals in the order they had. The network computes the same. Moments of an optimiser, which have
// the same layout, go with their weights when they are sorted alike.
void sort_by_importance(const ParameterLayout& layout, const Importance& importance,
                        std::vector<float>& parameters);

// The parameters of a supernet whose largest network has these: LayerNorms of other widths and
// depths begin with the first values of the largest network's.
std::vector<float> supernet_of(const ParameterLayout& own, const std::vector<float>& parameters,
                               const ParameterLayout& supernet);

}  // namespace paretoformer::supernet
