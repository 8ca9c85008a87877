#include "supernet/training/cuda/evaluation.hpp"

#include <algorithm>
#include <string>

#include "supernet/training/cuda/gemm.hpp"
#include "supernet/training/cuda/optimiser_kernels.hpp"
#include "supernet/training/cuda/text_kernels.hpp"
#include "support/error.hpp"
#include "support/log.hpp"

namespace paretoformer::supernet::cuda {
namespace {

// Weights rounded at a time: fp32 copies of all would be twice what stays.
constexpr std::size_t kRoundedAtATime = std::size_t{16} << 20;

// The longest sequence of which one fits into so much memory, or 0.
int longest_sequence(const ParameterLayout& layout, int length, Buffers::Keep keep,
                     const Limits& limits, std::size_t free) {
  int fits = 0;
  for (int beyond = length; beyond - fits > 1;) {
    const int middle = (fits + beyond) / 2;
    const bool does = Buffers::bytes(layout, 1, middle, keep, logit_rows(layout, limits)) <= free;
    (does ? fits : beyond) = middle;
  }
  return fits;
}

}  // namespace

int logit_rows(const ParameterLayout& layout, const Limits& limits) {
  const auto row = static_cast<std::size_t>(layout.vocabulary()) * sizeof(Bf16);
  return static_cast<int>(std::clamp<std::size_t>(limits.logits / row, 2, 1 << 20));
}

Buffers fitting_buffers(const ParameterLayout& layout, int sequences, int length,
                        Buffers::Keep keep, const Limits& limits) {
  for (int fewer = sequences;; fewer = (fewer + 1) / 2) {
    try {
      Buffers buffers(layout, fewer, length, keep, logit_rows(layout, limits));
      if (fewer < sequences && keep == Buffers::Keep::all_layers)
        log_notice("the memory of the GPU holds " + std::to_string(fewer) + " of " +
                   std::to_string(sequences) +
                   " sequences at a time: they are worked on one part after the other");
      return buffers;
    } catch (const OutOfDeviceMemory& error) {
      if (fewer > 1) continue;
      const std::size_t free = device().free_memory;
      throw InputError("the memory of the GPU does not hold one sequence of " +
                       std::to_string(length) + " tokens: " + std::to_string(error.bytes()) +
                       " bytes, " + std::to_string(free) +
                       " are free: expected a training.context of at most " +
                       std::to_string(longest_sequence(layout, length, keep, limits, free)));
    }
  }
}

void prepare_products(Stream& stream) {
  constexpr int kSide = 8;
  const DeviceArray<Bf16> factor(kSide * kSide);
  const DeviceArray<float> product(kSide * kSide);
  gemm(stream, kSide, kSide, kSide, plain<Bf16>(factor.data(), kSide),
       plain<Bf16>(factor.data(), kSide), product.data(), kSide);
  stream.synchronize();
}

Evaluation::Evaluation(Stream& stream, const ParameterLayout& layout, int batch, int context,
                       const Limits& limits)
    : stream_(stream),
      layout_(layout),
      buffers_(fitting_buffers(layout, std::max(batch, limits.evaluation_rows / context), context,
                               Buffers::Keep::nothing, limits)) {}

std::vector<std::vector<double>> Evaluation::sequence_losses(const Weights& weights,
                                                             std::span<const Architecture> networks,
                                                             const Batch& batch) {
  if (batch.sequences == 0) return std::vector<std::vector<double>>(networks.size());
  const std::lock_guard<std::mutex> lock(mutex_);
  if (batch.length > buffers_.length)
    throw Error("a sequence is longer than what the evaluation was made for");
  const int at_a_time = buffers_.sequences;
  const int parts = ceil_div(batch.sequences, at_a_time);
  const auto padded = static_cast<std::size_t>(parts) * static_cast<std::size_t>(at_a_time);
  const std::size_t tokens = padded * static_cast<std::size_t>(batch.length);
  host_text_.assign(2 * tokens, 0);
  std::copy_n(batch.tokens, batch.rows(), host_text_.begin());
  std::copy_n(batch.targets, batch.rows(),
              host_text_.begin() + static_cast<std::ptrdiff_t>(tokens));
  if (text_.size() < host_text_.size()) {
    text_ = {};
    text_ = DeviceArray<std::int32_t>(host_text_.size());
  }
  if (sums_.size() < networks.size() * padded) {
    sums_ = {};
    sums_ = DeviceArray<double>(networks.size() * padded);
  }
  copy_to_device(stream_, text_.data(), host_text_.data(), host_text_.size());
  for (std::size_t i = 0; i < networks.size(); ++i)
    for (int part = 0; part < parts; ++part) {
      const std::ptrdiff_t row = std::ptrdiff_t{part} * at_a_time * batch.length;
      losses({stream_, layout_, weights, networks[i], at_a_time, batch.length, text_.data() + row,
              text_.data() + tokens + row, buffers_});
      sequence_sums(stream_, at_a_time, batch.length, buffers_.losses,
                    sums_.data() + i * padded + static_cast<std::size_t>(part * at_a_time));
    }
  std::vector<double> sums(networks.size() * padded);
  copy_to_host(stream_, sums.data(), sums_.data(), sums.size());
  stream_.synchronize();
  std::vector<std::vector<double>> result;
  for (std::size_t i = 0; i < networks.size(); ++i) {
    const auto first = sums.begin() + static_cast<std::ptrdiff_t>(i * padded);
    result.emplace_back(first, first + batch.sequences);
  }
  return result;
}

DeviceWeights::DeviceWeights(Stream& stream, const ParameterLayout& layout,
                             const std::vector<float>& parameters)
    : matrices_(layout.matrix_size()), vectors_(layout.vector_size()) {
  const std::size_t matrices = layout.matrix_size();
  const DeviceArray<float> part(std::min(matrices, kRoundedAtATime));
  for (std::size_t first = 0; first < matrices; first += part.size()) {
    const std::size_t count = std::min(part.size(), matrices - first);
    copy_to_device(stream, part.data(), parameters.data() + first, count);
    round_values(stream, count, part.data(), matrices_.data() + first);
  }
  copy_to_device(stream, vectors_.data(), parameters.data() + matrices, layout.vector_size());
  stream.synchronize();
}

DeviceLosses::DeviceLosses(const ParameterLayout& layout, const std::vector<float>& parameters,
                           int batch, int context, const Limits& limits)
    : weights_(stream_, layout, parameters) {
  prepare_products(stream_);
  evaluation_.emplace(stream_, layout, batch, context, limits);
}

std::vector<std::vector<double>> DeviceLosses::sequence_losses(
    std::span<const Architecture> networks, const Batch& batch) {
  return evaluation_->sequence_losses(weights_.view(), networks, batch);
}

}  // namespace paretoformer::supernet::cuda
