#include "accel_sim/closed_form/survey_model.hpp"

#include <algorithm>
#include <cmath>

#include "accel_sim/lowering/tiling.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr int kWideBytes = 4;  // of a result before a non-linear operator

// Bytes that a matmul moves over one level of the memory.
struct MatmulTraffic {
  std::int64_t left = 0;     // bytes of the left operand, read once
  std::int64_t right = 0;    // of the right one
  std::int64_t results = 0;  // with biases

  // Of an m x n result in square tiles of `side`.
  std::int64_t tiled(std::int64_t m, std::int64_t n, std::int64_t side) const {
    return left * ceil_divide(n, side) + right * ceil_divide(m, side) + results;
  }
};

std::int64_t side_of_square(std::int64_t elements) {
  return std::max<std::int64_t>(
      1, static_cast<std::int64_t>(std::sqrt(static_cast<double>(elements))));
}

SurveyEstimate estimate(double compute, std::int64_t dram_bytes, std::int64_t local_bytes,
                        const Hardware& hardware) {
  const double memory = static_cast<double>(dram_bytes) / hardware.dram_bytes_per_cycle +
                        static_cast<double>(local_bytes) / hardware.bus_bytes_per_cycle;
  const Cycles computing(static_cast<std::int64_t>(std::ceil(compute)));
  const Cycles moving(static_cast<std::int64_t>(std::ceil(memory)));
  return {dram_bytes, local_bytes, computing, moving, std::max(computing, moving)};
}

SurveyEstimate estimate_matmul(const Operator& op, const MatmulTraffic& traffic,
                               const Hardware& hardware) {
  const std::int64_t size = hardware.array_size;
  const std::int64_t blocks =
      ceil_divide(op.rows, size) * ceil_divide(op.inner, size) * ceil_divide(op.columns, size);
  const std::int64_t in_l2 = side_of_square(std::int64_t{hardware.l2_kib} * 1024 / 2);
  const std::int64_t in_scratchpad =
      side_of_square(std::int64_t{hardware.scratchpad_kib} * 1024 / 4);
  return estimate(static_cast<double>(blocks * size), traffic.tiled(op.rows, op.columns, in_l2),
                  traffic.tiled(op.rows, op.columns, in_scratchpad), hardware);
}

SurveyEstimate estimate_elementwise(std::int64_t elements, std::int64_t bytes,
                                    const Hardware& hardware) {
  return estimate(static_cast<double>(elements) / hardware.array_size, bytes, bytes, hardware);
}

bool precedes_nonlinear_operator(const TransformerOperator& item) {
  return item.op.activation != Activation::kNone || item.role == "attention.output" ||
         item.role == "ffn.down";
}

SurveyEstimate estimate_of_convolution(const Convolution& convolution, int result_bytes,
                                       const Hardware& hardware) {
  const std::int64_t side = convolution.output_image();
  const std::int64_t results = side * side * convolution.output_channels;
  const int inner = convolution.kernel * convolution.kernel * convolution.input_channels;
  const std::int64_t weights = std::int64_t{inner} * convolution.output_channels;
  const MatmulTraffic traffic{statistics(convolution).bytes - weights - results, weights,
                              result_bytes * results};
  const Operator as_matmul =
      matmul(static_cast<int>(side * side), inner, convolution.output_channels);
  return estimate_matmul(as_matmul, traffic, hardware);
}

// Batch normalisation, and what follows it.
SurveyEstimate estimate_after(const ConvolutionLayer& layer, bool fused, const Hardware& hardware) {
  const std::int64_t side = layer.convolution.output_image();
  const std::int64_t elements = side * side * layer.convolution.output_channels;
  SurveyEstimate sum;
  if (layer.then == AfterConvolution::kResidual)
    sum += estimate_elementwise(elements, 3 * elements, hardware);
  if (fused) return sum;
  sum += estimate_elementwise(elements, (kWideBytes + 1) * elements, hardware);
  if (layer.then != AfterConvolution::kNothing)
    sum += estimate_elementwise(elements, 2 * elements, hardware);
  return sum;
}

}  // namespace

SurveyEstimate& SurveyEstimate::operator+=(const SurveyEstimate& other) {
  dram_bytes = cost_arithmetic::sum(dram_bytes, other.dram_bytes);
  local_bytes = cost_arithmetic::sum(local_bytes, other.local_bytes);
  compute += other.compute;
  memory += other.memory;
  latency += other.latency;
  return *this;
}

SurveyEstimate operator*(const SurveyEstimate& estimate, std::int64_t times) {
  return {cost_arithmetic::product(estimate.dram_bytes, times),
          cost_arithmetic::product(estimate.local_bytes, times), estimate.compute * times,
          estimate.memory * times, estimate.latency * times};
}

SurveyEstimate survey_estimate(const TransformerOperator& item, bool fused,
                               const Hardware& hardware) {
  const Operator& op = item.op;
  const std::int64_t m = op.rows, k = op.inner, n = op.columns, elements = m * n;
  switch (op.kind) {
    case OperatorKind::kMatmul: {
      const int width = precedes_nonlinear_operator(item) && !fused ? kWideBytes : 1;
      const int bias = has_weights(op) ? 1 : 0;
      return estimate_matmul(op, {m * k, k * n, (width + bias) * elements}, hardware);
    }
    case OperatorKind::kSoftmax:
    case OperatorKind::kGelu:
      if (fused) return {};
      return estimate_elementwise(elements, (kWideBytes + 1) * elements, hardware);
    case OperatorKind::kLayerNorm:
      if (fused) return {};
      return estimate_elementwise(elements, (kWideBytes + 1) * elements + 2 * kWideBytes * n,
                                  hardware);
    case OperatorKind::kEmbedding:
      return estimate_elementwise(elements, 2 * elements, hardware);
    case OperatorKind::kResidualAdd:
    case OperatorKind::kRmsNorm:
    case OperatorKind::kSilu:
    case OperatorKind::kRotary:
    case OperatorKind::kArithmetic:
      return estimate_elementwise(elements, statistics(op).bytes, hardware);
  }
  throw Error("the survey's model knows no such kind of operator");
}

SurveyEstimates survey_estimates(const ListedNetwork& network, int length, Mode mode, bool fused,
                                 const Hardware& hardware, int batch) {
  SurveyEstimates sums{};
  const auto add = [&](int position) {
    for (const TransformerOperator& item :
         network.operators({.sequence_length = position, .mode = mode, .batch = batch}))
      sums[static_cast<std::size_t>(class_of(item))] +=
          survey_estimate(item, fused, hardware) * item.repeat;
  };
  add(length);
  // No arithmetic series as in profile(): operands are read a whole number of times.
  if (mode == Mode::kDecode)
    for (int position = 1; position < length; ++position) add(position);
  return sums;
}

SurveyEstimates survey_estimates(const Architecture& architecture, int length, Mode mode,
                                 bool fused, const Hardware& hardware, int batch) {
  return survey_estimates(listed(architecture), length, mode, fused, hardware, batch);
}

SurveyEstimates survey_estimates(const ConvolutionalNetwork& network, bool fused,
                                 const Hardware& hardware) {
  SurveyEstimates sums{};
  SurveyEstimate& other = sums[static_cast<std::size_t>(OperatorClass::kOther)];
  for (const ConvolutionLayer& layer : network.convolutions) {
    sums[static_cast<std::size_t>(OperatorClass::kConvolution)] +=
        estimate_of_convolution(layer.convolution, fused ? 1 : kWideBytes, hardware) * layer.repeat;
    other += estimate_after(layer, fused, hardware) * layer.repeat;
  }
  for (const Pooling& pooling : network.poolings) {
    const auto elements = [&](std::int64_t side) { return side * side * pooling.channels; };
    const std::int64_t moved = elements(pooling.image) + elements(pooling.output_image());
    other += estimate_elementwise(elements(pooling.image), moved, hardware);
  }
  if (network.classifier_inputs > 0)
    other += survey_estimate(
        {"classifier", -1, 1, matmul(1, network.classifier_inputs, network.classifier_outputs)},
        fused, hardware);
  return sums;
}

SurveyEstimate total(const SurveyEstimates& estimates) {
  SurveyEstimate sum;
  for (const SurveyEstimate& each : estimates) sum += each;
  return sum;
}

}  // namespace paretoformer::accel_sim
