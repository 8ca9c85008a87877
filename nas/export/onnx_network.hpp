// A network as an ONNX graph, in fp32 or int8, for inference engines and for simulators that read
// it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "supernet/model/parameters.hpp"
#include "supernet/quantization/quantized_network.hpp"

namespace paretoformer::nas {

// The bytes of a model in fp32, operator set 17: `tokens` int64 [batch][length] to `logits` float
// [batch][length][vocabulary]; both sizes differ from call to call, up to the layout's context in
// length. Position p of the logits is about token p + 1 and has seen the tokens up to p. Tensors
// have their names in ParameterLayout; matrices lie the other way round, [in][out], but for the
// embeddings. `network` may be a slice. Throws InputError when the file would be too large.
std::string onnx_network(const supernet::ParameterLayout& supernet,
                         const std::vector<float>& parameters, const Architecture& network,
                         std::map<std::string, std::string> metadata);

// The same of a network in int8 (QDQ): int8 matrices, and QuantizeLinear and DequantizeLinear, with
// the scales of its calibration, where its tensors are int8. In between are softmax, GELU and
// LayerNorm in fp32, not the accelerator's integer ones: its losses are near those of
// integer_logits(), not equal to them.
std::string onnx_network(const supernet::QuantizedNetwork& network,
                         std::map<std::string, std::string> metadata);

}  // namespace paretoformer::nas
