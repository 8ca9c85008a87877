// Shapes of what the nodes of an ONNX graph compute.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "accel_sim/workload/onnx_file.hpp"

namespace paretoformer::accel_sim {

using OnnxShape = std::vector<std::int64_t>;

// The product of extents; the largest number when it is too large for 64 bits.
std::int64_t elements_of(OnnxShape::const_iterator begin, OnnxShape::const_iterator end);

struct OnnxValue {
  OnnxShape shape;
  bool is_constant = false;  // known before any input is, but for its size
  // Its numbers, if it is of integers and they are known.
  std::optional<std::vector<std::int64_t>> numbers;

  std::int64_t elements() const { return elements_of(shape.begin(), shape.end()); }
  bool is_scalar() const { return elements() == 1; }
};

// "FILE: node "NAME" (OPERATION): MESSAGE".
[[noreturn]] void fail(const OnnxGraph& graph, const OnnxNode& node, const std::string& message);

// Of `node`'s outputs, from its inputs; one that is not there has no extents. Throws InputError for
// an operation that is not understood, and for shapes that do not fit it.
std::vector<OnnxValue> output_values(const OnnxGraph& graph, const OnnxNode& node,
                                     const std::vector<OnnxValue>& inputs);

std::int64_t integer_of(const OnnxNode& node, const std::string& attribute, std::int64_t absent);

// Of a convolution or a pooling: its kernel.
OnnxShape kernel_of(const OnnxNode& node, const std::vector<OnnxValue>& inputs);

}  // namespace paretoformer::accel_sim
