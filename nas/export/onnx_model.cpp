#include "nas/export/onnx_model.hpp"

#include <fmt/format.h>

#include <bit>
#include <limits>

#include "accel_sim/workload/onnx_fields.hpp"
#include "support/bytes.hpp"
#include "support/error.hpp"

namespace paretoformer::nas {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is in little-endian order");

constexpr std::int64_t kIrVersion = 8;     // of ONNX 1.12
constexpr std::int64_t kOperatorSet = 17;  // the first with LayerNormalization

namespace onnx = accel_sim::onnx;

using onnx::WireType;

void append_varint(std::string& to, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) to.push_back(static_cast<char>(value | 0x80));
  to.push_back(static_cast<char>(value));
}
void append_tag(std::string& to, int field, WireType type) {
  append_varint(to, static_cast<std::uint64_t>(field) << 3 | type);
}
void append(std::string& to, int field, std::int64_t value) {
  append_tag(to, field, WireType::kVarint);
  append_varint(to, static_cast<std::uint64_t>(value));
}
void append(std::string& to, int field, float value) {
  append_tag(to, field, WireType::kFixed32);
  append_bytes(to, &value, 1);
}
void append(std::string& to, int field, std::string_view bytes) {
  append_tag(to, field, WireType::kBytes);
  append_varint(to, bytes.size());
  to += bytes;
}
// Packed.
void append(std::string& to, int field, const OnnxModel::Shape& values) {
  std::string packed;
  for (const std::int64_t value : values) append_varint(packed, static_cast<std::uint64_t>(value));
  append(to, field, packed);
}

std::string attribute_proto(const OnnxModel::Attribute& given) {
  const auto& [name, value] = given;
  std::string message;
  append(message, onnx::attribute::kName, name);
  std::int64_t type = onnx::attribute::kTypeIntegers;
  if (const auto* const integer = std::get_if<std::int64_t>(&value)) {
    append(message, onnx::attribute::kInteger, *integer);
    type = onnx::attribute::kTypeInteger;
  } else if (const auto* const number = std::get_if<float>(&value)) {
    append(message, onnx::attribute::kFloat, *number);
    type = onnx::attribute::kTypeFloat;
  } else {
    append(message, onnx::attribute::kIntegers, std::get<OnnxModel::Shape>(value));
  }
  append(message, onnx::attribute::kType, type);
  return message;
}

std::string tensor_proto(const std::string& name, const OnnxModel::Shape& shape,
                         OnnxModel::Type type, std::span<const std::byte> values) {
  std::string message;
  append(message, onnx::tensor::kDimensions, shape);
  append(message, onnx::tensor::kDataType, static_cast<std::int64_t>(type));
  append(message, onnx::tensor::kName, name);
  append(message, onnx::tensor::kRawData,
         std::string_view(reinterpret_cast<const char*>(values.data()), values.size()));
  return message;
}

std::string value_info_proto(const std::string& name, OnnxModel::Type element,
                             const std::vector<OnnxModel::Dimension>& shape) {
  std::string dimensions;
  for (const OnnxModel::Dimension& each : shape) {
    std::string dimension;
    if (const auto* const size = std::get_if<std::int64_t>(&each))
      append(dimension, onnx::type::kSize, *size);
    else
      append(dimension, onnx::type::kParameter, std::get<std::string>(each));
    append(dimensions, onnx::type::kDimension, dimension);
  }
  std::string of_tensor;
  append(of_tensor, onnx::type::kElement, static_cast<std::int64_t>(element));
  append(of_tensor, onnx::type::kShape, dimensions);
  std::string type_proto;
  append(type_proto, onnx::type::kTensor, of_tensor);
  std::string message;
  append(message, onnx::value_info::kName, name);
  append(message, onnx::value_info::kType, type_proto);
  return message;
}

}  // namespace

std::string OnnxModel::constant(const std::string& name, const Shape& shape,
                                std::span<const float> values) {
  return add_constant(name, shape, Type::float32, std::as_bytes(values));
}

std::string OnnxModel::constant(const std::string& name, const Shape& shape, const Shape& values) {
  return add_constant(name, shape, Type::int64, std::as_bytes(std::span(values)));
}

std::string OnnxModel::constant(const std::string& name, const Shape& shape,
                                std::span<const std::int8_t> values) {
  return add_constant(name, shape, Type::int8, std::as_bytes(values));
}

std::string OnnxModel::constant(const std::string& name, const Shape& shape,
                                std::span<const std::int32_t> values) {
  return add_constant(name, shape, Type::int32, std::as_bytes(values));
}

std::string OnnxModel::add_constant(const std::string& name, const Shape& shape, Type type,
                                    std::span<const std::byte> values) {
  append(constants_, onnx::graph::kInitializer, tensor_proto(name, shape, type, values));
  return name;
}

void OnnxModel::add_node(std::string_view operation, const Names& inputs, const Names& outputs,
                         std::initializer_list<Attribute> attributes) {
  std::string message;
  for (const std::string& name : inputs) append(message, onnx::node_proto::kInput, name);
  for (const std::string& name : outputs) append(message, onnx::node_proto::kOutput, name);
  append(message, onnx::node_proto::kName, outputs.front());
  append(message, onnx::node_proto::kOperation, operation);
  for (const Attribute& each : attributes)
    append(message, onnx::node_proto::kAttribute, attribute_proto(each));
  append(nodes_, onnx::graph::kNode, message);
}

std::string OnnxModel::input(const std::string& name, Type type,
                             const std::vector<Dimension>& shape) {
  append(inputs_, onnx::graph::kInput, value_info_proto(name, type, shape));
  return name;
}

void OnnxModel::output(const std::string& name, Type type, const std::vector<Dimension>& shape) {
  append(outputs_, onnx::graph::kOutput, value_info_proto(name, type, shape));
}

void OnnxModel::value(const std::string& name, Type type, const std::vector<Dimension>& shape) {
  append(values_, onnx::graph::kValueInfo, value_info_proto(name, type, shape));
}

std::string OnnxModel::bytes(std::string_view graph_name,
                             const std::map<std::string, std::string>& metadata) const {
  std::string operators;
  append(operators, onnx::operator_set::kVersion, kOperatorSet);
  std::string all;
  append(all, onnx::model::kIrVersionField, kIrVersion);
  append(all, onnx::model::kProducer, std::string_view("paretoformer"));
  append(all, onnx::model::kOperatorSetImport, operators);
  for (const auto& [key, value] : metadata) {
    std::string entry;
    append(entry, onnx::metadata_entry::kKey, key);
    append(entry, onnx::metadata_entry::kValue, value);
    append(all, onnx::model::kMetadata, entry);
  }
  std::string named;
  append(named, onnx::graph::kName, graph_name);
  append_tag(all, onnx::model::kGraph, WireType::kBytes);
  const std::string* const parts[] = {&nodes_, &named, &constants_, &inputs_, &outputs_, &values_};
  std::size_t size = 0;
  for (const std::string* part : parts) size += part->size();
  append_varint(all, size);
  for (const std::string* part : parts) all += *part;
  if (all.size() > static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw InputError(fmt::format(
        "a network of {} bytes: an ONNX file without others beside it has less than 2 GiB",
        all.size()));
  return all;
}

}  // namespace paretoformer::nas
