#include "accel_sim/lowering/peak_memory.hpp"

namespace paretoformer::accel_sim {
namespace {

std::int64_t layer_norm_bytes(std::int64_t width) { return width + kSumBytes * width; }

// `cache` is whether keys and values of all positions are kept: the cached ones, too.
std::int64_t stored_for(const Call& call, const Workload& workload, bool cache) {
  const std::int64_t inner = call.op.inner, columns = call.op.columns;
  if (call.op.kind == OperatorKind::kLayerNorm) return layer_norm_bytes(columns);
  if (call.role == "embedding") return workload.sequence_length * columns;  // positions
  if (call.role == "language_model_head") return 2 * inner * columns + bias_bytes(call.op);
  if (call.role == "attention.scores") return cache ? 2 * call.repeat * inner * columns : 0;
  if (!has_weights(call.op) || call.op.kind != OperatorKind::kMatmul) return 0;
  return call.repeat * (right_bytes(call.op) + kSumBytes * columns);
}

// No more is alive at the calls that are not named here than at one of the others.
std::int64_t alive_at(const Call& call, std::int64_t stream, bool cache) {
  const std::int64_t left = std::int64_t{call.op.rows} * call.op.inner;
  const std::int64_t results = std::int64_t{call.op.rows} * call.op.columns;
  if (call.role == "attention.qkv")  // beside the LayerNorm's result
    return 2 * stream + (cache ? 1 : 3) * results;
  if (call.role == "attention.scores") {  // and at the softmax after them
    const std::int64_t queries = call.repeat * left, scores = call.repeat * results;
    const std::int64_t keys = cache ? 0 : call.repeat * call.op.inner * call.op.columns;
    const std::int64_t values = keys;
    const std::int64_t probabilities = call.result_bytes == 1 ? 0 : scores;  // else in their place
    return stream + values + scores * call.result_bytes + std::max(queries + keys, probabilities);
  }
  if (call.role == "ffn.up")  // beside the LayerNorm's result; FFN down, beside the branch's
    return 2 * stream + results;
  if (call.role == "language_model_head") return stream + call.result_bytes * results;
  if (call.op.kind == OperatorKind::kMatmul && call.op.activation == Activation::kSums)
    return stream + kSumBytes * stream + std::max(left, stream);  // or the sum of a residual add
  if (call.op.kind == OperatorKind::kLayerNorm && call.operand_bytes == kSumBytes)
    return kSumBytes * stream + (call.layer < 0 ? stream : 2 * stream);  // its result, the residual
  if (call.op.kind == OperatorKind::kResidualAdd) return 3 * stream;
  return 0;
}

// Of masked scores; with a triangle, what is 0 or -127 and the identity.
std::int64_t mask_bytes(const Call& scores) {
  return scores.op.bias == Bias::kTriangle ? triangle_bytes(scores) : bias_bytes(scores.op);
}

}  // namespace

PeakMemory peak_memory(std::span<const Call> calls, const Workload& workload, int model_width) {
  const bool cache = workload.mode == Mode::kDecode;
  const std::int64_t rows = std::int64_t{workload.batch} * workload.computed_positions();
  const std::int64_t stream = rows * model_width;
  PeakMemory memory;
  for (const Call& call : calls) {
    memory += {stored_for(call, workload, cache), alive_at(call, stream, cache),
               call.role == "attention.scores" ? mask_bytes(call) : 0};
  }
  return memory;
}

PeakMemory unused_final_norm(int model_width) { return {layer_norm_bytes(model_width), 0, 0}; }

}  // namespace paretoformer::accel_sim
