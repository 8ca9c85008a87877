// Losses of networks on the device, with weights that are there.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <span>
#include <vector>

#include "search_spaces/architecture.hpp"
#include "supernet/model/network.hpp"
#include "supernet/model/parameters.hpp"
#include "supernet/training/cuda/pass.hpp"

namespace paretoformer::supernet::cuda {

// Of memory; tests have smaller ones.
struct Limits {
  // Bytes of logits at a time. Products of that many rows keep a large device busy.
  std::size_t logits = std::size_t{256} << 20;
  // Rows of a pass that evaluates, where a step has less: small passes are all launches.
  int evaluation_rows = 8192;
};

// Rows whose logits are in memory at a time: two or more, one of them a teacher's.
int logit_rows(const ParameterLayout& layout, const Limits& limits);

// Memory for passes over as many sequences as fit, at most `sequences`: halved until they do.
// Throws InputError where not even one does.
Buffers fitting_buffers(const ParameterLayout& layout, int sequences, int length,
                        Buffers::Keep keep, const Limits& limits);

// May be used from several threads, one after the other.
class Evaluation {
 public:
  // `batch` sequences of `context` tokens are those of a step.
  Evaluation(Stream& stream, const ParameterLayout& layout, int batch, int context,
             const Limits& limits);
  // See SequenceLosses. Every pass is over the same number of sequences, the last one filled up
  // with what is not looked at: products of the same shapes have their sums in the same order,
  // whatever else is in the batch.
  std::vector<std::vector<double>> sequence_losses(const Weights& weights,
                                                   std::span<const Architecture> networks,
                                                   const Batch& batch);

 private:
  Stream& stream_;
  const ParameterLayout& layout_;
  std::mutex mutex_;
  Buffers buffers_;
  std::vector<std::int32_t> host_text_;
  DeviceArray<std::int32_t> text_;
  DeviceArray<double> sums_;
};

// Weights that do not change, rounded.
class DeviceWeights {
 public:
  DeviceWeights(Stream& stream, const ParameterLayout& layout,
                const std::vector<float>& parameters);
  Weights view() const { return {matrices_.data(), vectors_.data(), matrices_.size()}; }

 private:
  DeviceArray<Bf16> matrices_;
  DeviceArray<float> vectors_;
};

// They, and what evaluates networks with them.
class DeviceLosses {
 public:
  DeviceLosses(const ParameterLayout& layout, const std::vector<float>& parameters, int batch,
               int context, const Limits& limits);
  std::vector<std::vector<double>> sequence_losses(std::span<const Architecture> networks,
                                                   const Batch& batch);

 private:
  Stream stream_;
  DeviceWeights weights_;
  std::optional<Evaluation> evaluation_;
};

// The first product of a stream, which takes its memory now.
void prepare_products(Stream& stream);

}  // namespace paretoformer::supernet::cuda
