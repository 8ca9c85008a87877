#include "accel_sim/workload/onnx_shapes.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <string_view>
#include <unordered_map>

#include "accel_sim/workload/onnx_node.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

using onnx::Node;
using onnx::Numbers;
using onnx::Values;

constexpr std::int64_t kLargestDimension = std::int64_t{1} << 31;
constexpr std::int64_t kMostElements = std::int64_t{1} << 60;
constexpr std::int64_t kMostNumbers = 4096;  // of a value that is followed
constexpr std::size_t kMostExtents = 16;

bool is_moderate(std::int64_t number) {
  return number > -kLargestDimension && number < kLargestDimension;
}

std::int64_t steps_between(std::int64_t start, std::int64_t end, std::int64_t step) {
  return std::max<std::int64_t>(0, (end - start + step + (step > 0 ? -1 : 1)) / step);
}

OnnxValue of_shape(OnnxShape shape) { return {std::move(shape), false, std::nullopt}; }

OnnxValue of_numbers(Numbers numbers, bool is_list = true) {
  OnnxShape shape;
  if (is_list) shape.push_back(std::ssize(numbers));
  return {std::move(shape), true, std::move(numbers)};
}

OnnxShape broadcast(const Node& node, const OnnxShape& a, const OnnxShape& b) {
  OnnxShape result(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < result.size(); ++i) {  // from the last
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    node.require(x == y || x == 1 || y == 1, "the shapes of its inputs");
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

// --- arithmetic, also of sizes

std::optional<std::int64_t> computed(std::string_view operation, std::int64_t a, std::int64_t b) {
  std::int64_t result = 0;
  if (operation == "Add" && !__builtin_add_overflow(a, b, &result)) return result;
  if (operation == "Sub" && !__builtin_sub_overflow(a, b, &result)) return result;
  if (operation == "Mul" && !__builtin_mul_overflow(a, b, &result)) return result;
  if (operation == "Div" && b != 0 && b != -1) return a / b;
  if (operation == "Mod" && b != 0 && b != -1) return a % b;
  if (operation == "Max") return std::max(a, b);
  if (operation == "Min") return std::min(a, b);
  if (operation == "Equal") return a == b;
  return std::nullopt;
}

Values elementwise_values(const Node& node) {
  OnnxShape shape;
  const std::size_t count = node.node().inputs.size();
  const std::string& operation = node.node().operation;
  const bool chooses = operation == "Where";
  const bool any_number = operation == "Max" || operation == "Min";
  node.require(any_number ? count > 0 : count == (chooses ? 3 : 2), "so many inputs");
  for (std::size_t i = 0; i < count; ++i) shape = broadcast(node, shape, node.shape(i));
  OnnxValue result = of_shape(std::move(shape));
  for (std::size_t i = 0; i < count; ++i)
    if (!node.in(i).numbers) return {result};
  if ((count != 2 && !chooses) || result.elements() > kMostNumbers) return {result};
  Numbers numbers;
  const auto at = [&](std::size_t input, std::size_t i) {
    const Numbers& all = node.numbers(input);
    return all.size() == 1 ? all[0] : i < all.size() ? all[i] : 0;
  };
  for (std::size_t i = 0; i < static_cast<std::size_t>(result.elements()); ++i) {
    const std::optional<std::int64_t> number =
        chooses ? (at(0, i) != 0 ? at(1, i) : at(2, i)) : computed(operation, at(0, i), at(1, i));
    if (!number) return {result};
    numbers.push_back(*number);
  }
  for (std::size_t i = 0; i < count; ++i)  // others would need more than the order of the numbers
    if (node.in(i).elements() != 1 && node.in(i).elements() != result.elements()) return {result};
  result.numbers = std::move(numbers);
  return {result};
}

// Also of operations with further outputs of the same shape.
Values same_shape(const Node& node) {
  OnnxValue result = of_shape(node.shape(0));
  const std::string& operation = node.node().operation;
  if (operation == "Cast" || operation == "Identity") result.numbers = node.in(0).numbers;
  return Values(node.node().outputs.size(), result);
}

Values constant_values(const Node& node) {
  if (const OnnxAttribute* value = node.attribute("value")) {
    const OnnxTensor& tensor = value->tensor;
    OnnxValue result{tensor.shape, true, std::nullopt};
    if (tensor.has_values) result.numbers = tensor.values;
    return {result};
  }
  if (node.attribute("value_int"))
    return {of_numbers({node.integer("value_int", 0)}, /*is_list=*/false)};
  if (node.attribute("value_ints")) return {of_numbers(node.integers("value_ints"))};
  if (node.attribute("value_float")) return {OnnxValue{{}, true, std::nullopt}};
  node.fail("has a value of a kind that is not understood: expected a tensor or numbers");
}

Values shape_values(const Node& node) {
  const auto rank = std::ssize(node.shape(0));
  const auto bound = [&](const char* name, std::int64_t absent) {
    std::int64_t at = node.integer(name, absent);
    if (at < 0) at += rank;
    return std::clamp<std::int64_t>(at, 0, rank);
  };
  const std::int64_t start = bound("start", 0), end = bound("end", rank);
  const auto begin = node.shape(0).begin();
  return {of_numbers(start < end ? Numbers(begin + start, begin + end) : Numbers())};
}

Values constant_of_shape_values(const Node& node) {
  OnnxValue result = of_shape(node.numbers(0));
  result.is_constant = true;
  const OnnxAttribute* value = node.attribute("value");
  if (value && value->tensor.has_values && !value->tensor.values.empty() &&
      result.elements() <= kMostNumbers)
    result.numbers = Numbers(static_cast<std::size_t>(std::max<std::int64_t>(result.elements(), 0)),
                             value->tensor.values[0]);
  return {result};
}

Values range_values(const Node& node) {
  const auto bound = [&](std::size_t i) {
    node.require(node.numbers(i).size() == 1, "its bounds");
    return node.numbers(i)[0];
  };
  const std::int64_t start = bound(0), end = bound(1), step = bound(2);
  node.require(step != 0 && is_moderate(start) && is_moderate(end) && is_moderate(step),
               "its bounds");
  const std::int64_t count = steps_between(start, end, step);
  OnnxValue result = of_shape({count});
  if (count > kMostNumbers) return {result};
  Numbers numbers;
  for (std::int64_t i = 0; i < count; ++i) numbers.push_back(start + i * step);
  result.numbers = std::move(numbers);
  return {result};
}

// --- views and parts

Values reshape_values(const Node& node) {
  OnnxShape shape = node.numbers(1);
  const bool keeps_zero = node.integer("allowzero", 0) != 0;
  std::int64_t known = 1;
  std::size_t open = shape.size();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !keeps_zero) {
      node.require(i < node.shape(0).size(), "the extents of its input");
      shape[i] = node.shape(0)[i];
    }
    if (shape[i] == -1) {
      node.require(open == shape.size(), "two extents that are left open");
      open = i;
      continue;
    }
    node.require(shape[i] >= 0 && shape[i] < kLargestDimension &&
                     !__builtin_mul_overflow(known, shape[i], &known),
                 "its extents");
  }
  const std::int64_t elements = node.in(0).elements();
  if (open < shape.size()) {
    node.require(known > 0 && elements % known == 0, "the elements of its input");
    shape[open] = elements / known;
  } else {
    node.require(known == elements, "the elements of its input");
  }
  OnnxValue result = of_shape(std::move(shape));
  result.numbers = node.in(0).numbers;
  return {result};
}

Values flatten_values(const Node& node) {
  const OnnxShape& shape = node.shape(0);
  std::int64_t axis = node.integer("axis", 1);
  if (axis < 0) axis += std::ssize(shape);
  node.require(axis >= 0 && axis <= std::ssize(shape), "its axes");
  const auto middle = shape.begin() + axis;
  return {of_shape({elements_of(shape.begin(), middle), elements_of(middle, shape.end())})};
}

Values squeeze_values(const Node& node) {
  const OnnxShape& shape = node.shape(0);
  const std::optional<Numbers> axes = node.integers_or_input("axes", 1);
  std::vector<bool> goes(shape.size());
  for (std::size_t i = 0; i < shape.size(); ++i) goes[i] = !axes && shape[i] == 1;
  for (const std::int64_t axis : axes.value_or(Numbers())) {
    const std::size_t at = node.axis(axis, shape.size());
    node.require(shape[at] == 1, "extents that are not one");
    goes[at] = true;
  }
  OnnxValue result;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (!goes[i]) result.shape.push_back(shape[i]);
  result.numbers = node.in(0).numbers;
  return {result};
}

Values unsqueeze_values(const Node& node) {
  const Numbers axes = node.integers_or_input("axes", 1).value_or(Numbers());
  const std::size_t rank = node.shape(0).size() + axes.size();
  node.require(rank <= kMostExtents, "its axes");
  std::vector<bool> is_new(rank);
  for (const std::int64_t axis : axes) {
    const std::size_t at = node.axis(axis, rank);
    node.require(!is_new[at], "its axes");
    is_new[at] = true;
  }
  OnnxValue result;
  auto next = node.shape(0).begin();
  for (const bool one : is_new) result.shape.push_back(one ? 1 : *next++);
  result.numbers = node.in(0).numbers;
  return {result};
}

Values transpose_values(const Node& node) {
  const OnnxShape& shape = node.shape(0);
  Numbers order = node.integers("perm");
  if (order.empty())
    for (std::size_t i = shape.size(); i-- > 0;) order.push_back(static_cast<std::int64_t>(i));
  node.require(order.size() == shape.size(), "its axes");
  OnnxShape turned;
  for (const std::int64_t axis : order) turned.push_back(shape[node.axis(axis, shape.size())]);
  return {of_shape(std::move(turned))};
}

Values expand_values(const Node& node) {
  for (const std::int64_t extent : node.numbers(1))
    node.require(extent > 0 && extent < kLargestDimension, "its extents");
  return {of_shape(broadcast(node, node.shape(0), node.numbers(1)))};
}

Values tile_values(const Node& node) {
  OnnxShape shape = node.shape(0);
  const Numbers& repeats = node.numbers(1);
  node.require(repeats.size() == shape.size(), "its repeats");
  for (std::size_t i = 0; i < shape.size(); ++i)
    node.require(repeats[i] > 0 && !__builtin_mul_overflow(shape[i], repeats[i], &shape[i]),
                 "its repeats");
  return {of_shape(std::move(shape))};
}

Values concat_values(const Node& node) {
  OnnxShape shape = node.shape(0);
  const std::size_t axis = node.axis(node.integer("axis", 0), shape.size());
  shape[axis] = 0;
  std::optional<Numbers> numbers = Numbers();
  for (std::size_t i = 0; i < node.node().inputs.size(); ++i) {
    const OnnxShape& part = node.shape(i);
    node.require(part.size() == shape.size(), "the shapes of its inputs");
    for (std::size_t k = 0; k < shape.size(); ++k)
      if (k != axis) node.require(part[k] == shape[k], "the shapes of its inputs");
    shape[axis] += part[axis];
    if (!node.in(i).numbers) numbers.reset();
    if (numbers) numbers->insert(numbers->end(), node.numbers(i).begin(), node.numbers(i).end());
  }
  OnnxValue result = of_shape(std::move(shape));
  if (numbers && result.shape.size() == 1) result.numbers = std::move(numbers);
  return {result};
}

Values split_values(const Node& node) {
  const OnnxShape& shape = node.shape(0);
  const std::size_t axis = node.axis(node.integer("axis", 0), shape.size());
  const std::size_t count = node.node().outputs.size();
  node.require(count > 0, "no parts");
  std::optional<Numbers> sizes = node.integers_or_input("split", 1);
  if (!sizes) {
    const auto parts = static_cast<std::int64_t>(count);
    const std::int64_t most = (shape[axis] + parts - 1) / parts;
    sizes = Numbers(count, most);
    sizes->back() = shape[axis] - most * (parts - 1);
  }
  node.require(sizes->size() == count, "the sizes of its parts");
  std::int64_t sum = 0;
  Values values;
  for (const std::int64_t size : *sizes) {
    node.require(size >= 0 && size <= shape[axis] - sum, "the sizes of its parts");
    sum += size;
    values.push_back(of_shape(shape));
    values.back().shape[axis] = size;
  }
  node.require(sum == shape[axis], "the sizes of its parts");
  return values;
}

Values slice_values(const Node& node) {
  OnnxShape shape = node.shape(0);
  const Numbers starts = node.integers_or_input("starts", 1).value_or(Numbers());
  const Numbers ends = node.integers_or_input("ends", 2).value_or(Numbers());
  Numbers axes(starts.size()), steps(starts.size(), 1);
  std::iota(axes.begin(), axes.end(), 0);
  axes = node.integers_or_input("axes", 3).value_or(axes);
  if (node.has(4)) steps = node.numbers(4);
  node.require(
      ends.size() == starts.size() && axes.size() == starts.size() && steps.size() == starts.size(),
      "its bounds");
  const OnnxValue& given = node.in(0);
  OnnxValue result;
  if (given.numbers && shape.size() == 1 && starts.size() == 1) result.numbers = Numbers();
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::size_t axis = node.axis(axes[i], shape.size());
    const std::int64_t size = shape[axis], step = steps[i];
    node.require(step != 0 && is_moderate(step), "its steps");
    const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? size : size - 1;
    const auto bound = [&](std::int64_t at) {
      return std::clamp(at < 0 && at >= -size ? at + size : at, low, std::max(low, high));
    };
    const std::int64_t start = bound(starts[i]), end = bound(ends[i]);
    const std::int64_t count = steps_between(start, end, step);
    shape[axis] = count;
    if (result.numbers)
      for (std::int64_t k = 0; k < count; ++k)
        result.numbers->push_back((*given.numbers)[static_cast<std::size_t>(start + k * step)]);
  }
  result.shape = std::move(shape);
  return {result};
}

Values gather_values(const Node& node) {
  const OnnxShape& data = node.shape(0);
  const OnnxShape& chosen = node.shape(1);
  const std::size_t axis = node.axis(node.integer("axis", 0), data.size());
  OnnxValue result;
  const auto at = static_cast<std::ptrdiff_t>(axis);
  result.shape.assign(data.begin(), data.begin() + at);
  result.shape.insert(result.shape.end(), chosen.begin(), chosen.end());
  result.shape.insert(result.shape.end(), data.begin() + at + 1, data.end());
  if (data.size() != 1 || !node.in(0).numbers || !node.in(1).numbers) return {result};
  result.numbers = Numbers();
  for (std::int64_t index : node.numbers(1)) {
    if (index < 0) index += data[0];
    node.require(index >= 0 && index < data[0], "its indices");
    result.numbers->push_back(node.numbers(0)[static_cast<std::size_t>(index)]);
  }
  return {result};
}

Values reduce_values(const Node& node) {
  const OnnxShape& shape = node.shape(0);
  const std::optional<Numbers> axes = node.integers_or_input("axes", 1);
  std::vector<bool> goes(shape.size(), !axes);
  for (const std::int64_t axis : axes.value_or(Numbers()))
    goes[node.axis(axis, shape.size())] = true;
  const bool keeps = node.integer("keepdims", 1) != 0;
  OnnxValue result;
  for (std::size_t i = 0; i < shape.size(); ++i)
    if (!goes[i] || keeps) result.shape.push_back(goes[i] ? 1 : shape[i]);
  return {result};
}

// --- products and what slides over images

Values matmul_values(const Node& node) {
  OnnxShape a = node.shape(0), b = node.shape(1);
  node.require(a.size() >= 2 && b.size() >= 2 && a.back() == b[b.size() - 2],
               "the shapes of its inputs");
  const std::int64_t rows = a[a.size() - 2], columns = b.back();
  a.resize(a.size() - 2);
  b.resize(b.size() - 2);
  OnnxShape shape = broadcast(node, a, b);
  shape.insert(shape.end(), {rows, columns});
  return {of_shape(std::move(shape))};
}

Values gemm_values(const Node& node) {
  const OnnxShape &a = node.shape(0), &b = node.shape(1);
  node.require(a.size() == 2 && b.size() == 2, "the shapes of its inputs");
  const bool turns_a = node.integer("transA", 0) != 0, turns_b = node.integer("transB", 0) != 0;
  node.require(a[turns_a ? 0 : 1] == b[turns_b ? 1 : 0], "the shapes of its inputs");
  return {of_shape({a[turns_a ? 1 : 0], b[turns_b ? 0 : 1]})};
}

// What a kernel slides over; `channels` are of the output.
Values sliding_values(const Node& node, std::int64_t channels) {
  const OnnxShape& image = node.shape(0);
  const auto inputs = Values{node.in(0), node.has(1) ? node.in(1) : OnnxValue()};
  const OnnxShape kernel = kernel_of(node.node(), inputs);
  const std::size_t axes = image.size() - 2;
  node.require(kernel.size() == axes, "its kernel's extents");
  const auto given = [&](const char* name, std::size_t count, std::int64_t absent) {
    Numbers numbers = node.integers(name);
    if (numbers.empty()) numbers = Numbers(count, absent);
    node.require(numbers.size() == count &&
                     std::all_of(numbers.begin(), numbers.end(),
                                 [&](std::int64_t n) { return n >= absent && n < 1 << 20; }),
                 name);
    return numbers;
  };
  const Numbers strides = given("strides", axes, 1), dilations = given("dilations", axes, 1);
  const Numbers pads = given("pads", 2 * axes, 0);
  const OnnxAttribute* automatic = node.attribute("auto_pad");
  const std::string padding = automatic ? automatic->text : "NOTSET";
  OnnxShape shape{image[0], channels};
  for (std::size_t i = 0; i < axes; ++i) {
    node.require(kernel[i] > 0 && kernel[i] < 1 << 20, "its kernel's extents");
    const std::int64_t side = image[i + 2];
    if (padding == "SAME_UPPER" || padding == "SAME_LOWER") {
      shape.push_back((side + strides[i] - 1) / strides[i]);
      continue;
    }
    const std::int64_t around = padding == "VALID" ? 0 : pads[i] + pads[axes + i];
    std::int64_t room = side + around - dilations[i] * (kernel[i] - 1) - 1;
    if (node.integer("ceil_mode", 0) != 0) room += strides[i] - 1;
    node.require(room >= 0, "its image and kernel");
    shape.push_back(room / strides[i] + 1);
  }
  return {of_shape(std::move(shape))};
}

Values conv_values(const Node& node) {
  const OnnxShape &image = node.shape(0), &weights = node.shape(1);
  const std::int64_t groups = node.integer("group", 1);
  node.require(image.size() >= 3 && weights.size() == image.size() && groups > 0 &&
                   groups <= image[1] && image[1] % groups == 0 && weights[0] % groups == 0 &&
                   weights[1] == image[1] / groups,
               "the shapes of its inputs");
  return sliding_values(node, weights[0]);
}

Values pool_values(const Node& node) {
  node.require(node.shape(0).size() >= 3 && node.node().outputs.size() == 1,
               "the shapes of its inputs");
  return sliding_values(node, node.shape(0)[1]);
}

Values global_pool_values(const Node& node) {
  OnnxShape shape = node.shape(0);
  node.require(shape.size() >= 3, "the shapes of its inputs");
  std::fill(shape.begin() + 2, shape.end(), 1);
  return {of_shape(std::move(shape))};
}

using Infer = Values (*)(const Node& node);

const std::unordered_map<std::string_view, Infer>& operations() {
  static const auto known = [] {
    std::unordered_map<std::string_view, Infer> table{{"Constant", constant_values},
                                                      {"Shape", shape_values},
                                                      {"ConstantOfShape", constant_of_shape_values},
                                                      {"Range", range_values},
                                                      {"Reshape", reshape_values},
                                                      {"Flatten", flatten_values},
                                                      {"Squeeze", squeeze_values},
                                                      {"Unsqueeze", unsqueeze_values},
                                                      {"Transpose", transpose_values},
                                                      {"Expand", expand_values},
                                                      {"Tile", tile_values},
                                                      {"Concat", concat_values},
                                                      {"Split", split_values},
                                                      {"Slice", slice_values},
                                                      {"Gather", gather_values},
                                                      {"MatMul", matmul_values},
                                                      {"Gemm", gemm_values},
                                                      {"Conv", conv_values},
                                                      {"MaxPool", pool_values},
                                                      {"AveragePool", pool_values},
                                                      {"GlobalAveragePool", global_pool_values},
                                                      {"GlobalMaxPool", global_pool_values}};
    for (const char* name :
         {"Add", "Sub", "Mul", "Div", "Mod", "Pow", "Max", "Min", "Equal", "Greater",
          "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Where"})
      table[name] = elementwise_values;
    for (const char* name : {"Abs",
                             "BatchNormalization",
                             "Cast",
                             "Clip",
                             "Cos",
                             "DequantizeLinear",
                             "Dropout",
                             "Erf",
                             "Exp",
                             "FastGelu",
                             "Floor",
                             "Gelu",
                             "HardSigmoid",
                             "HardSwish",
                             "Identity",
                             "LayerNormalization",
                             "LeakyRelu",
                             "Log",
                             "Neg",
                             "Not",
                             "QuantizeLinear",
                             "Reciprocal",
                             "Relu",
                             "RMSNormalization",
                             "Sigmoid",
                             "SimplifiedLayerNormalization",
                             "Sin",
                             "Softmax",
                             "Sqrt",
                             "Tanh",
                             "Trilu"})
      table[name] = same_shape;
    for (const char* name : {"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin"})
      table[name] = reduce_values;
    return table;
  }();
  return known;
}

}  // namespace

std::int64_t elements_of(OnnxShape::const_iterator begin, OnnxShape::const_iterator end) {
  std::int64_t product = 1;
  for (; begin != end; ++begin)
    if (__builtin_mul_overflow(product, *begin, &product))
      return std::numeric_limits<std::int64_t>::max();
  return product;
}

void fail(const OnnxGraph& graph, const OnnxNode& node, const std::string& message) {
  throw InputError(graph.file + ": node \"" + node.name + "\" (" + node.operation +
                   "): " + message);
}

std::int64_t integer_of(const OnnxNode& node, const std::string& attribute, std::int64_t absent) {
  const auto found = node.attributes.find(attribute);
  return found == node.attributes.end() ? absent : found->second.integer;
}

OnnxShape kernel_of(const OnnxNode& node, const std::vector<OnnxValue>& inputs) {
  const auto given = node.attributes.find("kernel_shape");
  if (given != node.attributes.end()) return given->second.integers;
  if (inputs.size() < 2 || inputs[1].shape.size() < 2) return {};
  return {inputs[1].shape.begin() + 2, inputs[1].shape.end()};
}

std::vector<OnnxValue> output_values(const OnnxGraph& graph, const OnnxNode& node,
                                     const std::vector<OnnxValue>& inputs) {
  const auto found = operations().find(node.operation);
  if (found == operations().end())
    fail(graph, node, "is not understood: expected an operation that docs/workload.md names");
  std::vector<OnnxValue> values = found->second(Node(graph, node, inputs));
  const bool is_constant =
      node.operation == "Shape" ||
      std::all_of(inputs.begin(), inputs.end(), [](const auto& each) { return each.is_constant; });
  for (OnnxValue& value : values) {
    value.is_constant = value.is_constant || is_constant;
    std::int64_t elements = 1;
    for (const std::int64_t extent : value.shape)
      if (extent < 0 || extent >= kLargestDimension ||
          __builtin_mul_overflow(elements, extent, &elements) || elements > kMostElements)
        fail(graph, node,
             "has a result with an extent of " + std::to_string(extent) + " or too many elements");
    if (value.shape.size() > kMostExtents) fail(graph, node, "has a result with too many axes");
    if (value.numbers && std::ssize(*value.numbers) != elements) value.numbers.reset();
  }
  if (values.size() < node.outputs.size()) values.resize(node.outputs.size());
  return values;
}

}  // namespace paretoformer::accel_sim
