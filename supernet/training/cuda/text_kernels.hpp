// Both ends of a pass on the device: from tokens to the residual stream, and from logits to losses;
// and the gradients of the embeddings.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// x[r] = token_embedding[tokens[r]] + position_embedding[r % length]; both tables have rows of
// `stride`, x has rows of `width`.
void embed(Stream& stream, int rows, int width, int length, const std::int32_t* tokens,
           const Bf16* token_embedding, const Bf16* position_embedding, std::ptrdiff_t stride,
           float* x);
// gradient[position] += sum over the sequences of dx[sequence][position], in their order.
void position_gradient(Stream& stream, int sequences, int length, int width, const float* dx,
                       float* gradient, std::ptrdiff_t stride);

// Where in a part of a batch each of its tokens stands, so that the gradient of an embedding's row
// is one block's sum: a sum by atomics would come in another order every time.
struct TokenRows {
  // Of `count` tokens, for the vocabulary that it was made with.
  void sort(const std::int32_t* tokens, int count);
  std::vector<std::int32_t> tokens;  // distinct ones
  std::vector<std::int32_t> starts;  // [tokens + 1] in `rows`
  std::vector<std::int32_t> rows;    // in the order of the batch

  explicit TokenRows(int vocabulary) : place_(static_cast<std::size_t>(vocabulary), 0) {}

 private:
  std::vector<std::int32_t> place_;
};
// gradient[tokens[i]] += sum over r of dx[rows[r]], starts[i] <= r < starts[i + 1]: of every eighth
// row, and then of these eight. The arrays are the device's.
void token_gradient(Stream& stream, int distinct, const std::int32_t* tokens,
                    const std::int32_t* starts, const std::int32_t* rows, int width,
                    const float* dx, float* gradient, std::ptrdiff_t stride);

// losses[r] = -log softmax(logits[r])[targets[r]].
void row_losses(Stream& stream, int rows, int vocabulary, std::ptrdiff_t stride, const Bf16* logits,
                const std::int32_t* targets, float* losses);
// Logits in rows like those of the network that learns from them, with that weight; null: none.
struct SoftTargets {
  const Bf16* logits = nullptr;
  float weight = 0;
};
// The same; logits become (softmax(logits) - weight * softmax(soft.logits) - (1 - weight) *
// one_hot(target)) * gradient_scale, what lies behind them up to `stride` 0. So logits are never
// there in fp32, nor in a second place.
void cross_entropy(Stream& stream, int rows, int vocabulary, std::ptrdiff_t stride, Bf16* logits,
                   const std::int32_t* targets, const SoftTargets& soft, float gradient_scale,
                   float* losses);
// sums[s] = sum of the losses of sequence s, in fp64.
void sequence_sums(Stream& stream, int sequences, int length, const float* losses, double* sums);

}  // namespace paretoformer::supernet::cuda
