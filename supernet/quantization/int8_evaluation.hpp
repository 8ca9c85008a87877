// What a sub-network loses when all of it is computed in integers, and what each kind of operator
// adds to that.
#pragma once

#include <vector>

#include "supernet/model/network.hpp"
#include "supernet/quantization/mixed_pass.hpp"

namespace paretoformer::supernet {

struct QuantizationConfig {
  Calibration activations = Calibration::kMeanSquare;
  Calibration weights = Calibration::kMeanSquare;
  int norm_reads = kNormReads;
};

// What the activations of the fp32 pass over these sequences are, of up to network.context tokens.
// Results here and below do not depend on the number of threads. Throws InputError where one is not
// finite.
Sites<Distribution> observe(const FoldedNetwork& network, const Batch& batch);

// The sizes of their channels.
std::vector<ChannelSizes> channel_sizes(const FoldedNetwork& network, const Batch& batch);

// What the matrices of layers with weights of four bits multiply; empty in other layers.
std::vector<LayerMoments> moments_of(const FoldedNetwork& network, const Batch& batch);

// Scales of what was seen, one per site; the tables' are 1.
Sites<float> scales_of(const Sites<Distribution>& seen, Calibration method);

// The quantised form of a network, calibrated on these sequences: observe(), scales_of(),
// quantize().
QuantizedNetwork calibrated(const FoldedNetwork& network, const Batch& calibration,
                            const QuantizationConfig& config = {});

// Mean losses (nats per token).
double integer_loss(const QuantizedNetwork& network, const Batch& batch);
// `pass.seen` must be null.
double mixed_loss(const MixedPass& pass, const Batch& batch);

struct OperatorLoss {
  IntegerOperator kind;
  double loss;  // with this kind alone in integers
};
std::vector<OperatorLoss> operator_losses(const FoldedNetwork& network,
                                          const QuantizedNetwork& quantized, const Batch& batch);

}  // namespace paretoformer::supernet
