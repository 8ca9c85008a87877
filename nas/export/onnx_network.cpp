#include "nas/export/onnx_network.hpp"

#include <cmath>
#include <cstdint>
#include <utility>

#include "nas/export/onnx_model.hpp"
#include "search_spaces/architecture.hpp"
#include "supernet/kernels/kernels.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

using supernet::ParameterLayout;

class OnnxGraph {
 public:
  OnnxGraph(const ParameterLayout& layout, const std::vector<float>& parameters)
      : layout_(layout),
        network_(layout.largest()),
        parameters_(parameters),
        scale_(scalar("attention.scale", 1 / std::sqrt(static_cast<double>(network_.head_width)))) {
    for (const supernet::Tensor& tensor : layout.tensors()) add(tensor);
  }

  OnnxModel build() {
    using Type = OnnxModel::Type;
    const std::string tokens = model_.input("tokens", Type::int64, {"batch", "length"});
    std::string x = embeddings(tokens);
    for (int l = 0; l < network_.depth(); ++l) {
      const std::string prefix = "layers." + std::to_string(l) + ".";
      x = attention(prefix + "attention.", network_.layers[static_cast<std::size_t>(l)].heads, x);
      x = feed_forward(prefix + "ffn.", x);
    }
    const std::string words =
        model_.node("Transpose", {"token_embedding.weight"}, "head", {perm({1, 0})});
    model_.node("MatMul", {norm("final_norm", x), words}, "logits");
    model_.output("logits", Type::float32, {"batch", "length", std::int64_t{layout_.vocabulary()}});
    return std::move(model_);
  }

 private:
  static OnnxModel::Attribute perm(OnnxModel::Shape order) { return {"perm", std::move(order)}; }

  void add(const supernet::Tensor& tensor) {
    const std::span<const float> values(parameters_.data() + tensor.offset, tensor.size());
    const std::int64_t rows = tensor.rows;
    const std::int64_t columns = tensor.columns;
    if (tensor.offset >= layout_.matrix_size()) {
      model_.constant(tensor.name, {columns}, values);
    } else if (tensor.offset == layout_.token_embedding ||
               tensor.offset == layout_.position_embedding) {
      model_.constant(tensor.name, {rows, columns}, values);
    } else {
      std::vector<float> turned(values.size());
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::size_t row = i / static_cast<std::size_t>(columns);
        const std::size_t column = i % static_cast<std::size_t>(columns);
        turned[column * static_cast<std::size_t>(rows) + row] = values[i];
      }
      model_.constant(tensor.name, {columns, rows}, turned);
    }
  }

  std::string scalar(const std::string& name, double value) {
    const auto number = static_cast<float>(value);
    return model_.constant(name, {}, {&number, 1});
  }

  // Also makes the mask, which all layers share: far below every score above the diagonal.
  std::string embeddings(const std::string& tokens) {
    const std::string length = model_.node("Shape", {tokens}, "length", {{"start", 1}, {"end", 2}});
    const std::string first = model_.constant("first", {1}, OnnxModel::Shape{0});
    const std::string positions = model_.node("Slice", {"position_embedding.weight", first, length},
                                              "position_embedding.rows");
    const std::string square = model_.node("Concat", {length, length}, "mask.shape", {{"axis", 0}});
    const std::string masked =
        model_.node("Expand", {scalar("mask.value", -1e9), square}, "mask.square");
    mask_ = model_.node(
        "Trilu", {masked, model_.constant("mask.diagonal", {}, OnnxModel::Shape{1})}, "mask");
    return model_.node(
        "Add",
        {model_.node("Gather", {"token_embedding.weight", tokens}, "token_embedding.rows"),
         positions},
        "embeddings");
  }

  std::string norm(const std::string& name, const std::string& x) {
    return model_.node("LayerNormalization", {x, name + ".weight", name + ".bias"}, name,
                       {{"axis", -1}, {"epsilon", static_cast<float>(supernet::kNormEpsilon)}});
  }

  std::string linear(const std::string& name, const std::string& x) {
    return model_.node(
        "Add", {model_.node("MatMul", {x, name + ".weight"}, name + ".product"), name + ".bias"},
        name);
  }

  std::string attention(const std::string& prefix, int heads, const std::string& x) {
    const std::int64_t width = network_.head_width;
    const auto reshaped = [&](const std::string& from, const std::string& name,
                              const OnnxModel::Shape& shape) {  // 0: as it is
      const auto sizes = static_cast<std::int64_t>(shape.size());
      return model_.node("Reshape", {from, model_.constant(name + ".shape", {sizes}, shape)}, name);
    };
    const std::string qkv = linear(prefix + "qkv", norm(prefix + "norm", x));
    const std::string by_head =
        model_.node("Transpose", {reshaped(qkv, prefix + "heads", {0, 0, heads, 3 * width})},
                    prefix + "by_head", {perm({0, 2, 1, 3})});
    model_.add_node("Split", {by_head}, {prefix + "q", prefix + "k", prefix + "v"}, {{"axis", 3}});
    const std::string keys =
        model_.node("Transpose", {prefix + "k"}, prefix + "k.turned", {perm({0, 1, 3, 2})});
    const std::string scores = model_.node("MatMul", {prefix + "q", keys}, prefix + "scores");
    const std::string scaled = model_.node("Mul", {scores, scale_}, prefix + "scores.scaled");
    const std::string seen = model_.node("Add", {scaled, mask_}, prefix + "scores.masked");
    const std::string weights =
        model_.node("Softmax", {seen}, prefix + "probabilities", {{"axis", -1}});
    const std::string context = model_.node(
        "Transpose", {model_.node("MatMul", {weights, prefix + "v"}, prefix + "context.by_head")},
        prefix + "context.by_position", {perm({0, 2, 1, 3})});
    const std::string out =
        linear(prefix + "output", reshaped(context, prefix + "context", {0, 0, heads * width}));
    return model_.node("Add", {x, out}, prefix + "residual");
  }

  // GELU in its tanh form; the operator of that name is newer than operator set 17.
  std::string gelu(const std::string& prefix, const std::string& x) {
    if (half_.empty()) {
      cubic_ = scalar("gelu.cubic", supernet::kGeluCubic);
      slope_ = scalar("gelu.slope", supernet::kSqrt2OverPi);
      one_ = scalar("gelu.one", 1);
      half_ = scalar("gelu.half", 0.5);
    }
    const auto node = [&](const char* operation, const std::string& a, const std::string& b,
                          const char* name) {
      return model_.node(operation, {a, b}, prefix + name);
    };
    const std::string cube = node("Mul", node("Mul", x, x, "square"), x, "cube");
    const std::string bent = node("Add", x, node("Mul", cube, cubic_, "cubic"), "bent");
    const std::string curve =
        model_.node("Tanh", {node("Mul", bent, slope_, "inner")}, prefix + "tanh");
    return node("Mul", node("Mul", x, half_, "half"), node("Add", curve, one_, "weight"), "output");
  }

  std::string feed_forward(const std::string& prefix, const std::string& x) {
    const std::string up = linear(prefix + "up", norm(prefix + "norm", x));
    const std::string down = linear(prefix + "down", gelu(prefix + "gelu.", up));
    return model_.node("Add", {x, down}, prefix + "residual");
  }

  const ParameterLayout& layout_;
  const Architecture& network_;
  const std::vector<float>& parameters_;
  OnnxModel model_;
  std::string scale_, mask_, cubic_, slope_, one_, half_;
};

}  // namespace

std::string onnx_network(const ParameterLayout& supernet, const std::vector<float>& parameters,
                         const Architecture& network, std::map<std::string, std::string> metadata) {
  const ParameterLayout layout(network, supernet.context());
  const std::vector<float> weights = extract(supernet, parameters, layout);
  metadata["architecture"] = to_json(network).dump();
  metadata["context"] = std::to_string(layout.context());
  return OnnxGraph(layout, weights).build().bytes("network", metadata);
}

}  // namespace paretoformer::nas
