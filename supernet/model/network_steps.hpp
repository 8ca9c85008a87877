// The steps that passes of evaluation and of training are made of, on any rows of a batch. All but
// attention work row by row and give the same bits however the rows are cut.
#pragma once

#include <cstddef>

#include "supernet/kernels/matmul.hpp"
#include "supernet/model/network.hpp"
#include "supernet/model/rounded_steps.hpp"

namespace paretoformer::supernet {

inline constexpr int kQueryBlock = 64;  // causal blocks above the diagonal are skipped

template <class T>
void product(const Pass<T>& pass, int m, int n, int k, MatrixView<T> a, MatrixView<T> b, T* c,
             std::ptrdiff_t c_stride, Into into = Into::replace) {
  matmul<T>(m, n, k, a, b, c, c_stride, into, pass.products);
}

// Products of single heads are too small for tiles in fp32.
template <class T>
void head_product(const Pass<T>& pass, int m, int n, int k, MatrixView<T> a, MatrixView<T> b, T* c,
                  std::ptrdiff_t c_stride, Into into = Into::replace) {
  if (pass.products == Products::bf16) return product(pass, m, n, k, a, b, c, c_stride, into);
  matmul_vector<T>(m, n, k, a, b, c, c_stride, into);
}

// Views of one head of one sequence in the interleaved q, k, v rows.
template <class T>
struct HeadView {
  T *q, *k, *v;
  std::ptrdiff_t stride;
};

template <class T>
HeadView<T> head_of(T* qkv, std::ptrdiff_t row, int head, int heads, int head_width) {
  const std::ptrdiff_t stride = 3 * static_cast<std::ptrdiff_t>(heads) * head_width;
  T* base = qkv + row * stride + 3 * static_cast<std::ptrdiff_t>(head) * head_width;
  return {base, base + head_width, base + 2 * head_width, stride};
}

template <class T>
T attention_scale(int head_width);

// The heads that an attention step works on: of all heads of the sequences that begin at row
// `first_row`, sequence after sequence, those from `first` up to `last`.
struct HeadRange {
  std::ptrdiff_t first_row;
  int first, last;
};

// The input of the first layer.
template <class T>
void embed_rows(const Pass<T>& pass, const RowRange& rows);
// From the input of layer l to its queries, keys and values.
template <class T>
void attention_input(const Pass<T>& pass, std::size_t l, const RowRange& rows);
// From there to the heads' outputs. `scores` is kQueryBlock rows of a sequence's length.
template <class T>
void attention_forward(const Pass<T>& pass, std::size_t l, const HeadRange& range, T* scores);
// From there to the input of the next layer.
template <class T>
void layer_output(const Pass<T>& pass, std::size_t l, const RowRange& rows);
// From the output of the last layer to its LayerNorm.
template <class T>
void output_norm(const Pass<T>& pass, const RowRange& rows);
// From there to the logits [rows.count][vocabulary] of the words from `first` on, without the bias
// of an untied head.
template <class T>
void word_logits(const Pass<T>& pass, const RowRange& rows, int first, int words, T* logits);
template <class T>
void add_head_bias(const Pass<T>& pass, const RowRange& rows, T* logits);

// Of some rows of one site.
template <class T>
DropoutMask mask_of(const Pass<T>& pass, DropoutSite site, std::size_t l, const RowRange& rows) {
  return pass.batch.dropout.from_row(rows.first).mask(site, l);
}

// Where the residual stream after the last layer, or before another, lies.
template <class T>
T* stream_of(const Pass<T>& pass, std::size_t l) {
  return l < pass.network.layers.size() ? pass.activations.layers[l].input
                                        : pass.activations.output;
}

}  // namespace paretoformer::supernet
