// Well-known networks whose workload is analysed, by name, and those of files.
#pragma once

#include <string>
#include <variant>
#include <vector>

#include "accel_sim/workload/convolution.hpp"
#include "accel_sim/workload/listed_network.hpp"
#include "accel_sim/workload/operators.hpp"
#include "search_spaces/architecture.hpp"

namespace paretoformer::accel_sim {

struct Model {
  std::variant<Architecture, ConvolutionalNetwork, ListedNetwork> network;
  Mode mode = Mode::kPrefill;  // how it is used: a GPT generates
};

// Layers and, with a vocabulary, embedding and head.
ListedNetwork listed(const Architecture& architecture);

// Names of the presets in accel_sim/workload/networks/*.json, which are part of the library.
std::vector<std::string> model_presets();

// A preset by its name, else the file of that path: an architecture, an object that holds one as
// "architecture" (with "mode": "prefill" or "decode", if it says so), a convolutional network, a
// config.json of Hugging Face's, or an ONNX model. Throws InputError when it is none of them.
Model find_model(const std::string& name_or_path);

}  // namespace paretoformer::accel_sim
