// Causal attention on the device, forward and backward, without its score matrix in memory
// (FlashAttention: Dao et al. 2022, arXiv 2205.14135; FlashAttention-2: Dao 2023, arXiv
// 2307.08691).
//
// Factors of products are bf16, sums, exponentials and statistics fp32. No sum is shared between
// blocks of threads: results have the same bits in every run, and those of one sequence and head do
// not depend on the others.
#pragma once

#include "supernet/training/cuda/platform.hpp"

namespace paretoformer::supernet::cuda {

// Rows are those of all sequences, one after the other.
struct AttentionShape {
  int sequences;
  int length;  // of each
  int heads;
  int head_width;  // 1 to 128; multiples of 8 are fast, of 16 fastest
  std::ptrdiff_t rows() const { return static_cast<std::ptrdiff_t>(sequences) * length; }
};

// attended[rows][heads][head_width] = softmax(q k^T / sqrt(head_width)) v, over this and earlier
// rows of the sequence; qkv[rows][heads][3][head_width] has q, k and v. Stores log(sum(exp)) of
// the scaled scores in log_sum_exp[heads][rows].
void attention_forward(Stream& stream, const AttentionShape& shape, const Bf16* qkv, Bf16* attended,
                       float* log_sum_exp);

// d_qkv from d_attended and what attention_forward() was given and gave. `products` is memory for
// [heads][rows]: it becomes sum(d_attended * attended) of each row.
void attention_backward(Stream& stream, const AttentionShape& shape, const Bf16* qkv,
                        const Bf16* attended, const float* log_sum_exp, const Bf16* d_attended,
                        float* products, Bf16* d_qkv);

}  // namespace paretoformer::supernet::cuda
