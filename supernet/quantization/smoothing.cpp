#include "supernet/quantization/smoothing.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "supernet/quantization/int8_evaluation.hpp"

namespace paretoformer::supernet {
namespace {

void include_in(std::vector<float>& sizes, const std::vector<float>& others) {
  sizes.resize(std::max(sizes.size(), others.size()));
  for (std::size_t i = 0; i < others.size(); ++i) sizes[i] = std::max(sizes[i], others[i]);
}

float scale_between(float divided, float multiplied, double alpha) {
  if (!(divided > 0) || !(multiplied > 0)) return 1;
  return static_cast<float>(std::pow(divided, alpha) / std::pow(multiplied, 1 - alpha));
}

void scale_output(Linear& linear, std::size_t channel, float factor) {
  const auto inputs = static_cast<std::size_t>(linear.inputs);
  float* const row = linear.weight.data() + channel * inputs;
  for (std::size_t i = 0; i < inputs; ++i) row[i] *= factor;
  linear.bias[channel] *= factor;
}

float* input_column(Linear& linear, std::size_t channel) { return linear.weight.data() + channel; }

float largest_of_input(Linear& linear, std::size_t channel) {
  float largest = 0;
  for (int o = 0; o < linear.outputs; ++o)
    largest = std::max(largest, std::abs(input_column(linear, channel)[o * linear.inputs]));
  return largest;
}

void smooth(FoldedLayer& layer, const ChannelSizes& sizes, double alpha) {
  for (std::size_t c = 0; c < sizes.context.size(); ++c) {
    const float values = scale_between(sizes.context[c], largest_of_input(layer.output, c), alpha);
    scale_output(layer.value, c, 1 / values);
    for (int o = 0; o < layer.output.outputs; ++o)
      input_column(layer.output, c)[o * layer.output.inputs] *= values;
    const float scores = scale_between(sizes.query[c], sizes.key[c], alpha);
    scale_output(layer.query, c, 1 / scores);
    scale_output(layer.key, c, scores);
  }
}

}  // namespace

void ChannelSizes::include(const ChannelSizes& other) {
  include_in(query, other.query);
  include_in(key, other.key);
  include_in(context, other.context);
}

FoldedNetwork smoothed(FoldedNetwork network, const std::vector<ChannelSizes>& sizes,
                       double alpha) {
  for (std::size_t l = 0; l < network.layers.size(); ++l)
    smooth(network.layers[l], sizes[l], alpha);
  return network;
}

FoldedNetwork smoothed(const FoldedNetwork& network, const Batch& batch, double alpha) {
  return smoothed(network, channel_sizes(network, batch), alpha);
}

}  // namespace paretoformer::supernet
