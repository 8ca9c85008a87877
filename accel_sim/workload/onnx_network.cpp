#include "accel_sim/workload/onnx_network.hpp"

#include <algorithm>
#include <cctype>
#include <memory>
#include <set>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "accel_sim/hardware/hardware_cost.hpp"
#include "accel_sim/workload/onnx_shapes.hpp"
#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr int kNone = -1;

// GELU by erf or by tanh, and LayerNorm, take at most so many nodes each beside the one by which
// they are known: what is more is priced.
constexpr int kNodesOfPattern = 9;

template <std::size_t kSize>
bool is_one_of(const std::string& operation, const std::string_view (&names)[kSize]) {
  return std::find(std::begin(names), std::end(names), operation) != std::end(names);
}

// They move nothing: matmuls read their operands where these lie, by strides.
constexpr std::string_view kViews[] = {
    "Cast",    "Concat",   "DequantizeLinear", "Dropout", "Expand",   "Flatten",
    "Gather",  "Identity", "QuantizeLinear",   "Reshape", "Slice",    "Split",
    "Squeeze", "Tile",     "Transpose",        "Trilu",   "Unsqueeze"};
// Of one tensor, element by element, with an exponential or the like.
constexpr std::string_view kTranscendental[] = {"Cos", "Exp", "HardSigmoid", "HardSwish",
                                                "Log", "Sin", "LeakyRelu"};

// Known of a tensor.
struct Tensor {
  OnnxValue value;
  int op = kNone;         // in the list, whose results these are but for their order and scale
  bool is_fresh = false;  // nothing has been done to them
  bool is_activated = false;
  int product = kNone;  // of weights, that led here without a normalisation or another product
};

// Elementwise nodes of one tensor: what they are together is known at the end.
struct Group {
  OnnxShape shape;  // of the tensor
  int op = kNone;   // that computes it, if nothing else has been done to it
  int means = 0, differences = 0;
  int parts = 0;  // nodes that are parts of a GELU, a normalisation or a SiLU
};

struct Item {
  TransformerOperator item;
  int group = kNone;  // of whose pattern it may be a part
};

enum class Size { kLength, kBatch, kOther };

Size meaning_of(const std::string& parameter) {
  std::string name = parameter;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto has = [&](const char* part) { return name.find(part) != std::string::npos; };
  if (has("past") || has("total") || has("cache")) return Size::kOther;
  if (has("batch") || name == "n" || name == "bs") return Size::kBatch;
  return has("seq") || has("length") || name == "l" || name == "t" ? Size::kLength : Size::kOther;
}

// Goes once through the graph, node by node.
class Lister {
 public:
  Lister(const OnnxGraph& graph, const Workload& workload) : graph_(graph), workload_(workload) {
    for (const OnnxTensor& constant : graph.constants) {
      Tensor& tensor = tensors_[constant.name];
      tensor.value = {constant.shape, true, std::nullopt};
      if (constant.has_values) tensor.value.numbers = constant.values;
    }
    for (const OnnxInput& input : graph.inputs) tensors_[input.name].value = value_of(input);
    for (const OnnxNode& node : graph.nodes) {
      node_ = &node;
      add_node();
    }
  }

  std::vector<TransformerOperator> take() {
    std::vector<TransformerOperator> list;
    if (items_.empty())
      throw InputError(graph_.file + ": computes nothing but constants: expected matmuls");
    for (const Item& each : items_)
      if (each.group == kNone || groups_[static_cast<std::size_t>(each.group)].parts-- <= 0)
        list.push_back(each.item);
    return list;
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    accel_sim::fail(graph_, *node_, message);
  }

  OnnxValue value_of(const OnnxInput& input) const {
    OnnxValue value;
    for (const OnnxDimension& dimension : input.shape) {
      const Size meaning = meaning_of(dimension.parameter);
      std::int64_t size = dimension.size;
      if (size <= 0 && meaning == Size::kLength) size = workload_.sequence_length;
      if (size <= 0 && meaning == Size::kBatch) size = workload_.batch;
      if (size <= 0 || size > kLargestSize)
        throw InputError(graph_.file + ": input \"" + input.name + "\": its extent \"" +
                         dimension.parameter + "\" (" + std::to_string(size) +
                         ") is not understood: expected a size from 1 to 2^20, or a name of the "
                         "batch or of the sequence's length");
      value.shape.push_back(size);
    }
    return value;
  }

  void add_node() {
    const OnnxNode& node = *node_;
    inputs_.clear();
    std::vector<OnnxValue> values;
    for (const std::string& name : node.inputs) {
      if (name.empty()) {
        inputs_.emplace_back().value.is_constant = true;
      } else {
        const auto found = tensors_.find(name);
        if (found == tensors_.end()) fail("its input \"" + name + "\" is not computed before it");
        inputs_.push_back(found->second);
      }
      values.push_back(inputs_.back().value);
    }
    out_.clear();
    for (OnnxValue& value : output_values(graph_, node, values))
      out_.emplace_back().value = std::move(value);
    if (!out_.empty() && !out_[0].value.is_constant) {
      for (Tensor& each : out_) each.product = inputs_[dynamic_inputs().at(0)].product;
      add_work();
    }
    for (std::size_t i = 0; i < node.outputs.size() && i < out_.size(); ++i)
      if (!node.outputs[i].empty()) tensors_[node.outputs[i]] = std::move(out_[i]);
  }

  bool is(std::string_view operation) const { return node_->operation == operation; }

  void add_work() {
    for (const std::int64_t extent : out_[0].value.shape)
      if (extent < 1) fail("computes nothing: expected extents of at least one");
    if (is("MatMul") || is("Gemm")) return add_matmul();
    if (is("Conv")) return add_convolution();
    if (is("Softmax")) return add_softmax();
    if (is("Gather") && inputs_[0].value.is_constant && !inputs_[0].value.numbers)
      return add_embedding();
    if (is_one_of(node_->operation, kViews)) return pass_on();
    if (is("LayerNormalization")) return add_norm(false);
    if (is("RMSNormalization") || is("SimplifiedLayerNormalization")) return add_norm(true);
    if (is("Gelu") || is("FastGelu")) {
      add_gelu(inputs_[0].is_fresh ? inputs_[0].op : kNone, out_[0].value.shape);
      out_[0].is_activated = true;
      return;
    }
    if (is("MaxPool") || is("AveragePool") || is("GlobalMaxPool") || is("GlobalAveragePool"))
      return add_pooling();
    if (is("BatchNormalization") && inputs_[0].is_fresh) return pass_on();  // in the weights
    if ((is("Relu") || is("Clip")) && inputs_[0].is_fresh) return add_relu();
    if (is("Add") && add_to_product()) return;
    if (is("Where") && add_mask(1)) return;
    add_elementwise();
  }

  // --- what is appended

  int append(std::string_view role, const Operator& op, std::int64_t repeat = 1,
             int group = kNone) {
    items_.push_back({{role, -1, repeat, op}, group});
    return static_cast<int>(items_.size()) - 1;
  }
  TransformerOperator& item(int index) { return items_[static_cast<std::size_t>(index)].item; }
  Operator& op_of(int index) { return item(index).op; }
  std::string_view& role_of(int index) { return item(index).role; }

  int extent(std::int64_t value, const char* what) const {
    if (value < 1 || value > kLargestSize)
      fail(std::string(what) + " " + std::to_string(value) + " is out of range: expected 1 to " +
           std::to_string(kLargestSize));
    return static_cast<int>(value);
  }

  // Over rows, and columns of the last axis; where an axis does not matter, halved until they fit.
  Operator pass(OperatorKind kind, const OnnxShape& shape, bool keeps_rows = false) const {
    std::int64_t columns = shape.empty() ? 1 : shape.back();
    std::int64_t rows = shape.empty() ? 1 : elements_of(shape.begin(), shape.end() - 1);
    while (!keeps_rows && rows > kLargestSize && rows % 2 == 0) {
      rows /= 2;
      columns *= 2;
    }
    const int fitting = extent(rows, "its rows");
    return elementwise(kind, fitting, extent(columns, "its columns"));
  }
  Operator nonlinear(OperatorKind kind, const OnnxShape& shape) const {
    const Operator op = pass(kind, shape, true);
    return of_sums() ? op : of_int8(kind, op.rows, op.columns);
  }

  void result_of(int op) {
    out_[0].op = op;
    out_[0].is_fresh = true;
  }

  // --- products

  void add_matmul() {
    const bool gemm = is("Gemm");
    const Tensor &left = inputs_[0], &right = inputs_[1];
    OnnxShape shape = out_[0].value.shape;
    const int columns = extent(shape.back(), "its columns");
    const OnnxShape& a = left.value.shape;
    const std::int64_t inner = gemm && integer_of(*node_, "transA", 0) != 0 ? a[0] : a.back();
    const bool has_weights =
        right.value.is_constant &&
        elements_of(right.value.shape.begin(), right.value.shape.end() - 2) == 1;
    std::int64_t rows = shape[shape.size() - 2];
    std::int64_t repeat = elements_of(shape.begin(), shape.end() - 2);
    if (has_weights || gemm) {
      rows *= repeat;
      repeat = 1;
    }
    const int m = extent(rows, "its rows"), k = extent(inner, "its inner extent");
    if (!right.value.is_constant) return add_act_to_act(m, k, columns, repeat);
    const bool has_bias = gemm && inputs_.size() > 2 && !node_->inputs[2].empty();
    const int op = append(
        role_of_projection(left, columns),
        accel_sim::matmul(m, k, columns, RightOperand::kWeights, Activation::kNone, bias(has_bias)),
        repeat);
    out_[0].product = op;
    if (role_of(op) == "language_model_head" && !of_sums())
      op_of(op).activation = Activation::kSums;
    result_of(op);
  }

  bool of_sums() const { return workload_.nonlinear_inputs == NonlinearInputs::kSums; }
  Bias bias(bool has) const { return has && workload_.biases ? Bias::kRow : Bias::kNone; }

  std::string_view role_of_projection(const Tensor& left, int columns) {
    if (left.op != kNone && role_of(left.op) == "attention.context") return "attention.output";
    if (columns == vocabulary_) return "language_model_head";
    if (left.is_activated) return "ffn.down";
    return "matmul";
  }

  void add_act_to_act(int rows, int inner, int columns, std::int64_t repeat) {
    const Tensor& left = inputs_[0];
    const bool is_context = left.op != kNone && op_of(left.op).kind == OperatorKind::kSoftmax;
    for (const Tensor& each : inputs_)
      if (each.product != kNone && role_of(each.product) == "matmul")
        role_of(each.product) = "attention.qkv";
    out_[0].product = kNone;
    result_of(append(is_context ? "attention.context" : "attention.scores",
                     matmul(rows, inner, columns, RightOperand::kActivations), repeat));
  }

  void add_convolution() {
    const OnnxShape &image = inputs_[0].value.shape, &weights = inputs_[1].value.shape;
    if (!inputs_[1].value.is_constant) fail("its weights are not constant");
    const std::int64_t groups = integer_of(*node_, "group", 1);
    const OnnxShape& shape = out_[0].value.shape;
    const std::int64_t rows = shape[0] * elements_of(shape.begin() + 2, shape.end());
    const std::int64_t inner = image[1] / groups * elements_of(weights.begin() + 2, weights.end());
    const bool has_bias = inputs_.size() > 2 && !node_->inputs[2].empty();
    result_of(append(
        "convolution",
        accel_sim::matmul(extent(rows, "its positions"), extent(inner, "its kernel's elements"),
                          extent(weights[0] / groups, "its channels"), RightOperand::kWeights,
                          Activation::kNone, bias(has_bias)),
        groups));
  }

  // --- what follows a product and belongs to it

  // A bias, or a mask.
  bool add_to_product() {
    for (const std::size_t i : {0, 1}) {
      const Tensor &product = inputs_[i], &other = inputs_[1 - i];
      if (!product.is_fresh || op_of(product.op).kind != OperatorKind::kMatmul) continue;
      if (!has_weights(op_of(product.op))) {
        if (add_mask(i)) return true;
        continue;
      }
      const OnnxShape& shape = other.value.shape;
      const bool is_row = other.value.is_constant && !shape.empty() &&
                          other.value.elements() == shape.back() &&
                          shape.back() == out_[0].value.shape.back();
      if (!is_row || op_of(product.op).bias != Bias::kNone) continue;
      op_of(product.op).bias = bias(true);
      take_over(product);
      return true;
    }
    return false;
  }

  bool add_mask(std::size_t scores) {
    const Tensor& given = inputs_[scores];
    if (!given.is_fresh || role_of(given.op) != "attention.scores" ||
        given.value.elements() != out_[0].value.elements())
      return false;
    if (workload_.biases) op_of(given.op).bias = Bias::kFull;
    take_over(given);
    return true;
  }

  // Same numbers, in another order or scale.
  void take_over(const Tensor& from) {
    out_[0].op = from.op;
    out_[0].is_fresh = from.is_fresh;
    out_[0].is_activated = from.is_activated;
  }

  void pass_on() {
    const std::vector<std::size_t> dynamic = dynamic_inputs();
    const Tensor& from = inputs_[dynamic.at(0)];
    if (is("Split")) split_product(from);
    for (Tensor& each : out_) {
      each.op = from.op;
      each.is_fresh = from.is_fresh && dynamic.size() == 1;
      each.is_activated = from.is_activated;
    }
    if (is("Cast") || is("Identity") || is("Dropout")) begin_at(root(0));
  }

  std::vector<std::size_t> dynamic_inputs() const {
    std::vector<std::size_t> dynamic;
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      if (!inputs_[i].value.is_constant) dynamic.push_back(i);
    return dynamic;
  }

  // Queries, keys and values of one matrix are as many products, each to a place of its own.
  void split_product(const Tensor& from) {
    const auto parts = static_cast<int>(out_.size());
    if (!from.is_fresh || !has_weights(op_of(from.op)) || role_of(from.op) == "convolution" ||
        op_of(from.op).columns % parts != 0)
      return;
    for (const Tensor& part : out_)
      if (part.value.elements() != out_[0].value.elements()) return;
    op_of(from.op).columns /= parts;
    item(from.op).repeat *= parts;
  }

  // Free as results leave; Gemmini's residual add has one as well.
  void add_relu() {
    const Tensor& from = inputs_[0];
    Operator& op = op_of(from.op);
    if (op.kind == OperatorKind::kMatmul) {
      op.activation = Activation::kRelu;
      if (role_of(from.op) == "matmul") role_of(from.op) = "ffn.up";
    } else if (op.kind != OperatorKind::kResidualAdd) {
      return add_elementwise();
    }
    out_[0].op = from.op;
    out_[0].is_activated = role_of(from.op) == "ffn.up";
  }

  void add_softmax() {
    const Tensor& scores = inputs_[0];
    const auto rank = std::ssize(out_[0].value.shape);
    std::int64_t axis = integer_of(*node_, "axis", -1);
    if (axis < 0) axis += rank;
    if (axis != rank - 1) fail("is along an axis that is not the last one");
    if (!scores.is_fresh || op_of(scores.op).kind != OperatorKind::kMatmul ||
        op_of(scores.op).right != RightOperand::kActivations) {
      append("softmax", pass(OperatorKind::kSoftmax, out_[0].value.shape, true));
      return;
    }
    Operator& op = op_of(scores.op);
    op.right = RightOperand::kTransposedActivations;
    op.activation = Activation::kSoftmax;
    const std::int64_t repeat = item(scores.op).repeat;
    out_[0].op = append("attention.softmax", softmax_of(op), repeat);
  }

  // --- the rest

  void add_embedding() {
    const OnnxShape& table = inputs_[0].value.shape;
    if (table.size() == 2) vocabulary_ = std::max(vocabulary_, table[0]);
    result_of(append("embedding", pass(OperatorKind::kEmbedding, out_[0].value.shape, true)));
  }

  void add_norm(bool rms) {
    out_[0].product = kNone;
    append("norm", rms ? pass(OperatorKind::kRmsNorm, out_[0].value.shape, true)
                       : nonlinear(OperatorKind::kLayerNorm, out_[0].value.shape));
  }

  void add_gelu(int product, const OnnxShape& shape) {
    const bool follows = product != kNone && has_weights(op_of(product)) &&
                         op_of(product).activation == Activation::kNone;
    if (follows && role_of(product) == "matmul") role_of(product) = "ffn.up";
    if (follows && of_sums()) {
      op_of(product).activation = Activation::kGelu;
      append("ffn.gelu", pass(OperatorKind::kGelu, shape));
      return;
    }
    const Operator op = pass(OperatorKind::kGelu, shape);
    append("ffn.gelu", of_int8(OperatorKind::kGelu, op.rows, op.columns));
  }

  void add_pooling() {
    OnnxShape elements = out_[0].value.shape;
    std::vector<OnnxValue> values;
    for (const Tensor& each : inputs_) values.push_back(each.value);
    if (is("GlobalMaxPool") || is("GlobalAveragePool")) {
      elements = inputs_[0].value.shape;
    } else {
      for (const std::int64_t extent : kernel_of(*node_, values)) elements.push_back(extent);
    }
    // Channels last, as in the accelerator's memory.
    std::rotate(elements.begin() + 1, elements.begin() + 2, elements.end());
    append("pooling", pass(OperatorKind::kArithmetic, elements));
  }

  bool is_scale(const Tensor& each) const {
    return each.value.is_constant && each.value.is_scalar();
  }

  // Element by element: a scale, a residual add, or a part of something larger.
  void add_elementwise() {
    const std::vector<std::size_t> dynamic = dynamic_inputs();
    const Tensor& first = inputs_[dynamic.at(0)];
    const bool one = dynamic.size() == 1 && inputs_.size() == 2;
    if (one && (is("Mul") || (is("Div") && dynamic[0] == 0)) && is_scale(inputs_[1 - dynamic[0]])) {
      take_over(first);  // int8 tensors have a scale anyway
      return begin_at(root(dynamic[0]));
    }
    const bool is_sum = is("Add") && inputs_.size() == 2 && !is_scale(inputs_[1]) &&
                        !is_scale(inputs_[0]) &&
                        last_two(inputs_[0].value.shape) == last_two(inputs_[1].value.shape);
    std::string common = root(dynamic[0]);
    for (const std::size_t i : dynamic)
      if (root(i) != common) common.clear();
    if (is_sum && (common.empty() || one)) {
      if (!of_sums() && one && adds_positions(first)) return;
      result_of(append("residual", pass(OperatorKind::kResidualAdd, out_[0].value.shape)));
      return;
    }
    if (common.empty()) return add_product_of_two(dynamic);
    add_to_group(common);
  }

  // The accumulator adds them to what is looked up, a sequence at a time.
  bool adds_positions(const Tensor& rows) {
    if (!rows.is_fresh || op_of(rows.op).kind != OperatorKind::kEmbedding ||
        reads_int8(op_of(rows.op)))
      return false;
    const OnnxShape& shape = out_[0].value.shape;
    Operator& op = op_of(rows.op);
    const std::int64_t length = shape.size() < 2 ? 1 : shape[shape.size() - 2];
    item(rows.op).repeat = op.rows / length;
    op = of_int8(OperatorKind::kEmbedding, static_cast<int>(length), op.columns);
    take_over(rows);
    return true;
  }

  static OnnxShape last_two(const OnnxShape& shape) {
    return {shape.end() - std::min<std::ptrdiff_t>(2, std::ssize(shape)), shape.end()};
  }

  void add_product_of_two(const std::vector<std::size_t>& dynamic) {
    append("arithmetic", pass(OperatorKind::kArithmetic, largest()));
    out_[0].op = inputs_[dynamic[0]].op;
    bool activated = false;
    for (const std::size_t i : dynamic) activated = activated || inputs_[i].is_activated;
    if (!activated || !is("Mul")) return;
    out_[0].is_activated = true;  // a gated FFN
    for (const std::size_t i : dynamic)
      if (inputs_[i].op != kNone && role_of(inputs_[i].op) == "matmul")
        role_of(inputs_[i].op) = "ffn.up";
  }

  OnnxShape largest() const {
    OnnxShape shape = out_[0].value.shape;
    for (const Tensor& each : inputs_)
      if (each.value.elements() > elements_of(shape.begin(), shape.end())) shape = each.value.shape;
    return shape;
  }

  // The tensor with which the elementwise nodes before an input begin.
  std::string root(std::size_t input) const {
    const auto found = group_begins_at_.find(node_->inputs[input]);
    return found == group_begins_at_.end() ? node_->inputs[input] : found->second;
  }

  void add_to_group(const std::string& begin) {
    auto [found, is_new] = group_of_.try_emplace(begin, static_cast<int>(groups_.size()));
    if (is_new) {
      const Tensor& tensor = tensors_.at(begin);
      groups_.push_back({tensor.value.shape, tensor.is_fresh ? tensor.op : kNone, 0, 0, 0});
    }
    const int number = found->second;
    Group& group = groups_[static_cast<std::size_t>(number)];
    if (is("ReduceMean")) ++group.means;
    if (is("Sub")) ++group.differences;
    add_part(group, number);
    out_[0].op = tensors_.at(begin).op;
    for (const Tensor& each : inputs_)
      out_[0].is_activated = out_[0].is_activated || each.is_activated;
    begin_at(begin);
  }
  void begin_at(const std::string& tensor) {
    if (!node_->outputs.empty()) group_begins_at_.insert_or_assign(node_->outputs[0], tensor);
  }

  void add_part(Group& group, int number) {
    if (is("Erf") || is("Tanh")) {
      add_gelu(group.op, out_[0].value.shape);
      group.parts += kNodesOfPattern;
      out_[0].is_activated = true;
    } else if (is("Sqrt") && group.means > 0) {
      append("norm", group.differences > 0 ? nonlinear(OperatorKind::kLayerNorm, group.shape)
                                           : pass(OperatorKind::kRmsNorm, group.shape, true));
      group.parts += kNodesOfPattern;
      group.means = group.differences = 0;
    } else if (is("Sigmoid")) {
      if (group.op != kNone && role_of(group.op) == "matmul") role_of(group.op) = "ffn.gate";
      append("ffn.silu", pass(OperatorKind::kSilu, out_[0].value.shape));
      ++group.parts;  // the product with what it is of
      out_[0].is_activated = true;
    } else if (is_one_of(node_->operation, kTranscendental)) {
      append("transcendental", pass(OperatorKind::kSilu, out_[0].value.shape));
    } else {
      append("arithmetic", pass(OperatorKind::kArithmetic, largest()), 1, number);
    }
  }

  const OnnxGraph& graph_;
  const Workload& workload_;
  std::unordered_map<std::string, Tensor> tensors_;
  std::unordered_map<std::string, std::string> group_begins_at_;
  std::unordered_map<std::string, int> group_of_;  // by the tensor with which it begins
  std::vector<Group> groups_;
  std::vector<Item> items_;
  std::int64_t vocabulary_ = 0;
  // Of the node that is added:
  const OnnxNode* node_ = nullptr;
  std::vector<Tensor> inputs_, out_;
};

// Some input has such a size.
bool has_size(const OnnxGraph& graph, Size wanted) {
  for (const OnnxInput& input : graph.inputs)
    for (const OnnxDimension& each : input.shape)
      if (each.size <= 0 && meaning_of(each.parameter) == wanted) return true;
  return false;
}

// Floating-point, or what is dequantized: without scales and zero points.
std::int64_t parameters_of(const OnnxGraph& graph) {
  std::set<std::string> dequantized, scales;
  for (const OnnxNode& node : graph.nodes) {
    if (node.operation != "DequantizeLinear" && node.operation != "QuantizeLinear") continue;
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      (i == 0 ? dequantized : scales).insert(node.inputs[i]);
  }
  std::int64_t sum = 0;
  for (const OnnxTensor& constant : graph.constants) {
    const bool counts = (constant.is_weight || dequantized.contains(constant.name)) &&
                        !constant.shape.empty() && !scales.contains(constant.name);
    if (counts)
      sum = cost_arithmetic::sum(sum, elements_of(constant.shape.begin(), constant.shape.end()));
  }
  return sum;
}

}  // namespace

ListedNetwork listed(const OnnxGraph& graph) {
  ListedNetwork network;
  network.parameters = parameters_of(graph);
  network.description = "ONNX graph of " + std::to_string(graph.nodes.size()) + " nodes";
  network.usual.biases = true;
  network.is_graph = true;
  network.has_length = has_size(graph, Size::kLength);
  network.has_batch = has_size(graph, Size::kBatch);
  if (!network.has_length) network.usual.sequence_length = 0;
  network.operators = [shared = std::make_shared<const OnnxGraph>(graph)](
                          const Workload& workload) { return Lister(*shared, workload).take(); };
  return network;
}

}  // namespace paretoformer::accel_sim
