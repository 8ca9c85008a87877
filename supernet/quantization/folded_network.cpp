#include "supernet/quantization/folded_network.hpp"

#include <algorithm>
#include <cstddef>

#include "support/parallel.hpp"

namespace paretoformer::supernet {
namespace {

// A LayerNorm and a matrix that reads it, with its bias: [outputs][inputs] without gaps.
template <class T>
struct NormLinear {
  const T *gain, *norm_bias;
  T *weight, *bias;
};

// W (gain * x + norm_bias) + bias as a matrix of x.
template <class T>
void fold_norm(int outputs, int inputs, const NormLinear<T>& f) {
  T* row = f.weight;
  for (int o = 0; o < outputs; ++o, row += inputs) {
    double sum = f.bias[o];
    for (int i = 0; i < inputs; ++i) {
      sum += double{row[i]} * f.norm_bias[i];
      row[i] *= f.gain[i];
    }
    f.bias[o] = static_cast<T>(sum);
  }
}

// From the gradients of the folded matrix and bias: that of the matrix in its place, that of the
// bias is the same. `d_gain` and `d_norm_bias` are added to.
template <class T>
void fold_norm_backward(int outputs, int inputs, const NormLinear<const T>& f, T* d_weight,
                        const T* d_bias, T* d_gain, T* d_norm_bias) {
  const T* row = f.weight;
  for (int o = 0; o < outputs; ++o, row += inputs, d_weight += inputs)
    for (int i = 0; i < inputs; ++i) {
      d_gain[i] += row[i] * d_weight[i];
      d_norm_bias[i] += row[i] * d_bias[o];
      d_weight[i] = d_weight[i] * f.gain[i] + d_bias[o] * f.norm_bias[i];
    }
}

// Takes from every column its mean: symmetric, so it is its own transpose.
template <class T>
void centre_columns(int rows, int columns, T* values) {
  std::vector<double> mean(static_cast<std::size_t>(columns));
  const T* const end = values + area(rows, columns);
  for (const T* row = values; row != end; row += columns)
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += row[i];
  for (double& each : mean) each /= rows;
  for (T* row = values; row != end; row += columns)
    for (std::size_t i = 0; i < mean.size(); ++i) row[i] = static_cast<T>(row[i] - mean[i]);
}

template <class T>
void centre_rows(int rows, int columns, T* values) {
  const T* const end = values + area(rows, columns);
  for (T* row = values; row != end; row += columns) {
    double sum = 0;
    for (int i = 0; i < columns; ++i) sum += row[i];
    const double mean = sum / columns;
    for (int i = 0; i < columns; ++i) row[i] = static_cast<T>(row[i] - mean);
  }
}

// What writes to the residual stream in layer l, of parameters or of their gradient.
template <class T>
void centre_layer(const ParameterLayout& layout, int l, T* w) {
  const LayerOffsets& o = layout.layer(l);
  const int d = layout.model_width();
  centre_columns(d, o.attention_width, w + o.output);
  centre_rows(1, d, w + o.output_bias);
  centre_columns(d, o.ffn_width, w + o.down);
  centre_rows(1, d, w + o.down_bias);
}

// Offsets of a LayerNorm and what reads it, in one layout.
struct Fold {
  std::size_t gain, norm_bias, weight, bias;
  int outputs;
};

std::vector<Fold> folds_of(const ParameterLayout& layout, int l) {
  const LayerOffsets& o = layout.layer(l);
  return {{o.norm1_gain, o.norm1_bias, o.qkv, o.qkv_bias, 3 * o.attention_width},
          {o.norm2_gain, o.norm2_bias, o.up, o.up_bias, o.ffn_width}};
}

Fold fold_of_head(const ParameterLayout& layout) {
  return {layout.final_gain, layout.final_bias, layout.head, layout.head_bias, layout.vocabulary()};
}

template <class T>
void fold_in_place(const ParameterLayout& layout, const Fold& f, T* w) {
  fold_norm<T>(f.outputs, layout.model_width(),
               {w + f.gain, w + f.norm_bias, w + f.weight, w + f.bias});
  std::fill_n(w + f.gain, layout.model_width(), T{1});
  std::fill_n(w + f.norm_bias, layout.model_width(), T{0});
}

// `gradient` is that of all parameters: of matrix and bias so far that of the folded ones.
template <class T>
void fold_backward_in_place(const ParameterLayout& own, const Fold& f, const T* w, T* gradient) {
  const int d = own.model_width();
  std::fill_n(gradient + f.gain, d, T{0});
  std::fill_n(gradient + f.norm_bias, d, T{0});
  fold_norm_backward<T>(f.outputs, d, {w + f.gain, w + f.norm_bias, w + f.weight, w + f.bias},
                        gradient + f.weight, gradient + f.bias, gradient + f.gain,
                        gradient + f.norm_bias);
}

std::vector<float> part(const std::vector<float>& arena, std::size_t offset, std::size_t count) {
  const auto first = arena.begin() + static_cast<std::ptrdiff_t>(offset);
  return {first, first + static_cast<std::ptrdiff_t>(count)};
}

Linear linear(const std::vector<float>& arena, int outputs, int inputs, std::size_t weight,
              std::size_t bias) {
  return {outputs, inputs, part(arena, weight, area(outputs, inputs)),
          part(arena, bias, static_cast<std::size_t>(outputs))};
}

// One of q, k and v (0, 1, 2) of all heads.
Linear projection(const ParameterLayout& layout, const std::vector<float>& arena, int l,
                  int which) {
  const LayerOffsets& o = layout.layer(l);
  const int d = layout.model_width();
  const int hd = layout.head_width();
  Linear all{o.attention_width, d, {}, {}};
  for (int head = 0; head < o.attention_width / hd; ++head) {
    const std::size_t row = area(3 * head + which, hd);
    const Linear own =
        linear(arena, hd, d, o.qkv + row * static_cast<std::size_t>(d), o.qkv_bias + row);
    all.weight.insert(all.weight.end(), own.weight.begin(), own.weight.end());
    all.bias.insert(all.bias.end(), own.bias.begin(), own.bias.end());
  }
  return all;
}

FoldedLayer folded_layer(const ParameterLayout& layout, const std::vector<float>& arena, int l) {
  const LayerOffsets& o = layout.layer(l);
  const int d = layout.model_width();
  FoldedLayer layer;
  layer.heads = o.attention_width / layout.head_width();
  layer.query = projection(layout, arena, l, 0);
  layer.key = projection(layout, arena, l, 1);
  layer.value = projection(layout, arena, l, 2);
  layer.output = linear(arena, d, o.attention_width, o.output, o.output_bias);
  layer.up = linear(arena, o.ffn_width, d, o.up, o.up_bias);
  layer.down = linear(arena, d, o.ffn_width, o.down, o.down_bias);
  return layer;
}

}  // namespace

template <class T>
void fold(const ParameterLayout& own, const T* parameters, const ParameterLayout& folded,
          T* result) {
  const int d = own.model_width();
  const int v = own.vocabulary();
  std::copy_n(parameters, own.matrix_size(), result);
  std::copy_n(parameters + own.matrix_size(), own.vector_size(), result + folded.matrix_size());
  std::copy_n(parameters + own.token_embedding, area(v, d), result + folded.head);
  std::fill_n(result + folded.head_bias, v, T{0});
  const int depth = own.largest().depth();
  parallel_tasks(static_cast<std::size_t>(depth) + 2, [&](std::size_t task) {
    const int l = static_cast<int>(task);
    if (l == depth) return fold_in_place(folded, fold_of_head(folded), result);
    if (l > depth) {
      centre_rows(v, d, result + folded.token_embedding);
      return centre_rows(folded.context(), d, result + folded.position_embedding);
    }
    for (const Fold& f : folds_of(folded, l)) fold_in_place(folded, f, result);
    centre_layer(folded, l, result);
  });
}

template <class T>
void fold_backward(const ParameterLayout& own, const T* parameters, const ParameterLayout& folded,
                   const T* d_result, T* gradient) {
  const int d = own.model_width();
  const int v = own.vocabulary();
  std::copy_n(d_result, own.matrix_size(), gradient);
  std::copy_n(d_result + folded.matrix_size(), own.vector_size(), gradient + own.matrix_size());
  const int depth = own.largest().depth();
  parallel_tasks(static_cast<std::size_t>(depth) + 1, [&](std::size_t task) {
    const int l = static_cast<int>(task);
    if (l < depth) {
      for (const Fold& f : folds_of(own, l)) fold_backward_in_place(own, f, parameters, gradient);
      return centre_layer(own, l, gradient);
    }
    centre_rows(own.context(), d, gradient + own.position_embedding);
    T* const tokens = gradient + own.token_embedding;
    centre_rows(v, d, tokens);
    std::vector<T> head(d_result + folded.head, d_result + folded.head + area(v, d));
    std::fill_n(gradient + own.final_gain, d, T{0});
    std::fill_n(gradient + own.final_bias, d, T{0});
    fold_norm_backward<T>(v, d,
                          {parameters + own.final_gain, parameters + own.final_bias,
                           parameters + own.token_embedding, nullptr},
                          head.data(), d_result + folded.head_bias, gradient + own.final_gain,
                          gradient + own.final_bias);
    for (std::size_t i = 0; i < head.size(); ++i) tokens[i] += head[i];
  });
}

template void fold<float>(const ParameterLayout&, const float*, const ParameterLayout&, float*);
template void fold<double>(const ParameterLayout&, const double*, const ParameterLayout&, double*);
template void fold_backward<float>(const ParameterLayout&, const float*, const ParameterLayout&,
                                   const float*, float*);
template void fold_backward<double>(const ParameterLayout&, const double*, const ParameterLayout&,
                                    const double*, double*);

FoldedNetwork fold(const ParameterLayout& layout, const float* parameters,
                   const Architecture& network) {
  const ParameterLayout own(network, layout.context());
  const ParameterLayout with_head(network, layout.context(), Head::untied);
  std::vector<float> weights(own.size()), arena(with_head.size());
  extract(layout, parameters, own, weights.data());
  fold(own, weights.data(), with_head, arena.data());
  return folded_network(with_head, arena);
}

FoldedNetwork folded_network(const ParameterLayout& folded, const std::vector<float>& arena) {
  const int d = folded.model_width();
  const int v = folded.vocabulary();
  FoldedNetwork result{folded.largest(), folded.context(), {}, {}, {}, {}};
  result.tokens = part(arena, folded.token_embedding, area(v, d));
  result.positions = part(arena, folded.position_embedding, area(folded.context(), d));
  for (int l = 0; l < result.network.depth(); ++l)
    result.layers.push_back(folded_layer(folded, arena, l));
  result.head = linear(arena, v, d, folded.head, folded.head_bias);
  return result;
}

}  // namespace paretoformer::supernet
