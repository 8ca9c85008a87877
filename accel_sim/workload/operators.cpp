#include "accel_sim/workload/operators.hpp"

#include <algorithm>
#include <sstream>

#include "accel_sim/hardware/hardware_cost.hpp"
#include "support/error.hpp"
#include "support/random.hpp"
#include "support/words.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr Words<OperatorKind, 10> kKindWords{{{OperatorKind::kMatmul, "matmul"},
                                              {OperatorKind::kSoftmax, "softmax"},
                                              {OperatorKind::kLayerNorm, "layer_norm"},
                                              {OperatorKind::kGelu, "gelu"},
                                              {OperatorKind::kResidualAdd, "residual_add"},
                                              {OperatorKind::kEmbedding, "embedding"},
                                              {OperatorKind::kRmsNorm, "rms_norm"},
                                              {OperatorKind::kSilu, "silu"},
                                              {OperatorKind::kRotary, "rotary"},
                                              {OperatorKind::kArithmetic, "arithmetic"}}};
constexpr Words<RightOperand, 5> kRightWords{
    {{RightOperand::kNone, "-"},
     {RightOperand::kWeights, "weights"},
     {RightOperand::kActivations, "activations"},
     {RightOperand::kTransposedActivations, "transposed_activations"},
     {RightOperand::kInt4Weights, "int4_weights"}}};
constexpr Words<Activation, 6> kActivationWords{{{Activation::kNone, "-"},
                                                 {Activation::kGelu, "gelu"},
                                                 {Activation::kSoftmax, "softmax"},
                                                 {Activation::kSums, "sums"},
                                                 {Activation::kLayerNorm, "layer_norm"},
                                                 {Activation::kRelu, "relu"}}};
// At the end of an operator's text, which says nothing when there is none.
constexpr Words<Bias, 4> kBiasWords{{{Bias::kNone, ""},
                                     {Bias::kRow, "row_bias"},
                                     {Bias::kFull, "full_bias"},
                                     {Bias::kTriangle, "triangle"}}};

template <typename Enum, std::size_t kSize>
bool parse(const std::string& word, const Words<Enum, kSize>& words, Enum& value) {
  const std::optional<Enum> found = words.find(word);
  if (found) value = *found;
  return found.has_value();
}

bool consistent(const Operator& op) {
  if (op.rows < 1 || op.columns < 1) return false;
  if (std::max({op.rows, op.inner, op.columns}) > kLargestExtent) return false;
  if (op.bias == Bias::kTriangle &&
      (op.rows != op.columns || op.right != RightOperand::kTransposedActivations))
    return false;
  if (op.kind == OperatorKind::kMatmul) return op.inner >= 1 && op.right != RightOperand::kNone;
  if (op.inner > 0 && op.right != RightOperand::kNone) {
    if (op.kind == OperatorKind::kSoftmax) return op.activation == Activation::kNone;
    return op.kind == OperatorKind::kLayerNorm && op.activation == Activation::kLayerNorm;
  }
  return op == elementwise(op.kind, op.rows, op.columns) ||
         (reads_int8(op) && op == of_int8(op.kind, op.rows, op.columns));
}

}  // namespace

std::size_t OperatorHash::operator()(const Operator& op) const {
  const auto word = [](int high, int low) {
    return static_cast<std::uint64_t>(static_cast<std::uint32_t>(high)) << 32 |
           static_cast<std::uint32_t>(low);
  };
  const int kinds = static_cast<int>(op.bias) << 12 | static_cast<int>(op.kind) << 8 |
                    static_cast<int>(op.right) << 4 | static_cast<int>(op.activation);
  return mix64(mix64(word(op.rows, op.inner)) ^ word(op.columns, kinds));
}

Operator matmul(int rows, int inner, int columns, RightOperand right, Activation activation,
                Bias bias) {
  return {OperatorKind::kMatmul, right, activation, rows, inner, columns, bias};
}

Operator elementwise(OperatorKind kind, int rows, int columns) {
  return {kind, RightOperand::kNone, Activation::kNone, rows, 0, columns};
}

Operator of_int8(OperatorKind kind, int rows, int columns) {
  Operator op = elementwise(kind, rows, columns);
  op.inner = kind == OperatorKind::kLayerNorm ? kNormReads : 1;
  return op;
}

bool reads_int8(const Operator& op) {
  return op.inner > 0 && op.right == RightOperand::kNone &&
         (op.kind == OperatorKind::kLayerNorm || op.kind == OperatorKind::kGelu ||
          op.kind == OperatorKind::kEmbedding);
}

Operator softmax_of(const Operator& scores) {
  Operator part = scores;
  part.kind = OperatorKind::kSoftmax;
  part.activation = Activation::kNone;
  return part;
}

Operator layer_norm_of(const Operator& matmul) {
  Operator part = matmul;
  part.kind = OperatorKind::kLayerNorm;
  return part;
}

std::optional<Operator> matmul_of(const Operator& part) {
  if (part.kind == OperatorKind::kMatmul || part.inner == 0 || reads_int8(part))
    return std::nullopt;
  Operator matmul = part;
  matmul.kind = OperatorKind::kMatmul;
  if (part.kind == OperatorKind::kSoftmax) matmul.activation = Activation::kSoftmax;
  return matmul;
}

std::string describe(const Operator& op) {
  std::ostringstream text;
  text << kKindWords.word_of(op.kind) << ' ' << kRightWords.word_of(op.right) << ' '
       << kActivationWords.word_of(op.activation) << ' ' << op.rows << ' ' << op.inner << ' '
       << op.columns;
  if (op.bias != Bias::kNone) text << ' ' << kBiasWords.word_of(op.bias);
  return text.str();
}

Operator operator_from_text(const std::string& text) {
  std::istringstream words(text);
  std::string kind, right, activation, bias, rest;
  Operator op;
  words >> kind >> right >> activation >> op.rows >> op.inner >> op.columns;
  const bool complete = !words.fail();
  words >> bias;  // stays empty at the end
  if (!complete || words >> rest || !parse(bias, kBiasWords, op.bias) ||
      !parse(kind, kKindWords, op.kind) || !parse(right, kRightWords, op.right) ||
      !parse(activation, kActivationWords, op.activation) || !consistent(op))
    throw InputError("\"" + text +
                     "\" is no operator: expected kind, right operand, activation, rows, inner, "
                     "columns and, if it has one, row_bias, full_bias or triangle");
  return op;
}

bool loads_bias(const Operator& op) { return op.bias == Bias::kRow || op.bias == Bias::kFull; }

std::int64_t bias_bytes(const Operator& op) {
  const std::int64_t rows = !loads_bias(op) ? 0 : op.bias == Bias::kRow ? 1 : op.rows;
  return rows * op.columns * kSumBytes;
}

std::int64_t right_bytes(const Operator& matmul) {
  if (matmul.right != RightOperand::kInt4Weights)
    return std::int64_t{matmul.inner} * matmul.columns;
  return (std::int64_t{matmul.inner} + int4_groups(matmul.inner)) * int4_bytes(matmul.columns);
}

OperatorStatistics statistics(const Operator& op) {
  const std::int64_t m = op.rows, k = op.inner, n = op.columns;
  const std::int64_t elements = m * n;
  switch (op.kind) {
    case OperatorKind::kMatmul: {
      const std::int64_t macs = elements * k;
      const bool adds = has_weights(op) || op.bias != Bias::kNone;
      return {macs, adds ? 2 * macs : 2 * macs - elements,
              m * k + right_bytes(op) + elements + bias_bytes(op)};
    }
    case OperatorKind::kSoftmax:
      return {0, 4 * elements, 2 * elements};
    case OperatorKind::kLayerNorm:
      return {0, 8 * elements, 2 * elements};
    case OperatorKind::kGelu:
      return {0, 10 * elements, 2 * elements};
    case OperatorKind::kResidualAdd:
      return {0, elements, 3 * elements};
    case OperatorKind::kEmbedding:
      if (reads_int8(op)) return {0, elements, 3 * elements};
      return {0, 0, 2 * elements};
    case OperatorKind::kRmsNorm:
    case OperatorKind::kSilu:
      return {0, 4 * elements, 2 * elements};
    case OperatorKind::kRotary:
      return {0, 3 * elements, 2 * elements};
    case OperatorKind::kArithmetic:
      return {0, elements, 3 * elements};
  }
  throw Error("statistics of an unknown kind of operator");
}

bool masks_scores(const Workload& workload) {
  return workload.mask == Mask::kCausal && workload.mode == Mode::kPrefill;
}

std::int64_t macs(const TransformerOperator& item) {
  return cost_arithmetic::product(item.repeat, statistics(item.op).macs);
}

}  // namespace paretoformer::accel_sim
