// Losses of networks in int8 on the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "supernet/training/cuda/evaluation.hpp"
#include "supernet/training/cuda/site_kernels.hpp"

namespace paretoformer::supernet::cuda {

// Of slices of one set of weights, which must outlive it. May be used from several threads, one
// after the other on the device. Memory is planned once: for as many sequences of `context` tokens
// as fit.
class IntegerEvaluation {
 public:
  // Throws InputError where the device's memory does not hold one sequence.
  IntegerEvaluation(const ParameterLayout& layout, const std::vector<float>& parameters,
                    int context, const Limits& limits);

  // The loss of the slice, quantised with the scales that its activations have on `calibration`.
  double loss(const Architecture& network, const Batch& calibration, const Batch& batch);

  // What activations are in a bf16 pass: they differ from those of supernet::observe(), and the
  // scales that follow, by about the rounding to bf16.
  Sites<Distribution> observe(const Architecture& network, const Batch& batch);
  // See supernet::integer_loss(): the same int32 logits, of whose losses sums are rounded in
  // another order.
  double loss(const QuantizedNetwork& network, const Batch& batch);

 private:
  // Of integer passes over so many rows.
  struct Buffers {
    Buffers() = default;
    Buffers(const ParameterLayout& layout, int rows, std::size_t logits);

    DeviceArray<std::int8_t> x, norm, wide;               // [rows][model width], FFN channels
    DeviceArray<std::int8_t> query, key, value, context;  // [rows][all heads]
    DeviceArray<std::int32_t> sums;                       // [logit_rows][vocabulary]
    DeviceArray<std::int32_t> text;                       // [rows] tokens, then targets
    DeviceArray<float> losses;                            // [rows]
    int rows = 0, logit_rows = 0;
  };
  struct OnDevice;  // the network
  void pass(const OnDevice& network, int rows, int length);

  const ParameterLayout& layout_;
  const std::vector<float>& parameters_;
  const Limits limits_;
  std::mutex mutex_;
  Stream stream_;
  DeviceWeights weights_;
  // Of the passes that are observed, which keep all activations.
  std::optional<cuda::Buffers> observed_;
  DeviceArray<std::int32_t> observed_text_;
  DeviceArray<SiteCounts> counts_;  // by site
  DeviceArray<unsigned> partial_;
  Buffers buffers_;
  DeviceArray<unsigned char> network_;
};

}  // namespace paretoformer::supernet::cuda
