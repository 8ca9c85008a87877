#include "accel_sim/workload/profile.hpp"

#include <algorithm>

#include "accel_sim/hardware/hardware_cost.hpp"

namespace paretoformer::accel_sim {
namespace {

using Counts = std::array<WorkloadCount, kOperatorClassNames.size()>;

WorkloadCount& at(Counts& counts, OperatorClass operators) {
  return counts[static_cast<std::size_t>(operators)];
}

WorkloadCount operator*(const WorkloadCount& count, std::int64_t times) {
  return {cost_arithmetic::product(count.flops, times),
          cost_arithmetic::product(count.mops, times)};
}

// Whether it can work on a matmul's results on their way out of the accumulator.
bool can_be_fused(OperatorKind kind) {
  return kind == OperatorKind::kSoftmax || kind == OperatorKind::kGelu ||
         kind == OperatorKind::kLayerNorm || kind == OperatorKind::kRmsNorm ||
         kind == OperatorKind::kSilu || kind == OperatorKind::kRotary;
}

WorkloadCount count(const TransformerOperator& item, Mode mode, bool fused) {
  const OperatorStatistics all = statistics(item.op);
  WorkloadCount count{all.flops, all.bytes};
  const std::int64_t rows = item.op.rows, columns = item.op.columns;
  if (item.op.kind == OperatorKind::kLayerNorm) count.mops += 2 * columns;
  if (item.op.kind == OperatorKind::kRmsNorm) count.mops += columns;
  if (item.role == "attention.residual" && mode == Mode::kPrefill) count.mops -= rows * columns;
  if (fused && can_be_fused(item.op.kind)) count.mops = 0;
  return count * item.repeat;
}

Profile to_profile(const Counts& counts, std::optional<int> length) {
  Profile profile{length, {}};
  for (std::size_t i = 0; i < counts.size(); ++i)
    if (counts[i] != WorkloadCount{})
      profile.rows.push_back({static_cast<OperatorClass>(i), counts[i]});
  return profile;
}

Counts counts(const ListedNetwork& network, const Workload& workload, bool fused) {
  Counts counts{};
  for (const TransformerOperator& item : network.operators(workload))
    at(counts, class_of(item)) += count(item, workload.mode, fused);
  return counts;
}

// Every count of one decoded token is an affine function of its position, so that the sum over
// positions is that of an arithmetic series.
Counts counts_of_generation(const ListedNetwork& network, int first, int last, bool fused,
                            int batch) {
  const auto at = [&](int position) {
    return counts(network, {.sequence_length = position, .mode = Mode::kDecode, .batch = batch},
                  fused);
  };
  const Counts begin = at(first);
  Counts sum = at(last);
  for (std::size_t i = 0; i < sum.size(); ++i) {
    sum[i] += begin[i];
    sum[i] = sum[i] * (last - first + 1);
    sum[i] = {sum[i].flops / 2, sum[i].mops / 2};
  }
  return sum;
}

// From the window on, what attends to no more positions takes what it took there.
Counts counts_of_generation(const ListedNetwork& network, int length, bool fused, int batch) {
  const int bend = network.window > 0 ? std::min(network.window, length) : length;
  Counts sum = counts_of_generation(network, 1, bend, fused, batch);
  if (bend < length) {
    const Counts rest = counts_of_generation(network, bend + 1, length, fused, batch);
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += rest[i];
  }
  return sum;
}

// Batch normalisation, and what follows it.
WorkloadCount count_after(const ConvolutionLayer& layer, bool fused) {
  const std::int64_t side = layer.convolution.output_image();
  const std::int64_t elements = side * side * layer.convolution.output_channels;
  WorkloadCount count;
  if (!fused) count += {2 * elements, 2 * elements};
  if (layer.then == AfterConvolution::kResidual) count += {elements, 3 * elements};
  if (layer.then != AfterConvolution::kNothing) count += {elements, fused ? 0 : 2 * elements};
  return count * layer.repeat;
}

WorkloadCount count(const Pooling& pooling) {
  const auto squared = [&](std::int64_t side) { return side * side * pooling.channels; };
  const std::int64_t outputs = squared(pooling.output_image());
  return {cost_arithmetic::product(outputs, std::int64_t{pooling.kernel} * pooling.kernel),
          squared(pooling.image) + outputs};
}

}  // namespace

std::string_view name_of(OperatorClass operators) {
  return kOperatorClassNames[static_cast<std::size_t>(operators)];
}

OperatorClass class_of(const TransformerOperator& item) {
  const std::string_view role = item.role;
  if (role == "convolution") return OperatorClass::kConvolution;
  if (role == "attention.qkv" || role == "attention.output") return OperatorClass::kProjections;
  if (role == "attention.scores" || role == "attention.context") return OperatorClass::kActToAct;
  if (role == "ffn.gate" || role == "ffn.up" || role == "ffn.down") return OperatorClass::kFfn;
  if (role == "embedding" || role == "embedding.projection" || role == "head.projection" ||
      role == "language_model_head")
    return OperatorClass::kLanguageModelHead;
  return OperatorClass::kOther;
}

double WorkloadCount::intensity() const {
  return mops > 0 ? static_cast<double>(flops) / static_cast<double>(mops) : 0;
}

WorkloadCount& WorkloadCount::operator+=(const WorkloadCount& other) {
  flops = cost_arithmetic::sum(flops, other.flops);
  mops = cost_arithmetic::sum(mops, other.mops);
  return *this;
}

WorkloadCount Profile::total() const {
  WorkloadCount sum;
  for (const Row& row : rows) sum += row.count;
  return sum;
}

WorkloadCount Profile::of(OperatorClass operators) const {
  for (const Row& row : rows)
    if (row.operators == operators) return row.count;
  return {};
}

Profile profile(const Architecture& architecture, int length, Mode mode, bool fused, int batch) {
  return profile(listed(architecture), length, mode, fused, batch);
}

Profile profile(const ListedNetwork& network, int length, Mode mode, bool fused, int batch) {
  const Counts sum = mode == Mode::kDecode
                         ? counts_of_generation(network, length, fused, batch)
                         : counts(network, {.sequence_length = length, .batch = batch}, fused);
  return to_profile(sum, network.has_length ? std::optional(length) : std::nullopt);
}

Profile profile(const ConvolutionalNetwork& network, bool fused) {
  Counts counts{};
  for (const ConvolutionLayer& layer : network.convolutions) {
    const OperatorStatistics each = statistics(layer.convolution);
    at(counts, OperatorClass::kConvolution) += WorkloadCount{each.flops, each.bytes} * layer.repeat;
    at(counts, OperatorClass::kOther) += count_after(layer, fused);
  }
  for (const Pooling& pooling : network.poolings)
    at(counts, OperatorClass::kOther) += count(pooling);
  const std::int64_t inputs = network.classifier_inputs, outputs = network.classifier_outputs;
  at(counts, OperatorClass::kOther) +=
      WorkloadCount{2 * inputs * outputs, inputs + inputs * outputs + outputs};
  return to_profile(counts, std::nullopt);
}

}  // namespace paretoformer::accel_sim
