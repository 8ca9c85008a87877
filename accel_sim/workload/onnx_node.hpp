// A node of an ONNX graph with its inputs, for the rules of onnx_shapes.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "accel_sim/workload/onnx_shapes.hpp"

namespace paretoformer::accel_sim::onnx {

using Numbers = std::vector<std::int64_t>;
using Values = std::vector<OnnxValue>;

// What may be said of it; what does not fit it is an InputError that names the node.
class Node {
 public:
  Node(const OnnxGraph& graph, const OnnxNode& node, const Values& inputs)
      : graph_(graph), node_(node), inputs_(inputs) {}

  const OnnxNode& node() const { return node_; }
  [[noreturn]] void fail(const std::string& message) const {
    accel_sim::fail(graph_, node_, message);
  }
  bool has(std::size_t i) const { return i < inputs_.size() && !node_.inputs[i].empty(); }
  const OnnxValue& in(std::size_t i) const {
    if (!has(i)) fail("has " + std::to_string(inputs_.size()) + " inputs: expected more");
    return inputs_[i];
  }
  const OnnxShape& shape(std::size_t i) const { return in(i).shape; }
  const Numbers& numbers(std::size_t i) const {
    if (!in(i).numbers)
      fail("its input \"" + node_.inputs[i] +
           "\" decides a shape and is not known: expected constants and sizes");
    return *in(i).numbers;
  }
  std::int64_t integer(const char* name, std::int64_t absent) const {
    return integer_of(node_, name, absent);
  }
  // Null when there is none.
  const OnnxAttribute* attribute(const char* name) const {
    const auto found = node_.attributes.find(name);
    return found == node_.attributes.end() ? nullptr : &found->second;
  }
  Numbers integers(const char* name) const {
    return attribute(name) ? attribute(name)->integers : Numbers();
  }
  // Given by an attribute, as in older operator sets, or by an input.
  std::optional<Numbers> integers_or_input(const char* name, std::size_t input) const {
    if (attribute(name)) return integers(name);
    return has(input) ? std::optional(numbers(input)) : std::nullopt;
  }
  // An axis of so many, counted from the end when it is negative.
  std::size_t axis(std::int64_t given, std::size_t rank) const {
    const auto extents = static_cast<std::int64_t>(rank);
    if (given < -extents || given >= extents)
      fail("axis " + std::to_string(given) + " of a tensor with " + std::to_string(rank) + " axes");
    return static_cast<std::size_t>(given < 0 ? given + extents : given);
  }
  void require(bool holds, const char* what) const {
    if (!holds) fail(std::string(what) + " do not fit its operation");
  }

 private:
  const OnnxGraph& graph_;
  const OnnxNode& node_;
  const Values& inputs_;
};

}  // namespace paretoformer::accel_sim::onnx
