// Convolutional networks as lists of convolutions: what Transformers are compared with.
#pragma once

#include <vector>

#include "accel_sim/workload/operators.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::accel_sim {

// A square kernel over a square image, padded so that the output's side is image / stride, rounded
// up. As a matmul (im2col): output positions x kernel^2 input channels x output channels.
struct Convolution {
  int image = 0;  // side of the input, in pixels
  int input_channels = 0;
  int output_channels = 0;
  int kernel = 1;
  int stride = 1;

  int output_image() const { return (image + stride - 1) / stride; }
};

// FLOPs are 2 m n k of that matmul. Bytes are those of the convolution itself: every int8 weight
// and result once, and every input that some kernel covers (im2col's copies stay on chip).
OperatorStatistics statistics(const Convolution& convolution);

// What follows a convolution and its batch normalisation.
enum class AfterConvolution {
  kNothing,
  kRelu,
  kResidual,  // the sum with the block's input or shortcut, then ReLU
};

struct ConvolutionLayer {
  Convolution convolution;
  AfterConvolution then = AfterConvolution::kNothing;
  int repeat = 1;
};

// Maximum or mean over squares of an image.
struct Pooling {
  int image = 0;
  int channels = 0;
  int kernel = 1;
  int stride = 1;

  int output_image() const { return (image + stride - 1) / stride; }
};

struct ConvolutionalNetwork {
  std::vector<ConvolutionLayer> convolutions;
  std::vector<Pooling> poolings;
  int classifier_inputs = 0;  // of one fully connected layer
  int classifier_outputs = 0;
};

// Trainable parameters: convolutions have no biases, their batch normalisations a scale and a shift
// for each channel.
std::int64_t parameter_count(const ConvolutionalNetwork& network);

// Reads {"convolutions": [{"image", "input_channels", "output_channels", "kernel", "stride",
// "then": "relu", "residual" or "nothing", "repeat"}, ...], "poolings": [{"image", "channels",
// "kernel", "stride"}, ...], "classifier": {"inputs", "outputs"}}; stride and repeat are 1 if
// absent. Throws InputError.
ConvolutionalNetwork convolutional_network_from_json(const JsonNode& node);

}  // namespace paretoformer::accel_sim
