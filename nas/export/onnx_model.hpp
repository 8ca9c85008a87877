// Builds an ONNX model: the messages of onnx.proto3 (ONNX 1.12), as far as a network needs them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace paretoformer::nas {

class OnnxModel {
 public:
  using Shape = std::vector<std::int64_t>;
  using Names = std::vector<std::string>;
  using Attribute = std::pair<std::string_view, std::variant<std::int64_t, float, Shape>>;
  // A dimension by its size, or by the name of one that differs from call to call.
  using Dimension = std::variant<std::int64_t, std::string>;
  enum class Type { float32 = 1, int8 = 3, int32 = 6, int64 = 7 };  // TensorProto.DataType

  // Constants. Those of rank 0 have an empty shape. They return `name`, as what follows does.
  std::string constant(const std::string& name, const Shape& shape, std::span<const float> values);
  std::string constant(const std::string& name, const Shape& shape, const Shape& values);
  std::string constant(const std::string& name, const Shape& shape,
                       std::span<const std::int8_t> values);
  std::string constant(const std::string& name, const Shape& shape,
                       std::span<const std::int32_t> values);

  // A node of operator set 17, named like its first output.
  std::string node(std::string_view operation, const Names& inputs, const std::string& output,
                   std::initializer_list<Attribute> attributes = {}) {
    add_node(operation, inputs, {output}, attributes);
    return output;
  }
  void add_node(std::string_view operation, const Names& inputs, const Names& outputs,
                std::initializer_list<Attribute> attributes = {});

  std::string input(const std::string& name, Type type, const std::vector<Dimension>& shape);
  void output(const std::string& name, Type type, const std::vector<Dimension>& shape);
  // What is known of a tensor that is neither.
  void value(const std::string& name, Type type, const std::vector<Dimension>& shape);

  // The file's bytes. Throws InputError at 2 GiB, more than which protobuf does not read.
  std::string bytes(std::string_view graph_name,
                    const std::map<std::string, std::string>& metadata) const;

 private:
  std::string add_constant(const std::string& name, const Shape& shape, Type type,
                           std::span<const std::byte> values);

  std::string nodes_, constants_, inputs_, outputs_, values_;  // fields of a GraphProto
};

}  // namespace paretoformer::nas
