// The pass of a folded sub-network in fp32, of which some kinds of operators may be the integer
// ones: what those alone cost, and, with none, what activations there are to calibrate.
//
// An integer operator gets its operands rounded to the scales that they have in the quantised
// network, and its results are multiplied out again, so that each kind bears the rounding of its
// own operands and results. With all kinds it is the integer network, but for the rounding of fp32
// scores and logits.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "supernet/quantization/quantized_network.hpp"
#include "supernet/quantization/smoothing.hpp"
#include "support/words.hpp"

namespace paretoformer::supernet {

enum class IntegerOperator { kProducts, kAttention, kSoftmax, kGelu, kLayerNorm, kResidualAdd };

// products: with weights, the output layer's included; attention: q k^T and p v.
inline constexpr Words<IntegerOperator, 6> kIntegerOperatorWords{
    {{IntegerOperator::kProducts, "products"},
     {IntegerOperator::kAttention, "attention"},
     {IntegerOperator::kSoftmax, "softmax"},
     {IntegerOperator::kGelu, "gelu"},
     {IntegerOperator::kLayerNorm, "layer_norm"},
     {IntegerOperator::kResidualAdd, "residual_add"}}};

struct OperatorSet {
  std::array<bool, 6> integer{};

  bool has(IntegerOperator kind) const { return integer[static_cast<std::size_t>(kind)]; }
  static OperatorSet only(IntegerOperator kind) {
    OperatorSet set;
    set.integer[static_cast<std::size_t>(kind)] = true;
    return set;
  }
  static OperatorSet all() { return {{true, true, true, true, true, true}}; }
};

struct MixedPass {
  const FoldedNetwork& network;
  const QuantizedNetwork* quantized = nullptr;  // of it; needed with any integer operator
  OperatorSet operators{};
  Sites<Distribution>* seen = nullptr;  // null: not wanted; all but the tables are added to
  std::vector<ChannelSizes>* channels = nullptr;  // by layer; null: not wanted
  // By layer, of those with weights of four bits; null: not wanted.
  std::vector<LayerMoments>* moments = nullptr;
};

// The fp32 logits [sequences * length][vocabulary] of sequences of `length` tokens, one after the
// other, up to network.context; none when it is `seen`, or its `channels` or `moments` are.
// Single-threaded.
void mixed_logits(const MixedPass& pass, std::span<const std::int32_t> tokens, int length,
                  std::vector<float>& logits);

}  // namespace paretoformer::supernet
