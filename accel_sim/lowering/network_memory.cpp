#include "accel_sim/lowering/network_memory.hpp"

#include <algorithm>
#include <string>
#include <string_view>

#include "support/error.hpp"

namespace paretoformer::accel_sim {
namespace {

// The same buffer with rows of that many elements.
Matrix with_columns(Matrix matrix, std::int64_t columns) {
  matrix.stride = columns * matrix.element_bytes;
  return matrix;
}

// How wide the scores leave the accumulator, the same in all layers.
int bytes_of_scores(const std::vector<Call>& calls) {
  for (const Call& call : calls)
    if (call.role == "attention.scores") return call.result_bytes;
  return 1;
}

// Whether a LayerNorm reads them.
bool leaves_sums(const std::vector<Call>& calls) {
  return std::any_of(calls.begin(), calls.end(), [](const Call& call) {
    return call.op.kind == OperatorKind::kLayerNorm && call.operand_bytes == kSumBytes;
  });
}

// Of the matmul that leaves most of them unfinished.
std::int64_t most_partial_sums(const std::vector<Call>& calls, const Target& target) {
  std::int64_t most = 0;
  for (const Call& call : calls)
    if (call.op.kind == OperatorKind::kMatmul && spills_sums(*call.schedule, call.op, target))
      most = std::max(most, std::int64_t{call.op.rows} * call.op.columns);
  return most;
}

[[noreturn]] void unknown(std::string_view role) {
  throw Error("no place for the matrices of " + std::string(role));
}

}  // namespace

NetworkMemory::NetworkMemory(const Architecture& network, const Workload& workload,
                             const Target& target, const std::vector<Call>& calls)
    : network_(network),
      batch_(workload.batch),
      rows_(workload.computed_positions()),
      length_(workload.sequence_length) {
  const std::int64_t rows = std::int64_t{batch_} * rows_;
  const int d = network.model_width;
  int heads = 0, ffn_width = 0;
  for (const Layer& layer : network.layers) {
    heads = std::max(heads, layer.heads);
    ffn_width = std::max(ffn_width, layer.ffn_width);
  }
  const std::int64_t widest = std::int64_t{heads} * network.head_width;
  if (network.vocabulary > 0) embedding_ = space_.place(network.vocabulary, d);
  if (network.vocabulary > 0 && reads_int8(calls.front().op)) positions_ = space_.place(length_, d);
  for (Matrix* each : {&stream_, &norm_, &middle_}) *each = space_.place(rows, d);
  branch_ = space_.place(rows, d, leaves_sums(calls) ? kSumBytes : 1);
  query_ = space_.place(rows, widest);
  context_ = space_.place(rows, widest);
  hidden_ = space_.place(rows, ffn_width);
  const int bytes = bytes_of_scores(calls);
  for (std::int64_t head = 0; head < std::int64_t{batch_} * heads; ++head) {
    scores_.push_back(space_.place(rows_, length_, bytes));
    probabilities_.push_back(bytes == 1 ? scores_.back() : space_.place(rows_, length_));
  }
  for (const Layer& layer : network.layers) {
    const int a = layer.heads * network.head_width;  // compile() has checked it
    LayerMatrices each;
    const auto place = [&](int inner, int columns) -> Weights {
      if (layer.weight_bits == kInt8Bits) return {space_.place(inner, columns)};
      const Matrix numbers = space_.place_int4(inner, columns);
      return {numbers, space_.place_int4(int4_groups(inner), columns)};
    };
    for (Weights& weights : each.qkv) weights = place(d, a);
    each.output = place(a, d);
    each.up = place(d, layer.ffn_width);
    each.down = place(layer.ffn_width, d);
    each.keys = space_.place(std::int64_t{batch_} * length_, a);
    each.values = space_.place(std::int64_t{batch_} * length_, a);
    layers_.push_back(each);
  }
  if (network.vocabulary > 0) {
    head_.numbers = space_.place(d, network.vocabulary);
    logits_ = space_.place(rows, network.vocabulary, calls.back().result_bytes);
  }
  const std::int64_t partial_sums = most_partial_sums(calls, target);
  if (partial_sums > 0) partial_sums_ = space_.place(1, partial_sums, kSumBytes);
  place_biases(calls);
  for (const Call& call : calls) {
    if (call.layer < 0 || call.op.activation != Activation::kLayerNorm) continue;
    LayerMatrices& layer = layers_[static_cast<std::size_t>(call.layer)];
    (call.role == "attention.output" ? layer.output : layer.down).are_normalised |=
        call.op.kind == OperatorKind::kMatmul;
  }
}

void NetworkMemory::place_biases(const std::vector<Call>& calls) {
  for (const Call& call : calls) {
    const Operator& op = call.op;
    if (op.kind != OperatorKind::kMatmul || op.bias == Bias::kNone) continue;
    if (call.role == "attention.scores") {
      if (op.bias == Bias::kTriangle)
        place_constants(call);
      else if (mask_.stride == 0)
        mask_ = space_.place_bias(op);
      continue;
    }
    if (call.role == "language_model_head") {
      head_.bias = space_.place_bias(op);
      continue;
    }
    LayerMatrices& layer = layers_[static_cast<std::size_t>(call.layer)];
    if (call.role == "attention.qkv")
      for (Weights& each : layer.qkv) each.bias = space_.place_bias(op);
    else if (call.role == "attention.output")
      layer.output.bias = space_.place_bias(op);
    else if (call.role == "ffn.up")
      layer.up.bias = space_.place_bias(op);
    else if (call.role == "ffn.down")
      layer.down.bias = space_.place_bias(op);
    else
      unknown(call.role);
  }
}

// As far apart as queries and keys: equally wide layers have the same.
void NetworkMemory::place_constants(const Call& scores) {
  const auto l = static_cast<std::size_t>(scores.layer);
  for (std::size_t i = 0; i < l; ++i)
    if (network_.layers[i].heads == network_.layers[l].heads) {
      layers_[l].identity = layers_[i].identity;
      layers_[l].triangle = layers_[i].triangle;
      return;
    }
  Placement operands = attention(scores, 0);
  space_.place_triangle(scores, operands);
  layers_[l].identity = operands.identity;
  layers_[l].triangle = operands.triangle;
}

Placement NetworkMemory::placement(const TransformerOperator& item, int repeat) const {
  Placement placement;
  if (item.role == "embedding")
    placement = positions_.stride > 0 ? Placement{positions_.at(length_ - rows_, 0), embedding_,
                                                  stream_.at(std::int64_t{repeat} * rows_, 0)}
                                      : Placement{embedding_, embedding_, stream_};
  else if (item.role == "final.norm")
    placement = norm(stream_);
  else if (item.role == "language_model_head")
    placement = product(norm_, head_, logits_);
  else
    placement = item.role.substr(0, 4) == "ffn." ? ffn(item) : attention(item, repeat);
  if (item.op.kind == OperatorKind::kMatmul)
    placement.partial_sums = {partial_sums_.address, std::int64_t{item.op.columns} * kSumBytes,
                              kSumBytes};
  placement.bytes = space_.bytes();
  return placement;
}

Placement NetworkMemory::norm(const Matrix& stream) const {
  const Matrix& read = branch_.element_bytes == kSumBytes ? branch_ : stream;
  return {read, read, norm_};
}

Matrix NetworkMemory::branch(const Operator& op) const {
  if (op.activation == Activation::kLayerNorm) return norm_;
  const int bytes = op.activation == Activation::kSums ? kSumBytes : 1;
  return {branch_.address, std::int64_t{network_.model_width} * bytes, bytes};
}

Placement NetworkMemory::product(const Matrix& left, const Weights& weights, const Matrix& result) {
  Placement placement{left, weights.numbers, result};
  placement.multipliers = weights.multipliers;
  placement.bias = weights.bias;
  return placement;
}

Placement NetworkMemory::residual(const Matrix& stream, const Weights& before,
                                  const Matrix& sum) const {
  const Matrix& other = before.are_normalised ? norm_ : branch_;
  return {stream, {other.address, stream.stride, 1}, sum};
}

Placement NetworkMemory::attention(const TransformerOperator& item, int repeat) const {
  const auto l = static_cast<std::size_t>(item.layer);
  const auto run = static_cast<std::size_t>(repeat);
  const std::int64_t sequence = repeat / network_.layers[l].heads;  // where runs are its heads'
  const std::int64_t row = sequence * rows_, key = sequence * length_;
  const LayerMatrices& layer = layers_[l];
  const std::int64_t a = std::int64_t{network_.layers[l].heads} * network_.head_width;
  const Matrix query = with_columns(query_, a);
  const Matrix context = with_columns(context_, a);
  const std::int64_t column = repeat % network_.layers[l].heads * network_.head_width;  // of a head
  if (item.role == "attention.norm") return norm(stream_);
  if (item.role == "attention.qkv") {
    // Keys and values of the positions computed are the last ones.
    const std::int64_t first = length_ - rows_;
    Matrix results[] = {query, layer.keys.at(first, 0), layer.values.at(first, 0)};
    if (rows_ < length_ && batch_ > 1)  // a row in each sequence's place
      for (Matrix* each : {&results[1], &results[2]}) each->stride *= length_;
    return product(norm_, layer.qkv[run], results[run]);
  }
  if (item.role == "attention.scores") {
    Placement placement{query.at(row, column), layer.keys.at(key, column), scores_[run]};
    if (loads_bias(item.op)) placement.bias = mask_;
    placement.identity = layer.identity;
    placement.triangle = layer.triangle;
    return placement;
  }
  if (item.role == "attention.softmax") return {scores_[run], scores_[run], probabilities_[run]};
  if (item.role == "attention.context")
    return {probabilities_[run], layer.values.at(key, column), context.at(row, column)};
  if (item.role == "attention.output") return product(context, layer.output, branch(item.op));
  if (item.role == "attention.residual") return residual(stream_, layer.output, middle_);
  unknown(item.role);
}

Placement NetworkMemory::ffn(const TransformerOperator& item) const {
  const auto l = static_cast<std::size_t>(item.layer);
  const Matrix hidden = with_columns(hidden_, network_.layers[l].ffn_width);
  if (item.role == "ffn.norm") return norm(middle_);
  if (item.role == "ffn.up") return product(norm_, layers_[l].up, hidden);
  if (item.role == "ffn.gelu") return {hidden, hidden, hidden};
  if (item.role == "ffn.down") return product(hidden, layers_[l].down, branch(item.op));
  if (item.role == "ffn.residual") return residual(middle_, layers_[l].down, stream_);
  unknown(item.role);
}

}  // namespace paretoformer::accel_sim
