#include "supernet/quantization/quantized_network.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "supernet/quantization/overflow.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

constexpr IntegerRange kInt8{-128, 127};
constexpr int kMostNormReads = 256;
constexpr float kProbability = 1.0F / 127;  // the scale of probabilities

std::string layer_name(std::size_t layer) { return "layer " + std::to_string(layer) + ", "; }

void require_scale(float scale, const std::string& name) {
  if (!(scale > 0) || !std::isnormal(scale))
    throw InputError(name + ": its scale is " + std::to_string(scale) +
                     ", expected a positive number");
}

float scale_of(const std::vector<float>& values, Calibration method, const std::string& name) {
  Distribution distribution;
  distribution.add(values);
  const float scale = distribution.scale(method);
  require_scale(scale, name);
  return scale;
}

// How matrices become integers: of four bits where there are moments of what they multiply, which
// may be empty.
struct WeightMethod {
  Calibration scale;
  const SecondMoments* int4 = nullptr;
};

// Without `scale`, which depends on where its result goes.
IntegerLinear quantize_linear(const Linear& linear, float input_scale, WeightMethod method,
                              const std::string& name) {
  IntegerLinear result{linear.outputs, linear.inputs, {}, {}, 0, 0};
  if (method.int4) {
    Int4Weights int4 = to_int4(linear, *method.int4);
    require_scale(int4.scale, name + " weight");
    result.weight_scale = int4.scale;
    result.weight = std::move(int4.weight);
    result.multipliers = std::move(int4.multipliers);
  } else {
    result.weight_scale = scale_of(linear.weight, method.scale, name + " weight");
    result.weight = quantized(linear.weight, result.weight_scale);
  }
  const double step = double{input_scale} * result.weight_scale;
  for (const float bias : linear.bias) {
    const double value = std::nearbyint(bias / step);
    if (!(std::abs(value) < 0x1p31))
      throw InputError(name + " bias: " + std::to_string(bias) + " in steps of " +
                       std::to_string(step) + " does not fit 32 bits");
    result.bias.push_back(static_cast<std::int32_t>(value));
  }
  return result;
}

IntegerLinear quantize_linear(const Linear& linear, float input_scale, float output_scale,
                              WeightMethod method, const std::string& name) {
  IntegerLinear result = quantize_linear(linear, input_scale, method, name);
  result.scale = input_scale * result.weight_scale / output_scale;
  return result;
}

// The scale of what is added to x, so that it leaves its product in the step of the addition, and
// that of the sum, which cannot be finer than that step.
ResidualScales plan_addition(float x, float& added, float& sum) {
  added = std::max(x, added);
  sum = std::max(sum, added);
  return {x / added, 1, added / sum};
}

// Of scores of int8 q and k with and without a mask, which hold below 2^28.
IntegerRange score_range(int head_width) {
  constexpr int kMost = (1 << 28) / (128 * 128) - 1;
  if (head_width > kMost)
    throw InputError("heads of width " + std::to_string(head_width) + ": in int8 at most " +
                     std::to_string(kMost));
  const std::int32_t most = 128 * 128 * head_width;
  return {kMasked - most, most};
}

bool softmax_is_safe(float scale, int head_width, int columns) {
  constexpr float kSmallest = 3e-5F;  // smaller ones may have constants beyond 32 bits
  return scale >= kSmallest &&
         softmax_is_safe(score_range(head_width), exp_constants(scale), columns);
}

void coarsen_scores(float& query, float& key, int head_width, int columns,
                    const std::string& name) {
  constexpr float kStep = 1.005F;
  constexpr float kLargest = 0.69F;  // ln 2 is a whole number of steps, at least one
  for (;; query *= kStep, key *= kStep) {
    const float scale = score_scale(query, key, head_width);
    if (!(scale <= kLargest))
      throw InputError(name + "softmax: scores have steps of " + std::to_string(scale) +
                       ", expected at most " + std::to_string(kLargest) +
                       " and fine enough for rows of " + std::to_string(columns) + " columns");
    if (softmax_is_safe(scale, head_width, columns)) return;
  }
}

// The next coarser step for which i-GELU's constant b, truncated, is exact.
float coarsen_gelu(float scale) {
  const double knee = 1.769 * std::sqrt(2.0);
  const double steps = std::floor(knee / scale);
  if (steps < 1) return scale;
  auto whole = static_cast<float>(knee / steps);
  while (whole > scale && gelu_constants(whole).b > -steps) whole = std::nextafter(whole, 0.0F);
  return std::max(whole, scale);
}

void coarsen_until_safe(float& scale) {
  constexpr float kSmallest = 1e-4F;  // smaller ones may have constants beyond 32 bits
  scale = std::max(scale, kSmallest);
  while (!gelu_is_safe(kInt8, gelu_constants(scale))) scale *= 1.01F;
  scale = coarsen_gelu(scale);
}

// `input` is the scale of the residual stream before the layer; `moments` are for weights of four
// bits.
IntegerLayer quantize_layer(const FoldedLayer& layer, int head_width, int context, float input,
                            LayerSites<float>& s, Calibration method, const LayerMoments* moments,
                            const std::string& name) {
  coarsen_scores(s.query, s.key, head_width, context, name);
  coarsen_until_safe(s.up);
  IntegerLayer result;
  result.heads = layer.heads;
  result.norm1 = 1 / s.norm1;
  result.norm2 = 1 / s.norm2;
  result.attention_add = plan_addition(input, s.attention, s.middle);
  result.ffn_add = plan_addition(s.middle, s.ffn, s.output);
  const auto by = [&](SecondMoments LayerMoments::*inputs) -> WeightMethod {
    return {method, moments ? &(moments->*inputs) : nullptr};
  };
  result.query =
      quantize_linear(layer.query, s.norm1, s.query, by(&LayerMoments::norm1), name + "query");
  result.key = quantize_linear(layer.key, s.norm1, s.key, by(&LayerMoments::norm1), name + "key");
  result.value =
      quantize_linear(layer.value, s.norm1, s.value, by(&LayerMoments::norm1), name + "value");
  result.softmax = exp_constants(score_scale(s.query, s.key, head_width));
  result.context = kProbability * s.value / s.context;
  result.output = quantize_linear(layer.output, s.context, s.attention, by(&LayerMoments::context),
                                  name + "output");
  result.up = quantize_linear(layer.up, s.norm2, s.up, by(&LayerMoments::norm2), name + "up");
  result.gelu = gelu_constants(s.up);
  result.gelu_scale = static_cast<float>(-0.2888 / 4 * s.up * s.up * s.up / s.gelu);
  result.down = quantize_linear(layer.down, s.gelu, s.ffn, by(&LayerMoments::gelu), name + "down");
  return result;
}

void require_finite(float scale, const std::string& name) {
  if (!std::isfinite(scale))
    throw InputError(name + ": its output scale is " + std::to_string(scale) +
                     ", expected a finite number");
}

void require_safe(const IntegerLinear& linear, const std::string& name) {
  require_finite(linear.scale, name);
  std::int64_t largest = 0;
  for (const std::int32_t bias : linear.bias)
    largest = std::max(largest, std::abs(std::int64_t{bias}));
  if (largest + std::int64_t{linear.inputs} * 128 * 128 >= std::int64_t{1} << 31)
    throw InputError(name + ": sums of " + std::to_string(linear.inputs) +
                     " products and a bias of " + std::to_string(largest) + " may not fit 32 bits");
}

void require_safe_layer(const IntegerLayer& layer, int head_width, int context,
                        const std::string& name) {
  require_safe(layer.query, name + "query");
  require_safe(layer.key, name + "key");
  require_safe(layer.value, name + "value");
  require_safe(layer.output, name + "output");
  require_safe(layer.up, name + "up");
  require_safe(layer.down, name + "down");
  require_finite(layer.context, name + "context");
  require_finite(layer.gelu_scale, name + "gelu");
  if (!softmax_is_safe(score_range(head_width), layer.softmax, context))
    throw InputError(name + "softmax: sums of " + std::to_string(context) +
                     " exponentials may not fit 32 bits: the scales of query and key are too fine");
  if (!gelu_is_safe(kInt8, layer.gelu))
    throw InputError(name + "gelu: products may not fit 32 bits: the scale of up is too fine");
}

}  // namespace

float score_scale(float query, float key, int head_width) {
  return query * key / std::sqrt(static_cast<float>(head_width));
}

QuantizedNetwork quantize(const FoldedNetwork& network, const Sites<float>& scales,
                          Calibration weights, int norm_reads,
                          const std::vector<LayerMoments>& moments) {
  const LayerMoments none;
  QuantizedNetwork result;
  result.network = network.network;
  result.context = network.context;
  result.norm_reads = norm_reads;
  result.scales = scales;
  Sites<float>& s = result.scales;
  s.tokens = scale_of(network.tokens, weights, "token embedding");
  s.positions = scale_of(network.positions, weights, "position embedding");
  const std::vector<float*> all = s.all();
  for (std::size_t i = 0; i < all.size(); ++i)
    require_scale(*all[i], i + 1 < all.size() ? site_name(i) : "final norm");
  // Both in the step in which they are added: finer ones would be rounded to it on the way in.
  s.tokens = s.positions = std::max(s.tokens, s.positions);
  result.embedding = plan_addition(s.tokens, s.positions, s.input);
  result.tokens = quantized(network.tokens, s.tokens);
  result.positions = quantized(network.positions, s.positions);
  float input = s.input;
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const LayerMoments& known = l < moments.size() ? moments[l] : none;
    result.layers.push_back(quantize_layer(
        network.layers[l], network.network.head_width, network.context, input, s.layers[l], weights,
        network.network.layers[l].weight_bits == 4 ? &known : nullptr, layer_name(l)));
    input = s.layers[l].output;
  }
  result.norm = 1 / s.norm;
  result.head = quantize_linear(network.head, s.norm, {weights}, "head");
  result.logit_scale = s.norm * result.head.weight_scale;
  require_safe(result);
  return result;
}

void require_safe(const QuantizedNetwork& network) {
  const int d = network.network.model_width;
  const int reads = network.norm_reads;
  if (reads < 1 || reads > kMostNormReads ||
      !layer_norm_is_safe({reads * kInt8.lowest, reads * kInt8.highest}, d))
    throw InputError("LayerNorm of rows of " + std::to_string(d) + " columns that are read " +
                     std::to_string(reads) + " times: its squares may not fit 32 bits");
  for (std::size_t l = 0; l < network.layers.size(); ++l)
    require_safe_layer(network.layers[l], network.network.head_width, network.context,
                       layer_name(l));
  require_safe(network.head, "head");
}

}  // namespace paretoformer::supernet
