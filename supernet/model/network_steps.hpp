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

// A matrix of weights [outputs][inputs], in whose memory rows are `stride` apart, from the output
// or the input `first` on.
struct WeightMatrix {
  std::size_t offset;
  std::ptrdiff_t stride;
  int first = 0;
};

// y = x W^T: outputs of rows of inputs.
template <class T>
void project(const Pass<T>& pass, int rows, int outputs, int inputs, const T* x,
             const WeightMatrix& w, T* y, std::ptrdiff_t y_stride) {
  const MatrixView<T> a = plain<T>(x, inputs);
  if (pass.packed)
    return matmul_packed<T>(rows, outputs, inputs, a, pass.packed->forward(w.offset), w.first, y,
                            y_stride);
  product(pass, rows, outputs, inputs, a,
          transposed<T>(pass.parameters + w.offset + w.first * w.stride, w.stride), y, y_stride);
}

// dx = dy W: gradients of inputs from those of outputs.
template <class T>
void project_back(const Pass<T>& pass, int rows, int inputs, int outputs, const T* dy,
                  const WeightMatrix& w, T* dx, std::ptrdiff_t dx_stride) {
  const MatrixView<T> a = plain<T>(dy, outputs);
  if (pass.packed)
    return matmul_packed<T>(rows, inputs, outputs, a, pass.packed->backward(w.offset), w.first, dx,
                            dx_stride);
  product(pass, rows, inputs, outputs, a, plain<T>(pass.parameters + w.offset + w.first, w.stride),
          dx, dx_stride);
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
