#include "supernet/quantization/int8_evaluation.hpp"

#include <oneapi/tbb/enumerable_thread_specific.h>

#include <algorithm>
#include <cstddef>
#include <span>

#include "supernet/kernels/kernels.hpp"
#include "supernet/quantization/integer_kernel_sets.hpp"
#include "support/parallel.hpp"

namespace paretoformer::supernet {
namespace {

// The tokens of one row task.
struct Part {
  Part(const Batch& batch, std::size_t task)
      : first(task * static_cast<std::size_t>(sequences_per_task(batch) * batch.length)),
        tokens(batch.tokens + first,
               std::min(static_cast<std::size_t>(sequences_per_task(batch) * batch.length),
                        static_cast<std::size_t>(batch.rows()) - first)),
        targets(batch.targets + first) {}

  std::size_t first;
  std::span<const std::int32_t> tokens;
  const std::int32_t* targets;
};

// Sums of parts in their order, so that threads do not show.
template <class Loss>
double mean_loss(const Batch& batch, const Loss& loss) {
  std::vector<double> sums(static_cast<std::size_t>(row_tasks(batch)));
  parallel_tasks(sums.size(), [&](std::size_t task) { sums[task] = loss(Part(batch, task)); });
  double sum = 0;
  for (const double each : sums) sum += each;
  return sum / batch.rows();
}

// The passes of all row tasks, for what they note down.
template <class MakePass>
void look(const Batch& batch, const MakePass& make_pass) {
  parallel_tasks(static_cast<std::size_t>(row_tasks(batch)), [&](std::size_t task) {
    std::vector<float> no_logits;
    mixed_logits(make_pass(task), Part(batch, task).tokens, batch.length, no_logits);
  });
}

// What one thread works with.
struct IntegerMemory {
  IntegerMemory(const QuantizedNetwork& network, int rows)
      : activations(network, rows),
        sums(area(rows, network.head.outputs)),
        logits(static_cast<std::size_t>(network.head.outputs)) {}

  IntegerActivations activations;
  std::vector<std::int32_t> sums;  // [rows][vocabulary]
  std::vector<float> logits;       // of one row
};

}  // namespace

Sites<Distribution> observe(const FoldedNetwork& network, const Batch& batch) {
  tbb::enumerable_thread_specific<Sites<Distribution>> seen(
      [&] { return Sites<Distribution>(network.layers.size()); });
  look(batch, [&](std::size_t) { return MixedPass{.network = network, .seen = &seen.local()}; });
  Sites<Distribution> all(network.layers.size());  // counts: in any order
  for (Sites<Distribution>& each : seen) {
    const std::vector<Distribution*> from = each.all();
    const std::vector<Distribution*> to = all.all();
    for (std::size_t i = 0; i < to.size(); ++i) to[i]->add(*from[i]);
  }
  return all;
}

std::vector<ChannelSizes> channel_sizes(const FoldedNetwork& network, const Batch& batch) {
  tbb::enumerable_thread_specific<std::vector<ChannelSizes>> seen(
      [&] { return std::vector<ChannelSizes>(network.layers.size()); });
  look(batch,
       [&](std::size_t) { return MixedPass{.network = network, .channels = &seen.local()}; });
  std::vector<ChannelSizes> all(network.layers.size());  // the largest: in any order
  for (const std::vector<ChannelSizes>& each : seen)
    for (std::size_t l = 0; l < all.size(); ++l) all[l].include(each[l]);
  return all;
}

std::vector<LayerMoments> moments_of(const FoldedNetwork& network, const Batch& batch) {
  std::vector<LayerMoments> all(network.layers.size());
  if (!has_int4(network.network)) return all;
  std::vector<std::vector<LayerMoments>> parts(static_cast<std::size_t>(row_tasks(batch)));
  look(batch, [&](std::size_t task) {
    parts[task].resize(all.size());
    return MixedPass{.network = network, .moments = &parts[task]};
  });
  for (const std::vector<LayerMoments>& part : parts)  // in their order
    for (std::size_t l = 0; l < all.size(); ++l) all[l].add(part[l]);
  return all;
}

Sites<float> scales_of(const Sites<Distribution>& seen, Calibration method) {
  Sites<Distribution> copy = seen;
  Sites<float> scales(seen.layers.size());
  const std::vector<Distribution*> from = copy.all();
  const std::vector<float*> to = scales.all();
  parallel_tasks(to.size(), [&](std::size_t i) { *to[i] = from[i]->scale(method); });
  return scales;
}

QuantizedNetwork calibrated(const FoldedNetwork& network, const Batch& calibration,
                            const QuantizationConfig& config) {
  const Sites<float> scales = scales_of(observe(network, calibration), config.activations);
  return quantize(network, scales, config.weights, config.norm_reads,
                  moments_of(network, calibration));
}

double integer_loss(const QuantizedNetwork& network, const Batch& batch) {
  const int rows = sequences_per_task(batch) * batch.length;
  const int vocabulary = network.head.outputs;
  tbb::enumerable_thread_specific<IntegerMemory> memory(
      [&] { return IntegerMemory(network, rows); });
  return mean_loss(batch, [&](const Part& part) {
    IntegerMemory& own = memory.local();
    integer_logits(network, part.tokens, batch.length, own.activations, own.sums.data());
    double loss = 0;
    for (std::size_t row = 0; row < part.tokens.size(); ++row) {
      integer_kernels().to_float(own.logits.size(), own.sums.data() + row * own.logits.size(),
                                 network.logit_scale, own.logits.data());
      loss += cross_entropy_loss(1, vocabulary, own.logits.data(), part.targets + row);
    }
    return loss;
  });
}

double mixed_loss(const MixedPass& pass, const Batch& batch) {
  return mean_loss(batch, [&](const Part& part) {
    std::vector<float> logits;
    mixed_logits(pass, part.tokens, batch.length, logits);
    return cross_entropy_loss(static_cast<int>(part.tokens.size()), pass.network.head.outputs,
                              logits.data(), part.targets);
  });
}

std::vector<OperatorLoss> operator_losses(const FoldedNetwork& network,
                                          const QuantizedNetwork& quantized, const Batch& batch) {
  std::vector<OperatorLoss> losses;
  for (const IntegerOperator kind : kIntegerOperatorWords.values())
    losses.push_back({kind, mixed_loss({network, &quantized, OperatorSet::only(kind)}, batch)});
  return losses;
}

}  // namespace paretoformer::supernet
