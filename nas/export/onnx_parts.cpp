#include "nas/export/onnx_parts.hpp"

#include <cmath>
#include <cstdint>

#include "supernet/kernels/kernels.hpp"

namespace paretoformer::nas {
namespace {

OnnxModel::Attribute perm(OnnxModel::Shape order) { return {"perm", std::move(order)}; }

}  // namespace

OnnxParts::OnnxParts(int head_width)
    : tokens(model.input("tokens", OnnxModel::Type::int64, {"batch", "length"})),
      length_(model.node("Shape", {tokens}, "length", {{"start", 1}, {"end", 2}})),
      scale_(scalar("attention.scale", 1 / std::sqrt(static_cast<double>(head_width)))) {
  // Far below every score above the diagonal; all layers share it.
  const std::string square = model.node("Concat", {length_, length_}, "mask.shape", {{"axis", 0}});
  const std::string masked =
      model.node("Expand", {scalar("mask.value", -1e9), square}, "mask.square");
  mask_ = model.node("Trilu", {masked, model.constant("mask.diagonal", {}, OnnxModel::Shape{1})},
                     "mask");
}

std::string OnnxParts::scalar(const std::string& name, double value) {
  const auto number = static_cast<float>(value);
  return model.constant(name, {}, std::span(&number, 1));
}

std::string OnnxParts::first_rows(const std::string& table, const std::string& name) {
  const std::string first = model.constant(name + ".first", {1}, OnnxModel::Shape{0});
  return model.node("Slice", {table, first, length_}, name);
}

std::string OnnxParts::by_head(const std::string& x, int heads, int width,
                               const std::string& name) {
  const std::string shape =
      model.constant(name + ".shape", {4}, OnnxModel::Shape{0, 0, heads, width});  // 0: as it is
  return model.node("Transpose", {model.node("Reshape", {x, shape}, name + ".heads")}, name,
                    {perm({0, 2, 1, 3})});
}

std::string OnnxParts::by_position(const std::string& x, int columns, const std::string& name) {
  const std::string shape = model.constant(name + ".shape", {3}, OnnxModel::Shape{0, 0, columns});
  return model.node(
      "Reshape", {model.node("Transpose", {x}, name + ".positions", {perm({0, 2, 1, 3})}), shape},
      name);
}

std::string OnnxParts::probabilities(const std::string& prefix, const std::string& q,
                                     const std::string& k) {
  const std::string keys = model.node("Transpose", {k}, prefix + "k.turned", {perm({0, 1, 3, 2})});
  const std::string scores = model.node("MatMul", {q, keys}, prefix + "scores");
  const std::string scaled = model.node("Mul", {scores, scale_}, prefix + "scores.scaled");
  return model.node("Softmax", {model.node("Add", {scaled, mask_}, prefix + "scores.masked")},
                    prefix + "probabilities", {{"axis", -1}});
}

std::string OnnxParts::gelu(const std::string& prefix, const std::string& x) {
  if (half_.empty()) {
    cubic_ = scalar("gelu.cubic", supernet::kGeluCubic);
    slope_ = scalar("gelu.slope", supernet::kSqrt2OverPi);
    one_ = scalar("gelu.one", 1);
    half_ = scalar("gelu.half", 0.5);
  }
  const auto node = [&](const char* operation, const std::string& a, const std::string& b,
                        const char* name) {
    return model.node(operation, {a, b}, prefix + name);
  };
  const std::string cube = node("Mul", node("Mul", x, x, "square"), x, "cube");
  const std::string bent = node("Add", x, node("Mul", cube, cubic_, "cubic"), "bent");
  const std::string curve =
      model.node("Tanh", {node("Mul", bent, slope_, "inner")}, prefix + "tanh");
  return node("Mul", node("Mul", x, half_, "half"), node("Add", curve, one_, "weight"), "output");
}

}  // namespace paretoformer::nas
