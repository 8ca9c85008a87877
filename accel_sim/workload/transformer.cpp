#include "accel_sim/workload/transformer.hpp"

#include <algorithm>

#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

constexpr std::size_t kOperatorsPerLayer = 12;
constexpr std::size_t kOperatorsOutsideLayers = 3;

int attention_width(int heads, int head_width) {
  const std::int64_t width = static_cast<std::int64_t>(heads) * head_width;
  if (width > kLargestExtent)
    throw InputError(std::to_string(heads) + " heads of width " + std::to_string(head_width) +
                     " are out of range: expected at most " + std::to_string(kLargestExtent) +
                     " together");
  return static_cast<int>(width);
}

void require_size(const Workload& workload) {
  const int length = workload.sequence_length;
  if (length < 1 || length > kLargestExtent)
    throw InputError("sequence length " + std::to_string(length) +
                     " is out of range: expected 1 to " + std::to_string(kLargestExtent));
  if (workload.batch < 1 || workload.batch > kLargestExtent / workload.computed_positions())
    throw InputError("a batch of " + std::to_string(workload.batch) + " with " +
                     std::to_string(workload.computed_positions()) +
                     " positions each is out of range: expected at most " +
                     std::to_string(kLargestExtent) + " positions together");
}

// Operators as a workload has them.
class Maker {
 public:
  explicit Maker(const Workload& workload)
      : workload_(workload), rows_(workload.batch * workload.computed_positions()) {}

  int rows() const { return rows_; }
  // With positions that the accumulator adds, a sequence at a time.
  TransformerOperator embedding(int columns, bool adds_positions) const {
    if (!adds_positions) return {"embedding", -1, 1, host(OperatorKind::kEmbedding, columns)};
    return {"embedding", -1, workload_.batch,
            of_int8(OperatorKind::kEmbedding, workload_.computed_positions(), columns)};
  }
  bool of_sums() const { return workload_.nonlinear_inputs == NonlinearInputs::kSums; }

  Operator nonlinear(OperatorKind kind, int columns) const {
    return of_sums() ? elementwise(kind, rows_, columns) : of_int8(kind, rows_, columns);
  }
  Operator norm(bool rms, int width) const {
    return rms ? host(OperatorKind::kRmsNorm, width) : nonlinear(OperatorKind::kLayerNorm, width);
  }
  Operator host(OperatorKind kind, int columns) const { return elementwise(kind, rows_, columns); }
  Operator projection(int inner, int columns, RightOperand weights, bool bias,
                      Activation then = Activation::kNone) const {
    return matmul(rows_, inner, columns, weights, then,
                  bias && workload_.biases ? Bias::kRow : Bias::kNone);
  }

 private:
  const Workload& workload_;
  int rows_;
};

class BlockMaker {
 public:
  BlockMaker(const TransformerBlock& block, int layer, const Workload& workload,
             std::vector<TransformerOperator>& list)
      : block_(block), layer_(layer), workload_(workload), make_(workload), list_(list) {}

  void attention() const {
    const int d = block_.width;
    const int a = attention_width(block_.heads, block_.head_width);
    const int keys = attention_width(block_.key_heads, block_.head_width);
    const auto projection = [&](int columns) {
      return make_.projection(d, columns, block_.weights, block_.qkv_biases);
    };
    if (block_.norm_first) add("attention.norm", make_.norm(block_.rms_norm, d));
    if (a == keys) {
      add("attention.qkv", projection(a), 3);
    } else {
      add("attention.qkv", projection(a));
      add("attention.qkv", projection(keys), 2);
    }
    if (block_.rotary)
      add("attention.rotary",
          make_.host(OperatorKind::kRotary,
                     attention_width(block_.heads + block_.key_heads, block_.head_width)));
    act_to_act();
    add("attention.output", make_.projection(a, d, block_.weights, block_.output_bias));
    add("attention.residual", make_.host(OperatorKind::kResidualAdd, d));
    if (!block_.norm_first) add("attention.norm", make_.norm(block_.rms_norm, d));
  }

  void ffn() const {
    const int d = block_.width, f = block_.ffn_width;
    if (block_.norm_first) add("ffn.norm", make_.norm(block_.rms_norm, d));
    const Operator activated = make_.projection(d, f, block_.weights, block_.ffn_biases, way_out());
    add(block_.is_gated ? "ffn.gate" : "ffn.up", activated);
    if (block_.activation == FfnActivation::kGelu)
      add("ffn.gelu", make_.nonlinear(OperatorKind::kGelu, f));
    if (block_.activation == FfnActivation::kSilu)
      add("ffn.silu", make_.host(OperatorKind::kSilu, f));
    if (block_.is_gated) {
      add("ffn.up", make_.projection(d, f, block_.weights, block_.ffn_biases));
      add("ffn.product", make_.host(OperatorKind::kArithmetic, f));
    }
    add("ffn.down", make_.projection(f, d, block_.weights, block_.ffn_biases));
    add("ffn.residual", make_.host(OperatorKind::kResidualAdd, d));
    if (!block_.norm_first) add("ffn.norm", make_.norm(block_.rms_norm, d));
  }

 private:
  void add(std::string_view role, const Operator& op, std::int64_t repeat = 1) const {
    list_.push_back({role, layer_, repeat, op});
  }

  Activation way_out() const {
    if (block_.activation == FfnActivation::kRelu) return Activation::kRelu;
    return block_.activation == FfnActivation::kGelu && make_.of_sums() ? Activation::kGelu
                                                                        : Activation::kNone;
  }

  void act_to_act() const {
    const bool decodes = workload_.mode == Mode::kDecode;
    const int group = decodes ? block_.heads / block_.key_heads : 1;
    const int rows = workload_.computed_positions() * group;
    const std::int64_t heads = std::int64_t{block_.heads / group} * workload_.batch;
    int seen = workload_.sequence_length;
    if (decodes && block_.window > 0) seen = std::min(seen, block_.window);
    const Operator scores =
        matmul(rows, block_.head_width, seen, RightOperand::kTransposedActivations,
               Activation::kSoftmax, masks_scores(workload_) ? Bias::kFull : Bias::kNone);
    add("attention.scores", scores, heads);
    add("attention.softmax", softmax_of(scores), heads);
    add("attention.context", matmul(rows, seen, block_.head_width, RightOperand::kActivations),
        heads);
  }

  const TransformerBlock& block_;
  int layer_;
  const Workload& workload_;
  Maker make_;
  std::vector<TransformerOperator>& list_;
};

}  // namespace

void append_block(const TransformerBlock& block, int layer, const Workload& workload,
                  std::vector<TransformerOperator>& list) {
  const BlockMaker maker(block, layer, workload, list);
  maker.attention();
  maker.ffn();
}

std::vector<TransformerOperator> transformer_operators(const Architecture& architecture,
                                                       const Workload& workload) {
  require_size(workload);
  const Maker make(workload);
  const int d = architecture.model_width;
  std::vector<TransformerOperator> list;
  list.reserve(kOperatorsPerLayer * architecture.layers.size() + kOperatorsOutsideLayers);
  if (architecture.vocabulary > 0) list.push_back(make.embedding(d, !make.of_sums()));
  for (std::size_t i = 0; i < architecture.layers.size(); ++i) {
    const auto [heads, f, bits] = architecture.layers[i];
    TransformerBlock block;
    block.width = d;
    block.heads = block.key_heads = heads;
    block.head_width = architecture.head_width;
    block.ffn_width = f;
    block.weights = bits == kInt8Bits ? RightOperand::kWeights : RightOperand::kInt4Weights;
    append_block(block, static_cast<int>(i), workload, list);
  }
  if (architecture.vocabulary > 0) {
    list.push_back({"final.norm", -1, 1, make.norm(false, d)});
    const bool of_sums = make.of_sums();  // else the head has a bias, that of the LayerNorm folded
    list.push_back({"language_model_head", -1, 1,
                    make.projection(d, architecture.vocabulary, RightOperand::kWeights, !of_sums,
                                    of_sums ? Activation::kNone : Activation::kSums)});
  }
  return list;
}

std::vector<TransformerOperator> transformer_operators(const Transformer& network,
                                                       const Workload& workload) {
  require_size(workload);
  if (network.longest > 0 && workload.sequence_length > network.longest)
    throw InputError("sequence length " + std::to_string(workload.sequence_length) +
                     " is out of range: the network has positions for 1 to " +
                     std::to_string(network.longest));
  const Maker make(workload);
  const int e = network.embedding_width, d = network.block.width;
  std::vector<TransformerOperator> list;
  const auto add = [&](std::string_view role, const Operator& op) {
    list.push_back({role, -1, 1, op});
  };
  const Operator sum = elementwise(OperatorKind::kResidualAdd, make.rows(), d);
  const bool in_accumulator = network.position_rows > 0 && e == d && !make.of_sums();
  list.push_back(make.embedding(e, in_accumulator));
  if (e != d) add("embedding.projection", make.projection(e, d, RightOperand::kWeights, false));
  if (network.position_rows > 0 && !in_accumulator) add("embedding.positions", sum);
  if (network.token_types > 0) add("embedding.types", sum);
  if (network.embedding_norm) add("embedding.norm", make.norm(false, d));
  TransformerBlock block = network.block;
  for (int layer = 0; layer < network.layers; ++layer) {
    block.window = layer < network.first_windowed ? 0 : network.block.window;
    append_block(block, layer, workload, list);
  }
  if (network.final_norm) add("final.norm", make.norm(network.block.rms_norm, d));
  if (network.has_pooler)
    add("pooler", matmul(workload.batch, d, d, RightOperand::kWeights, Activation::kNone,
                         workload.biases ? Bias::kRow : Bias::kNone));
  if (network.head == LanguageModelHead::kNone) return list;
  if (e != d) add("head.projection", make.projection(d, e, RightOperand::kWeights, false));
  add("language_model_head",
      make.projection(e, network.vocabulary, RightOperand::kWeights, false,
                      make.of_sums() ? Activation::kNone : Activation::kSums));
  return list;
}

std::int64_t Transformer::parameter_count() const {
  const std::int64_t d = block.width, e = embedding_width, f = block.ffn_width;
  const std::int64_t a = std::int64_t{block.heads} * block.head_width;
  const std::int64_t k = std::int64_t{block.key_heads} * block.head_width;
  const std::int64_t layer_norm = 2 * d, norm = block.rms_norm ? d : layer_norm;
  const std::int64_t matrices_up = block.is_gated ? 2 : 1;
  std::int64_t layer = d * (a + 2 * k) + a * d + (matrices_up + 1) * d * f + 2 * norm;
  if (block.qkv_biases) layer += a + 2 * k;
  if (block.output_bias) layer += d;
  if (block.ffn_biases) layer += matrices_up * f + d;
  std::int64_t sum = layers * layer;
  sum += vocabulary * e + (position_rows + std::int64_t{token_types}) * d;
  if (e != d) sum += 2 * e * d;
  if (embedding_norm) sum += layer_norm;
  if (final_norm) sum += norm;
  if (has_pooler) sum += d * d + d;
  if (head == LanguageModelHead::kUntied) sum += vocabulary * e;
  return sum;
}

std::string describe(const Transformer& network) {
  const TransformerBlock& block = network.block;
  std::string heads = std::to_string(block.heads);
  if (block.key_heads != block.heads) heads += " (" + std::to_string(block.key_heads) + " of keys)";
  return network.family + ": " + std::to_string(network.layers) +
         " layers, d=" + std::to_string(block.width) + " h=" + heads +
         " f=" + std::to_string(block.ffn_width) + (block.is_gated ? " (gated)" : "");
}

}  // namespace paretoformer::accel_sim
