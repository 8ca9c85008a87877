#include "nas/export/onnx_network.hpp"

#include <cstdint>
#include <utility>

#include "nas/export/onnx_parts.hpp"
#include "search_spaces/architecture.hpp"
#include "supernet/kernels/kernels.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

using supernet::ParameterLayout;
using Type = OnnxModel::Type;

constexpr auto kEpsilon = static_cast<float>(supernet::kNormEpsilon);

void output_logits(OnnxParts& parts, int vocabulary) {
  parts.model.output("logits", Type::float32, {"batch", "length", std::int64_t{vocabulary}});
}

class FloatGraph {
 public:
  FloatGraph(const ParameterLayout& layout, const std::vector<float>& parameters)
      : layout_(layout),
        network_(layout.largest()),
        parameters_(parameters),
        parts_(network_.head_width) {
    for (const supernet::Tensor& tensor : layout.tensors()) add(tensor);
  }

  OnnxModel build() {
    std::string x = embeddings();
    for (int l = 0; l < network_.depth(); ++l) {
      const std::string prefix = "layers." + std::to_string(l) + ".";
      x = attention(prefix + "attention.", network_.layers[static_cast<std::size_t>(l)].heads, x);
      x = feed_forward(prefix + "ffn.", x);
    }
    const std::string words = model_.node("Transpose", {"token_embedding.weight"}, "head",
                                          {{"perm", OnnxModel::Shape{1, 0}}});
    model_.node("MatMul", {norm("final_norm", x), words}, "logits");
    output_logits(parts_, layout_.vocabulary());
    return std::move(model_);
  }

 private:
  void add(const supernet::Tensor& tensor) {
    const float* const values = parameters_.data() + tensor.offset;
    const std::span all(values, tensor.size());
    if (tensor.offset >= layout_.matrix_size())
      model_.constant(tensor.name, {tensor.columns}, all);
    else if (tensor.offset == layout_.token_embedding ||
             tensor.offset == layout_.position_embedding)
      model_.constant(tensor.name, {tensor.rows, tensor.columns}, all);
    else
      parts_.turned(tensor.name, tensor.rows, tensor.columns, values);
  }

  std::string embeddings() {
    return model_.node(
        "Add",
        {model_.node("Gather", {"token_embedding.weight", parts_.tokens}, "token_embedding.rows"),
         parts_.first_rows("position_embedding.weight", "position_embedding.rows")},
        "embeddings");
  }

  std::string norm(const std::string& name, const std::string& x) {
    return model_.node("LayerNormalization", {x, name + ".weight", name + ".bias"}, name,
                       {{"axis", -1}, {"epsilon", kEpsilon}});
  }

  std::string linear(const std::string& name, const std::string& x) {
    return model_.node(
        "Add", {model_.node("MatMul", {x, name + ".weight"}, name + ".product"), name + ".bias"},
        name);
  }

  std::string attention(const std::string& prefix, int heads, const std::string& x) {
    const int width = network_.head_width;
    const std::string qkv = linear(prefix + "qkv", norm(prefix + "norm", x));
    model_.add_node("Split", {parts_.by_head(qkv, heads, 3 * width, prefix + "by_head")},
                    {prefix + "q", prefix + "k", prefix + "v"}, {{"axis", 3}});
    const std::string weights = parts_.probabilities(prefix, prefix + "q", prefix + "k");
    const std::string context =
        model_.node("MatMul", {weights, prefix + "v"}, prefix + "context.by_head");
    const std::string out =
        linear(prefix + "output", parts_.by_position(context, heads * width, prefix + "context"));
    return model_.node("Add", {x, out}, prefix + "residual");
  }

  std::string feed_forward(const std::string& prefix, const std::string& x) {
    const std::string up = linear(prefix + "up", norm(prefix + "norm", x));
    const std::string down = linear(prefix + "down", parts_.gelu(prefix + "gelu.", up));
    return model_.node("Add", {x, down}, prefix + "residual");
  }

  const ParameterLayout& layout_;
  const Architecture& network_;
  const std::vector<float>& parameters_;
  OnnxParts parts_;
  OnnxModel& model_ = parts_.model;
};

// Values that are int8 stand between QuantizeLinear and DequantizeLinear, where the quantised
// network has them; what is in between is computed in fp32, or in int8 where an engine joins them.
class IntegerGraph {
 public:
  explicit IntegerGraph(const supernet::QuantizedNetwork& quantized)
      : quantized_(quantized),
        network_(quantized.network),
        parts_(network_.head_width),
        zero_(model_.constant("zero", {}, std::span<const std::int8_t>(&kZero, 1))),
        share_(parts_.scalar("probabilities.scale", 1.0 / 127)) {
    const std::vector<float> ones(static_cast<std::size_t>(network_.model_width), 1);
    gain_ = model_.constant("norm.gain", {network_.model_width}, std::span<const float>(ones));
  }

  OnnxModel build() {
    std::string x = embeddings();
    for (std::size_t l = 0; l < quantized_.layers.size(); ++l) {
      const std::string prefix = "layers." + std::to_string(l) + ".";
      x = attention(prefix + "attention.", quantized_.layers[l], quantized_.scales.layers[l], x);
      x = feed_forward(prefix + "ffn.", quantized_.layers[l], quantized_.scales.layers[l], x);
    }
    const float norm_scale = quantized_.scales.norm;
    product("logits", "head", quantized_.head, norm("final_norm", x, norm_scale), norm_scale);
    output_logits(parts_, network_.vocabulary);
    return std::move(model_);
  }

 private:
  using Scales = supernet::LayerSites<float>;
  static constexpr std::int8_t kZero = 0;

  // Int8 numbers times their step.
  std::string multiplied_out(const std::string& numbers, const std::string& scale,
                             const std::string& name) {
    return model_.node("DequantizeLinear", {numbers, scale, zero_}, name);
  }
  std::string rounded_to(const std::string& x, const std::string& scale, const std::string& name) {
    return multiplied_out(model_.node("QuantizeLinear", {x, scale, zero_}, name + ".int8"), scale,
                          name + ".rounded");
  }
  std::string rounded(const std::string& x, float scale) {
    return rounded_to(x, parts_.scalar(x + ".scale", scale), x);
  }

  std::string embeddings() {
    const int d = network_.model_width;
    const supernet::Sites<float>& scales = quantized_.scales;
    const std::string tokens = model_.constant("token_embedding.weight", {network_.vocabulary, d},
                                               std::span(quantized_.tokens));
    const std::string positions = model_.constant(
        "position_embedding.weight", {quantized_.context, d}, std::span(quantized_.positions));
    const std::string token_rows =
        multiplied_out(model_.node("Gather", {tokens, parts_.tokens}, "token_embedding.rows"),
                       parts_.scalar("token_embedding.scale", scales.tokens), "token_embedding");
    const std::string position_rows = multiplied_out(
        parts_.first_rows(positions, "position_embedding.rows"),
        parts_.scalar("position_embedding.scale", scales.positions), "position_embedding");
    return rounded(model_.node("Add", {token_rows, position_rows}, "embeddings"), scales.input);
  }

  std::string norm(const std::string& name, const std::string& x, float scale) {
    return rounded(
        model_.node("LayerNormalization", {x, gain_}, name, {{"axis", -1}, {"epsilon", kEpsilon}}),
        scale);
  }

  // `result` = x W + bias, of x in steps of `scale`.
  std::string product(const std::string& result, const std::string& name,
                      const supernet::IntegerLinear& linear, const std::string& x, float scale) {
    const std::string numbers =
        parts_.turned(name + ".weight.int8", linear.outputs, linear.inputs, linear.weight.data());
    const std::string weight = multiplied_out(
        numbers, parts_.scalar(name + ".weight.scale", linear.weight_scale), name + ".weight");
    const std::string sums =
        model_.constant(name + ".bias.int32", {linear.outputs}, std::span(linear.bias));
    const std::string step =
        parts_.scalar(name + ".bias.scale",
                      static_cast<double>(scale) * static_cast<double>(linear.weight_scale));
    const std::string bias = model_.node("DequantizeLinear", {sums, step}, name + ".bias");
    return model_.node("Add", {model_.node("MatMul", {x, weight}, name + ".product"), bias},
                       result);
  }
  std::string linear(const std::string& name, const supernet::IntegerLinear& linear,
                     const std::string& x, float x_scale, float scale) {
    return rounded(product(name, name, linear, x, x_scale), scale);
  }

  std::string attention(const std::string& prefix, const supernet::IntegerLayer& layer,
                        const Scales& s, const std::string& x) {
    const int width = network_.head_width;
    const std::string n = norm(prefix + "norm", x, s.norm1);
    const auto heads = [&](const char* name, const supernet::IntegerLinear& weights, float scale) {
      return parts_.by_head(linear(prefix + name, weights, n, s.norm1, scale), layer.heads, width,
                            prefix + name + ".by_head");
    };
    const std::string q = heads("q", layer.query, s.query);
    const std::string k = heads("k", layer.key, s.key);
    const std::string v = heads("v", layer.value, s.value);
    const std::string weights = parts_.probabilities(prefix, q, k);
    const std::string context =
        rounded(parts_.by_position(model_.node("MatMul", {rounded_to(weights, share_, weights), v},
                                               prefix + "context.by_head"),
                                   layer.heads * width, prefix + "context"),
                s.context);
    const std::string out =
        linear(prefix + "output", layer.output, context, s.context, s.attention);
    return rounded(model_.node("Add", {x, out}, prefix + "residual"), s.middle);
  }

  std::string feed_forward(const std::string& prefix, const supernet::IntegerLayer& layer,
                           const Scales& s, const std::string& x) {
    const std::string up =
        linear(prefix + "up", layer.up, norm(prefix + "norm", x, s.norm2), s.norm2, s.up);
    const std::string gelu = rounded(parts_.gelu(prefix + "gelu.", up), s.gelu);
    const std::string down = linear(prefix + "down", layer.down, gelu, s.gelu, s.ffn);
    return rounded(model_.node("Add", {x, down}, prefix + "residual"), s.output);
  }

  const supernet::QuantizedNetwork& quantized_;
  const Architecture& network_;
  OnnxParts parts_;
  OnnxModel& model_ = parts_.model;
  std::string zero_, share_, gain_;
};

}  // namespace

std::string onnx_network(const ParameterLayout& supernet, const std::vector<float>& parameters,
                         const Architecture& network, std::map<std::string, std::string> metadata) {
  const ParameterLayout layout(network, supernet.context());
  const std::vector<float> weights = extract(supernet, parameters, layout);
  metadata["architecture"] = to_json(network).dump();
  metadata["context"] = std::to_string(layout.context());
  return FloatGraph(layout, weights).build().bytes("network", metadata);
}

std::string onnx_network(const supernet::QuantizedNetwork& network,
                         std::map<std::string, std::string> metadata) {
  metadata["architecture"] = to_json(network.network).dump();
  metadata["context"] = std::to_string(network.context);
  return IntegerGraph(network).build().bytes("network", metadata);
}

}  // namespace paretoformer::nas
