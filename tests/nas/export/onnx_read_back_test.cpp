// ONNX models that are written and read again: ours, whose operators are those of the architecture,
// and the ways in which other exporters write the same.
#include <gmock/gmock.h>

#include <cmath>
#include <numeric>
#include <tuple>

#include "accel_sim/workload/networks.hpp"
#include "accel_sim/workload/onnx_network.hpp"
#include "accel_sim/workload/profile.hpp"
#include "nas/export/onnx_model.hpp"
#include "nas/export/onnx_network.hpp"
#include "search_spaces/search_space.hpp"
#include "supernet/quantization/int8_evaluation.hpp"
#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::nas {
namespace {

using accel_sim::Activation;
using accel_sim::Bias;
using accel_sim::elementwise;
using accel_sim::matmul;
using accel_sim::Operator;
using accel_sim::OperatorKind;
using accel_sim::RightOperand;
using accel_sim::TransformerOperator;
using accel_sim::Workload;
using ::testing::HasSubstr;
using Type = OnnxModel::Type;
using Shape = OnnxModel::Shape;

// Role, operator, repeat.
using Line = std::tuple<std::string, std::string, std::int64_t>;

std::vector<Line> lines_of(const std::vector<TransformerOperator>& list, bool matmuls_only) {
  std::vector<Line> lines;
  for (const TransformerOperator& item : list)
    if (!matmuls_only || item.op.kind == OperatorKind::kMatmul)
      lines.emplace_back(item.role, describe(item.op), item.repeat);
  return lines;
}

accel_sim::ListedNetwork read(const std::string& bytes) {
  return listed(accel_sim::onnx_graph(bytes, "model.onnx"));
}

// --- ours

TEST(OnnxReadBack, OurMatmulsAreTheArchitectures) {
  constexpr int kContext = 20;
  const SearchSpace space = SearchSpace::find("quickstart").with_vocabulary(97);
  const supernet::ParameterLayout layout(space, kContext);
  const std::vector<float> weights(layout.size(), 0.5F);
  Random random(3);
  for (int i = 0; i < 5; ++i) {
    const Architecture network = i == 0 ? space.largest() : space.sample(random);
    const accel_sim::ListedNetwork file = read(onnx_network(layout, weights, network, {}));
    EXPECT_EQ(file.parameters, parameter_count(network, kContext));
    for (const int batch : {1, 3}) {
      const Workload workload{
          .sequence_length = 11, .mask = accel_sim::Mask::kCausal, .biases = true, .batch = batch};
      EXPECT_EQ(lines_of(file.operators(workload), true),
                lines_of(transformer_operators(network, workload), true));
    }
    // Element-wise operators as well, but for the positions, which the library's transformer.c
    // does not add, and the head's bias, which the graph does not have.
    Workload workload = accel_sim::kSupernetWorkload;
    workload.sequence_length = 11;
    workload.batch = 3;
    std::vector<TransformerOperator> ours = transformer_operators(network, workload);
    ours.back().op.bias = Bias::kNone;
    const std::vector<TransformerOperator> theirs = file.operators(workload);
    ASSERT_EQ(theirs.size(), ours.size());
    for (std::size_t k = 0; k < ours.size(); ++k) {
      EXPECT_EQ(theirs[k].op, ours[k].op) << ours[k].role;
      EXPECT_EQ(theirs[k].repeat, ours[k].repeat) << ours[k].role;
    }
  }
}

// With queries, keys and values apart, and the bias of the head.
TEST(OnnxReadBack, OurInt8OperatorsAreTheArchitectures) {
  constexpr int kContext = 12, kVocabulary = 97;
  const SearchSpace space = SearchSpace::find("quickstart").with_vocabulary(kVocabulary);
  const supernet::ParameterLayout layout(space.largest(), kContext);
  Random random(5);
  std::vector<float> weights(layout.size());
  for (float& weight : weights) weight = static_cast<float>(0.2 * random.normal());
  const std::vector<std::int32_t> text(kContext + 1, 7);
  const Architecture network = space.sample(random);
  const accel_sim::ListedNetwork file =
      read(onnx_network(calibrated(fold(layout, weights.data(), network),
                                   {text.data(), text.data() + 1, 1, kContext}),
                        {}));
  Workload workload = accel_sim::kSupernetWorkload;
  workload.sequence_length = 11;
  std::vector<Operator> ours, theirs;
  for (const TransformerOperator& item : transformer_operators(network, workload))
    ours.insert(ours.end(), static_cast<std::size_t>(item.repeat), item.op);
  for (const TransformerOperator& item : file.operators(workload))
    theirs.insert(theirs.end(), static_cast<std::size_t>(item.repeat), item.op);
  EXPECT_EQ(theirs, ours);
  // Gains and biases of LayerNorms are in the matrices, of which the head is one of its own, with a
  // bias; what is left is a gain of one.
  const std::int64_t d = network.model_width;
  EXPECT_EQ(file.parameters, parameter_count(network, kContext) -
                                 2 * d * (2 * network.depth() + 1) + (d + 1) * kVocabulary + d);
}

// --- others'

// A graph of one input, x.
class Graph {
 public:
  explicit Graph(const std::vector<OnnxModel::Dimension>& shape) {
    model_.input("x", Type::float32, shape);
  }

  std::string weights(const Shape& shape) {
    const std::int64_t size =
        std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
    return model_.constant(name(), shape, std::vector<float>(static_cast<std::size_t>(size), 1));
  }
  std::string number(float value) { return model_.constant(name(), {}, std::span(&value, 1)); }
  std::string list(const Shape& values) {
    return model_.constant(name(), {static_cast<std::int64_t>(values.size())}, values);
  }
  std::string node(std::string_view operation, const OnnxModel::Names& inputs,
                   std::initializer_list<OnnxModel::Attribute> attributes = {}) {
    return model_.node(operation, inputs, name(), attributes);
  }
  std::string linear(const std::string& x, std::int64_t inner, std::int64_t columns) {
    return node("Add", {weights({columns}), node("MatMul", {x, weights({inner, columns})})});
  }
  std::string bytes() { return model_.bytes("graph", {}); }
  std::vector<Line> lines(const Workload& workload = {.sequence_length = 8, .biases = true}) {
    return lines_of(read(bytes()).operators(workload), false);
  }

 private:
  std::string name() { return "t" + std::to_string(count_++); }

  OnnxModel model_;
  int count_ = 0;
};

Line line(const char* role, const Operator& op, std::int64_t repeat = 1) {
  return {role, describe(op), repeat};
}

constexpr std::int64_t kLast = -1;

TEST(OnnxReadBack, GeluByErf) {
  Graph graph({"batch", "sequence_length", std::int64_t{16}});
  const std::string up = graph.linear("x", 16, 32);
  const std::string erf =
      graph.node("Erf", {graph.node("Div", {up, graph.number(std::sqrt(2.0F))})});
  const std::string product = graph.node("Mul", {up, graph.node("Add", {erf, graph.number(1)})});
  graph.linear(graph.node("Mul", {product, graph.number(0.5F)}), 32, 16);
  EXPECT_THAT(
      graph.lines(),
      ::testing::ElementsAre(
          line("ffn.up", matmul(8, 16, 32, RightOperand::kWeights, Activation::kGelu, Bias::kRow)),
          line("ffn.gelu", elementwise(OperatorKind::kGelu, 8, 32)),
          line("ffn.down",
               matmul(8, 32, 16, RightOperand::kWeights, Activation::kNone, Bias::kRow))));
}

// LayerNorm before there was an operator of its own; RMSNorm.
std::string norm(Graph& graph, const std::string& x, std::int64_t width, bool rms) {
  const auto mean = [&](const std::string& of) {
    return graph.node("ReduceMean", {of}, {{"axes", Shape{kLast}}});
  };
  const std::string centred = rms ? x : graph.node("Sub", {x, mean(x)});
  const std::string square = graph.node("Pow", {centred, graph.number(2)});
  const std::string root =
      graph.node("Sqrt", {graph.node("Add", {mean(square), graph.number(1e-5F)})});
  const std::string scaled =
      graph.node("Mul", {graph.node("Div", {centred, root}), graph.weights({width})});
  return rms ? scaled : graph.node("Add", {scaled, graph.weights({width})});
}

TEST(OnnxReadBack, NormalisationsInTheirParts) {
  for (const bool rms : {false, true}) {
    Graph graph({std::int64_t{2}, "seq", std::int64_t{16}});
    graph.node("MatMul", {norm(graph, "x", 16, rms), graph.weights({16, 4})});
    EXPECT_THAT(
        graph.lines(),
        ::testing::ElementsAre(
            line("norm",
                 elementwise(rms ? OperatorKind::kRmsNorm : OperatorKind::kLayerNorm, 16, 16)),
            line("matmul", matmul(16, 16, 4))));
  }
}

TEST(OnnxReadBack, NothingIsHiddenInAPattern) {
  Graph graph({std::int64_t{1}, "seq", std::int64_t{16}});
  std::string x = norm(graph, "x", 16, false);
  // More than the pattern has room for: each is a pass of the host.
  for (int i = 0; i < 12; ++i) x = graph.node("Mul", {x, graph.weights({16})});
  const std::vector<Line> lines = graph.lines();
  EXPECT_GE(std::count(lines.begin(), lines.end(),
                       line("arithmetic", elementwise(OperatorKind::kArithmetic, 8, 16))),
            11);
}

TEST(OnnxReadBack, GatedFfn) {
  Graph graph({std::int64_t{1}, "seq", std::int64_t{16}});
  const std::string gate = graph.node("MatMul", {"x", graph.weights({16, 24})});
  const std::string silu = graph.node("Mul", {gate, graph.node("Sigmoid", {gate})});
  const std::string up = graph.node("MatMul", {"x", graph.weights({16, 24})});
  graph.node("MatMul", {graph.node("Mul", {silu, up}), graph.weights({24, 16})});
  EXPECT_THAT(graph.lines(), ::testing::ElementsAre(
                                 line("ffn.gate", matmul(8, 16, 24)),
                                 line("ffn.silu", elementwise(OperatorKind::kSilu, 8, 24)),
                                 line("ffn.up", matmul(8, 16, 24)),
                                 line("arithmetic", elementwise(OperatorKind::kArithmetic, 8, 24)),
                                 line("ffn.down", matmul(8, 24, 16))));
}

// As torch exports it: sizes by Shape, Gather and Concat, a mask by Where.
TEST(OnnxReadBack, AttentionWithComputedSizes) {
  Graph graph({"batch_size", "sequence", std::int64_t{16}});
  const auto size = [&](std::int64_t axis) {
    return graph.node("Gather", {graph.node("Shape", {"x"}), graph.list({axis})});
  };
  const std::string sizes =
      graph.node("Concat", {size(0), size(1), graph.list({4, 4})}, {{"axis", std::int64_t{0}}});
  const auto heads = [&](const Shape& order) {
    return graph.node("Transpose", {graph.node("Reshape", {graph.linear("x", 16, 16), sizes})},
                      {{"perm", order}});
  };
  const std::string scores = graph.node("MatMul", {heads({0, 2, 1, 3}), heads({0, 2, 3, 1})});
  const std::string square = graph.node("Concat", {size(1), size(1)}, {{"axis", std::int64_t{0}}});
  const std::string mask = graph.node("Trilu", {graph.node("Expand", {graph.number(1), square})},
                                      {{"upper", std::int64_t{0}}});
  const std::string masked = graph.node(
      "Where", {mask, graph.node("Div", {scores, graph.number(2)}), graph.number(-1e4F)});
  const std::string context = graph.node(
      "MatMul", {graph.node("Softmax", {masked}, {{"axis", kLast}}), heads({0, 2, 1, 3})});
  const std::string together = graph.node(
      "Reshape",
      {graph.node("Transpose", {context}, {{"perm", Shape{0, 2, 1, 3}}}), graph.list({0, 0, -1})});
  graph.node("Add", {graph.linear(together, 16, 16), "x"});
  const Operator projection =
      matmul(24, 16, 16, RightOperand::kWeights, Activation::kNone, Bias::kRow);
  const Operator all =
      matmul(8, 4, 8, RightOperand::kTransposedActivations, Activation::kSoftmax, Bias::kFull);
  EXPECT_THAT(graph.lines({.sequence_length = 8, .biases = true, .batch = 3}),
              ::testing::ElementsAre(
                  line("attention.qkv", projection), line("attention.qkv", projection),
                  line("attention.scores", all, 12), line("attention.softmax", softmax_of(all), 12),
                  line("attention.qkv", projection),
                  line("attention.context", matmul(8, 8, 4, RightOperand::kActivations), 12),
                  line("attention.output", projection),
                  line("residual", elementwise(OperatorKind::kResidualAdd, 24, 16))));
}

TEST(OnnxReadBack, ConvolutionsAreTheirMatmuls) {
  Graph graph({"N", std::int64_t{3}, std::int64_t{32}, std::int64_t{32}});
  const auto conv = [&](const std::string& x, const Shape& weights, std::int64_t stride,
                        std::int64_t groups) {
    const std::int64_t pad = weights[2] / 2;
    return graph.node("Conv", {x, graph.weights(weights), graph.weights({weights[0]})},
                      {{"strides", Shape{stride, stride}},
                       {"pads", Shape{pad, pad, pad, pad}},
                       {"group", groups}});
  };
  std::string y = graph.node("Relu", {conv("x", {16, 3, 7, 7}, 2, 1)});
  y = graph.node(
      "MaxPool", {y},
      {{"kernel_shape", Shape{3, 3}}, {"strides", Shape{2, 2}}, {"pads", Shape{1, 1, 1, 1}}});
  y = graph.node("Relu", {graph.node("Add", {conv(y, {16, 1, 3, 3}, 1, 16), y})});
  y = graph.node("Flatten", {graph.node("GlobalAveragePool", {y})});
  graph.node("Gemm", {y, graph.weights({10, 16}), graph.weights({10})},
             {{"transB", std::int64_t{1}}});
  const auto with_bias = [](int m, int k, int n, Activation then) {
    return matmul(m, k, n, RightOperand::kWeights, then, Bias::kRow);
  };
  EXPECT_THAT(graph.lines({.biases = true, .batch = 2}),
              ::testing::ElementsAre(
                  line("convolution", with_bias(2 * 16 * 16, 49 * 3, 16, Activation::kRelu)),
                  line("pooling", elementwise(OperatorKind::kArithmetic, 2 * 8 * 8 * 9, 16)),
                  line("convolution", with_bias(2 * 8 * 8, 9, 1, Activation::kNone), 16),
                  line("residual", elementwise(OperatorKind::kResidualAdd, 2 * 16 * 8, 8)),
                  line("pooling", elementwise(OperatorKind::kArithmetic, 2 * 8 * 8, 16)),
                  line("matmul", with_bias(2, 16, 10, Activation::kNone))));
  const accel_sim::ListedNetwork network = read(graph.bytes());
  EXPECT_FALSE(network.has_length);
  EXPECT_TRUE(network.has_batch);
  EXPECT_EQ(network.parameters, 16 * 3 * 49 + 16 + 16 * 9 + 16 + 160 + 10);
}

// The preset's FLOPs, from a graph with its convolutions.
TEST(OnnxReadBack, ResNet50sConvolutionsHaveThePresetsFlops) {
  const auto preset =
      std::get<accel_sim::ConvolutionalNetwork>(accel_sim::find_model("resnet50").network);
  std::int64_t flops = 0;
  for (const accel_sim::ConvolutionLayer& layer : preset.convolutions) {
    const accel_sim::Convolution& c = layer.convolution;
    Graph graph({std::int64_t{1}, std::int64_t{c.input_channels}, std::int64_t{c.image},
                 std::int64_t{c.image}});
    const std::int64_t pad = c.kernel / 2;
    graph.node("Conv",
               {"x", graph.weights({c.output_channels, c.input_channels, c.kernel, c.kernel})},
               {{"strides", Shape{c.stride, c.stride}}, {"pads", Shape{pad, pad, pad, pad}}});
    flops +=
        layer.repeat * accel_sim::profile(read(graph.bytes()), 1, accel_sim::Mode::kPrefill, false)
                           .of(accel_sim::OperatorClass::kConvolution)
                           .flops;
  }
  EXPECT_EQ(flops,
            accel_sim::profile(preset, false).of(accel_sim::OperatorClass::kConvolution).flops);
}

// --- what is refused

std::string error_of(const std::string& bytes) {
  try {
    read(bytes).operators({.sequence_length = 8});
  } catch (const InputError& error) {
    return error.what();
  }
  return "no error";
}

TEST(OnnxReadBack, NamesTheNodeThatIsNotUnderstood) {
  Graph unknown({std::int64_t{1}, std::int64_t{4}});
  unknown.node("MatMul", {unknown.node("Bernoulli", {"x"}), unknown.weights({4, 4})});
  EXPECT_THAT(error_of(unknown.bytes()),
              HasSubstr("model.onnx: node \"t0\" (Bernoulli): is not understood"));
  Graph unfit({std::int64_t{1}, std::int64_t{4}});
  unfit.node("MatMul", {"x", unfit.weights({5, 4})});
  EXPECT_THAT(error_of(unfit.bytes()), HasSubstr("node \"t1\" (MatMul): the shapes of its inputs"));
  Graph unordered({std::int64_t{1}, std::int64_t{4}});
  unordered.node("MatMul", {"later", "x"});
  EXPECT_THAT(error_of(unordered.bytes()), HasSubstr("(MatMul): its input \"later\" is not"));
  Graph size({"past_sequence_length", std::int64_t{4}});
  size.node("MatMul", {"x", size.weights({4, 4})});
  EXPECT_THAT(error_of(size.bytes()),
              HasSubstr("input \"x\": its extent \"past_sequence_length\""));
  Graph axis({std::int64_t{4}, std::int64_t{4}});
  axis.node("Softmax", {"x"}, {{"axis", std::int64_t{0}}});
  EXPECT_THAT(error_of(axis.bytes()), HasSubstr("(Softmax): is along an axis"));
  Graph huge({std::int64_t{1} << 19, std::int64_t{4}, std::int64_t{4}});
  huge.node("MatMul", {"x", huge.weights({4, 4})});
  EXPECT_THAT(error_of(huge.bytes()), HasSubstr("(MatMul): its rows 2097152"));
  Graph unknown_size({std::int64_t{1}, std::int64_t{4}});
  unknown_size.node("Reshape", {"x", "x"});
  EXPECT_THAT(error_of(unknown_size.bytes()), HasSubstr("(Reshape): its input \"x\" decides"));
}

TEST(OnnxReadBack, DamagedFilesAreErrors) {
  Graph graph({std::int64_t{1}, std::int64_t{4}});
  graph.linear("x", 4, 4);
  const std::string bytes = graph.bytes();
  EXPECT_EQ(error_of(bytes), "no error");
  for (std::size_t size = 0; size < bytes.size(); ++size)
    EXPECT_THAT(error_of(bytes.substr(0, size)), HasSubstr("model.onnx: ")) << size;
}

}  // namespace
}  // namespace paretoformer::nas
