#include "accel_sim/workload/convolution.hpp"

#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::accel_sim {
namespace {

// 2 * 31^2 * 2^14 * 2^14 * 2^24 fits 63 bits: so do the statistics of one convolution.
constexpr int kLargestImage = 1 << 12;
constexpr int kMostChannels = 1 << 14;
constexpr int kLargestKernel = 31;
constexpr int kMostRepeats = 1024;

int read(const JsonObject& object, const char* key, int highest) {
  return static_cast<int>(object.integer(key, 1, highest));
}

constexpr Words<AfterConvolution, 3> kThenWords{{{AfterConvolution::kNothing, "nothing"},
                                                 {AfterConvolution::kRelu, "relu"},
                                                 {AfterConvolution::kResidual, "residual"}}};

int read_or_one(const JsonObject& object, const char* key, int highest) {
  return static_cast<int>(object.integer(key, 1, highest, 1));
}

ConvolutionLayer convolution_from_json(const JsonNode& node) {
  const JsonObject object(node);
  ConvolutionLayer layer;
  layer.convolution = {
      read(object, "image", kLargestImage), read(object, "input_channels", kMostChannels),
      read(object, "output_channels", kMostChannels), read(object, "kernel", kLargestKernel),
      read_or_one(object, "stride", kLargestImage)};
  layer.repeat = read_or_one(object, "repeat", kMostRepeats);
  layer.then = kThenWords.read(object, "then", AfterConvolution::kNothing);
  object.finish();
  return layer;
}

Pooling pooling_from_json(const JsonNode& node) {
  const JsonObject object(node);
  const Pooling pooling{
      read(object, "image", kLargestImage), read(object, "channels", kMostChannels),
      read(object, "kernel", kLargestImage), read_or_one(object, "stride", kLargestImage)};
  object.finish();
  return pooling;
}

}  // namespace

OperatorStatistics statistics(const Convolution& convolution) {
  const auto square = [](std::int64_t side) { return side * side; };
  const std::int64_t positions = square(convolution.output_image());
  const std::int64_t weights =
      square(convolution.kernel) * convolution.input_channels * convolution.output_channels;
  // A 1x1 kernel with stride 2 covers a quarter of its input.
  const std::int64_t covered = convolution.kernel >= convolution.stride
                                   ? square(convolution.image)
                                   : positions * square(convolution.kernel);
  const std::int64_t macs = positions * weights;
  return {macs, 2 * macs,
          covered * convolution.input_channels + weights + positions * convolution.output_channels};
}

std::int64_t parameter_count(const ConvolutionalNetwork& network) {
  std::int64_t sum = (std::int64_t{network.classifier_inputs} + 1) * network.classifier_outputs;
  for (const ConvolutionLayer& layer : network.convolutions) {
    const Convolution& each = layer.convolution;
    const std::int64_t inputs = std::int64_t{each.kernel} * each.kernel * each.input_channels;
    sum += layer.repeat * (inputs + 2) * each.output_channels;
  }
  return sum;
}

ConvolutionalNetwork convolutional_network_from_json(const JsonNode& node) {
  const JsonObject object(node);
  ConvolutionalNetwork network;
  const JsonNode convolutions = object.at("convolutions");
  for (const JsonNode& element : convolutions.elements())
    network.convolutions.push_back(convolution_from_json(element));
  if (network.convolutions.empty()) convolutions.fail("is empty: expected one convolution or more");
  if (object.has("poolings"))
    for (const JsonNode& element : object.at("poolings").elements())
      network.poolings.push_back(pooling_from_json(element));
  if (object.has("classifier")) {
    const JsonObject classifier(object.at("classifier"));
    network.classifier_inputs = read(classifier, "inputs", 1 << 20);
    network.classifier_outputs = read(classifier, "outputs", 1 << 20);
    classifier.finish();
  }
  object.finish();
  return network;
}

}  // namespace paretoformer::accel_sim
