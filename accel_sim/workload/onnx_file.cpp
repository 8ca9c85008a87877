#include "accel_sim/workload/onnx_file.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <set>

#include "accel_sim/workload/onnx_fields.hpp"
#include "support/error.hpp"
#include "support/text.hpp"

namespace paretoformer::accel_sim {
namespace {

static_assert(std::endian::native == std::endian::little, "raw_data is in little-endian order");

// More integers than any shape, list of axes or sizes of parts has.
constexpr std::size_t kMostValues = 4096;

// One message: its fields, one after the other.
class Message {
 public:
  Message(std::string_view bytes, const char* begin, const std::string& file)
      : bytes_(bytes), begin_(begin), file_(&file) {}

  // The next field; false at the end.
  bool next() {
    if (bytes_.empty()) return false;
    const std::uint64_t tag = varint();
    field_ = static_cast<int>(std::min<std::uint64_t>(tag >> 3, 1 << 29));
    type_ = static_cast<int>(tag & 7);
    switch (type_) {
      case onnx::kVarint:
        value_ = varint();
        return true;
      case onnx::kBytes: {
        const std::uint64_t size = varint();
        if (size > bytes_.size()) fail("a field ends behind the end of its message");
        content_ = take(static_cast<std::size_t>(size));
        return true;
      }
      case onnx::kFixed32:
        content_ = take(4);
        return true;
      case onnx::kFixed64:
        content_ = take(8);
        return true;
      default:
        fail("no field begins so");
    }
  }

  int field() const { return field_; }
  std::int64_t integer() const {
    require(onnx::kVarint);
    return static_cast<std::int64_t>(value_);
  }
  std::string_view bytes() const {
    require(onnx::kBytes);
    return content_;
  }
  std::string text() const {
    const std::string_view text = bytes();
    if (valid_utf8_prefix(text) < text.size()) fail("a name is not valid UTF-8");
    return printable(std::string(text));
  }
  Message message() const { return {bytes(), begin_, *file_}; }
  // The message in the last of the fields left of that number; empty when there is none.
  Message part(int field) const {
    Message rest = *this, found({}, begin_, *file_);
    while (rest.next())
      if (rest.field() == field) found = rest.message();
    return found;
  }

  // Of a repeated integer: packed, or one of them.
  void append_to(std::vector<std::int64_t>& values) const {
    if (type_ == onnx::kVarint) {
      values.push_back(integer());
      return;
    }
    Message packed = message();
    while (!packed.bytes_.empty()) values.push_back(static_cast<std::int64_t>(packed.varint()));
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw InputError(*file_ + ": byte " + std::to_string(bytes_.data() - begin_) + ": " + what +
                     ": expected an ONNX model");
  }

 private:
  void require(int type) const {
    if (type_ != type) fail("field " + std::to_string(field_) + " has the wrong type");
  }

  std::string_view take(std::size_t size) {
    if (size > bytes_.size()) fail("the file ends within a field");
    const std::string_view taken = bytes_.substr(0, size);
    bytes_.remove_prefix(size);
    return taken;
  }

  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      const auto byte = static_cast<unsigned char>(take(1)[0]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    fail("a number has more than ten bytes");
  }

  std::string_view bytes_;
  const char* begin_;
  const std::string* file_;
  int field_ = 0, type_ = 0;
  std::uint64_t value_ = 0;
  std::string_view content_;
};

template <typename Number>
void append_raw(std::string_view raw, std::vector<std::int64_t>& values) {
  for (std::size_t i = 0; i + sizeof(Number) <= raw.size(); i += sizeof(Number)) {
    Number number;
    std::memcpy(&number, raw.data() + i, sizeof number);
    values.push_back(number);
  }
}

OnnxTensor read_tensor(Message message) {
  OnnxTensor tensor;
  std::int64_t type = 0;
  std::string_view raw;
  while (message.next()) {
    const int field = message.field();
    if (field == onnx::tensor::kDimensions) message.append_to(tensor.shape);
    if (field == onnx::tensor::kDataType) type = message.integer();
    if (field == onnx::tensor::kName) tensor.name = message.text();
    if (field == onnx::tensor::kRawData) raw = message.bytes();
    if (field == onnx::tensor::kInt32 || field == onnx::tensor::kInt64)
      message.append_to(tensor.values);
  }
  tensor.is_weight = type == onnx::tensor::kFloat32 || type == onnx::tensor::kFloat16 ||
                     type == onnx::tensor::kFloat64 || type == onnx::tensor::kBfloat16 ||
                     type == onnx::tensor::kInt8 || type == onnx::tensor::kUint8;
  std::int64_t size = 1;
  for (const std::int64_t extent : tensor.shape) {
    if (extent < 0 || extent >= std::int64_t{1} << 31)
      message.fail("the tensor \"" + tensor.name + "\" has an extent of " + std::to_string(extent));
    if (__builtin_mul_overflow(size, extent, &size))
      message.fail("the tensor \"" + tensor.name + "\" has more than 2^63 elements");
  }
  const bool is_integer = type == onnx::tensor::kInt64Type || type == onnx::tensor::kInt32Type;
  const bool is_short = size <= static_cast<std::int64_t>(kMostValues);
  if (is_integer && is_short && !raw.empty()) {
    tensor.values.clear();
    if (type == onnx::tensor::kInt64Type) append_raw<std::int64_t>(raw, tensor.values);
    if (type == onnx::tensor::kInt32Type) append_raw<std::int32_t>(raw, tensor.values);
  }
  tensor.has_values =
      is_integer && is_short && size == static_cast<std::int64_t>(tensor.values.size());
  if (!tensor.has_values) tensor.values.clear();
  return tensor;
}

void read_attribute(Message message, std::map<std::string, OnnxAttribute>& attributes) {
  std::string name;
  OnnxAttribute attribute;
  while (message.next()) {
    const int field = message.field();
    if (field == onnx::attribute::kName) name = message.text();
    if (field == onnx::attribute::kInteger) attribute.integer = message.integer();
    if (field == onnx::attribute::kString) attribute.text = message.text();
    if (field == onnx::attribute::kTensor) attribute.tensor = read_tensor(message.message());
    if (field == onnx::attribute::kIntegers) message.append_to(attribute.integers);
  }
  attributes[name] = std::move(attribute);
}

OnnxNode read_node(Message message) {
  OnnxNode node;
  while (message.next()) {
    const int field = message.field();
    if (field == onnx::node_proto::kInput) node.inputs.push_back(message.text());
    if (field == onnx::node_proto::kOutput) node.outputs.push_back(message.text());
    if (field == onnx::node_proto::kName) node.name = message.text();
    if (field == onnx::node_proto::kOperation) node.operation = message.text();
    if (field == onnx::node_proto::kDomain) node.domain = message.text();
    if (field == onnx::node_proto::kAttribute) read_attribute(message.message(), node.attributes);
  }
  if (node.name.empty() && !node.outputs.empty()) node.name = node.outputs[0];
  return node;
}

OnnxDimension read_dimension(Message message) {
  OnnxDimension dimension;
  while (message.next()) {
    if (message.field() == onnx::type::kSize) dimension.size = message.integer();
    if (message.field() == onnx::type::kParameter) dimension.parameter = message.text();
  }
  return dimension;
}

OnnxInput read_input(Message message) {
  OnnxInput input;
  while (message.next()) {
    if (message.field() == onnx::value_info::kName) input.name = message.text();
    if (message.field() != onnx::value_info::kType) continue;
    Message shape = message.message().part(onnx::type::kTensor).part(onnx::type::kShape);
    while (shape.next())
      if (shape.field() == onnx::type::kDimension)
        input.shape.push_back(read_dimension(shape.message()));
  }
  return input;
}

OnnxGraph read_graph(Message message, const std::string& file) {
  OnnxGraph graph;
  graph.file = file;
  while (message.next()) {
    const int field = message.field();
    if (field == onnx::graph::kNode) graph.nodes.push_back(read_node(message.message()));
    if (field == onnx::graph::kInitializer)
      graph.constants.push_back(read_tensor(message.message()));
    if (field == onnx::graph::kInput) graph.inputs.push_back(read_input(message.message()));
    if (field == onnx::graph::kOutput) graph.outputs.push_back(read_input(message.message()).name);
  }
  std::set<std::string> constants;  // older files list them among the inputs
  for (const OnnxTensor& tensor : graph.constants) constants.insert(tensor.name);
  std::erase_if(graph.inputs, [&](const auto& input) { return constants.contains(input.name); });
  return graph;
}

}  // namespace

bool is_onnx(std::string_view bytes, std::string_view file) {
  return bytes.substr(0, 1) == "\x08" || file.ends_with(".onnx");
}

OnnxGraph onnx_graph(std::string_view bytes, const std::string& file) {
  Message message(bytes, bytes.data(), file);
  OnnxGraph graph;
  while (message.next())
    if (message.field() == onnx::model::kGraph) graph = read_graph(message.message(), file);
  if (graph.nodes.empty()) throw InputError(file + ": holds no nodes: expected an ONNX model");
  return graph;
}

}  // namespace paretoformer::accel_sim
