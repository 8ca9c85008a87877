// A network as a GGUF file of the architecture gpt2, for llama.cpp and what is built on it.
#pragma once

#include <string>
#include <vector>

#include "supernet/model/parameters.hpp"
#include "supernet/text/tokenizer.hpp"

namespace paretoformer::nas {

// The file's bytes: fp32 weights and the tokenizer. In that architecture all layers have as many
// heads, model width / head width, and as many FFN channels: what a layer has fewer is filled with
// zeros, which add nothing to the network's result. `network` may be a slice. Throws InputError,
// naming the layer, where it has more heads than that, and where the model width is no multiple of
// the head width. A vocabulary of bytes needs no tokenizer, and the file has none.
std::string gguf_network(const supernet::ParameterLayout& supernet,
                         const std::vector<float>& parameters, const Architecture& network,
                         const supernet::Tokenizer& tokenizer, const std::string& name);

}  // namespace paretoformer::nas
