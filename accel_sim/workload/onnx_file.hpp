// What an ONNX file says, as far as shapes need it: nodes, constants, inputs. Weights are not read.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace paretoformer::accel_sim {

// A constant. Its numbers are there if they are integers and few, as those of shapes are.
struct OnnxTensor {
  std::string name;
  std::vector<std::int64_t> shape;
  bool is_weight = false;  // floating-point, or of eight bits
  bool has_values = false;
  std::vector<std::int64_t> values;

  bool operator==(const OnnxTensor&) const = default;
};

struct OnnxAttribute {
  std::int64_t integer = 0;
  std::string text;
  std::vector<std::int64_t> integers;
  OnnxTensor tensor;

  bool operator==(const OnnxAttribute&) const = default;
};

struct OnnxNode {
  std::string name, operation, domain;
  std::vector<std::string> inputs, outputs;  // "": not there
  std::map<std::string, OnnxAttribute> attributes;

  bool operator==(const OnnxNode&) const = default;
};

// A size, or the name of one that differs from call to call; neither: nothing is said of it.
struct OnnxDimension {
  std::int64_t size = 0;
  std::string parameter;

  bool operator==(const OnnxDimension&) const = default;
};

struct OnnxInput {
  std::string name;
  std::vector<OnnxDimension> shape;

  bool operator==(const OnnxInput&) const = default;
};

struct OnnxGraph {
  std::string file;             // for messages
  std::vector<OnnxNode> nodes;  // in the order in which they can run
  std::vector<OnnxTensor> constants;
  std::vector<OnnxInput> inputs;  // without those that are constants
  std::vector<std::string> outputs;

  bool operator==(const OnnxGraph&) const = default;
};

// Whether a file's bytes, or its name, are those of an ONNX model. No JSON begins so.
bool is_onnx(std::string_view bytes, std::string_view file);

// Throws InputError when the bytes are no model.
OnnxGraph onnx_graph(std::string_view bytes, const std::string& file);

}  // namespace paretoformer::accel_sim
