// The workload of a network: FLOPs, memory operations and arithmetic intensity per class of
// operators, as the survey counts them (arXiv 2302.14017, Sec. 2.2).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "accel_sim/workload/networks.hpp"

namespace paretoformer::accel_sim {

enum class OperatorClass {
  kProjections,        // q, k, v and output projection of the attention
  kActToAct,           // scores and context
  kFfn,                // both matmuls of the feed-forward block
  kLanguageModelHead,  // with the embedding; only with a vocabulary
  kConvolution,
  kOther,  // everything that is no matmul; of a convolutional network, its classifier as well
};
// In their order, as tables and files name them.
inline constexpr std::array<std::string_view, 6> kOperatorClassNames = {
    "MHA projections",     "MHA act-to-act", "FFN projections",
    "language-model head", "convolution",    "other"};

std::string_view name_of(OperatorClass operators);
// Of an operator of transformer_operators().
OperatorClass class_of(const TransformerOperator& item);

// FLOPs, and bytes read and written ("MOPs"): int8 operands and results.
struct WorkloadCount {
  std::int64_t flops = 0;
  std::int64_t mops = 0;

  double intensity() const;  // FLOPs per byte; 0 without bytes

  // Throws Error when the sum does not fit 64 bits.
  WorkloadCount& operator+=(const WorkloadCount& other);
  bool operator==(const WorkloadCount&) const = default;
};

struct Profile {
  struct Row {
    OperatorClass operators;
    WorkloadCount count;
  };
  std::optional<int> length;  // of a sequence; images have none
  std::vector<Row> rows;      // of the classes that the network has, in their order

  WorkloadCount total() const;
  // Zeros when the network has none of that class.
  WorkloadCount of(OperatorClass operators) const;
};

// Operators write their results and read their operands, each once, unless `fused`: then softmax,
// GELU and LayerNorm work on results on their way out of the matmul before them and move no bytes
// of their own. With kDecode a whole sequence is generated token by token, keys and values cached:
// the sum over all its positions. Counts are those of statistics() with two more facts that the
// survey's intensities show (its digits decoded; why the second is so is not printed): a LayerNorm
// reads its scale and shift, and with kPrefill one operand of one of a layer's two residual adds is
// not counted. In units of the model width, "other" (softmax apart) is then 17 l + 4 bytes for a
// layer and l tokens, and 22 for a decoded token. Of a batch, the matrices of weights are read once
// for all sequences. Throws InputError for a length outside 1 to 2^20,
// Error when counts do not fit 64 bits.
Profile profile(const Architecture& architecture, int length, Mode mode, bool fused, int batch = 1);
// The same, biases and masks left out as well. An RMSNorm reads its scale; it, SiLU and rotary
// positions are fused like LayerNorm.
Profile profile(const ListedNetwork& network, int length, Mode mode, bool fused, int batch = 1);

// One image. Batch normalisation is 2 FLOPs per element, ReLU, residual add and an element pooled 1
// each. When `fused`, batch normalisation is folded into the weights, and ReLU moves no bytes.
Profile profile(const ConvolutionalNetwork& network, bool fused);

}  // namespace paretoformer::accel_sim
