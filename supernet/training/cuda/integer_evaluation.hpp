// Losses of networks in int8 on the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>

#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/quantization/quantized_network.hpp"
#include "supernet/training/cuda/evaluation.hpp"

namespace paretoformer::supernet::cuda {

// Of networks that are sub-networks of `layout`. May be used from several threads, one after the
// other. Memory is planned once: for as many sequences of `context` tokens as fit.
class IntegerEvaluation {
 public:
  // Throws InputError where the device's memory does not hold one sequence.
  IntegerEvaluation(const ParameterLayout& layout, int context, const Limits& limits);

  // See supernet::integer_loss(): the same int32 logits, of whose losses sums are rounded
  // otherwise.
  double loss(const QuantizedNetwork& network, const Batch& batch);

 private:
  // Of so many rows.
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

  std::mutex mutex_;
  Stream stream_;
  Buffers buffers_;
  DeviceArray<unsigned char> network_;
};

}  // namespace paretoformer::supernet::cuda
