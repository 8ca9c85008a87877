#include "supernet/quantization/mixed_pass.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

#include "supernet/kernels/kernels.hpp"
#include "supernet/kernels/matmul.hpp"

namespace paretoformer::supernet {
namespace {

using Kind = IntegerOperator;

// Vectors whose numbers are all written before they are read need no zeros.
template <class T>
struct Unset : std::allocator<T> {
  template <class U>
  struct rebind {
    using other = Unset<U>;
  };
  template <class U>
  void construct(U* place) {
    ::new (static_cast<void*>(place)) U;
  }
  template <class U, class... Arguments>
  void construct(U* place, Arguments&&... arguments) {
    ::new (static_cast<void*>(place)) U(std::forward<Arguments>(arguments)...);
  }
};
using Values = std::vector<float, Unset<float>>;

template <class T>
Values dequantized(const std::vector<T>& x, float scale) {
  Values y(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) y[i] = static_cast<float>(x[i]) * scale;
  return y;
}

class Mixed {
 public:
  Mixed(const MixedPass& pass, std::span<const std::int32_t> tokens, int length)
      : pass_(pass),
        tokens_(tokens),
        length_(length),
        rows_(static_cast<int>(tokens.size())),
        d_(pass.network.network.model_width),
        hd_(pass.network.network.head_width) {}

  // None where what is looked at is not the logits.
  Values logits();

 private:
  bool integer(Kind kind) const { return pass_.operators.has(kind); }
  const Sites<float>& scales() const { return pass_.quantized->scales; }
  // Nothing but zeros where no operator is an integer one.
  const IntegerLayer& layer(std::size_t l) const {
    static const IntegerLayer none{};
    return pass_.quantized ? pass_.quantized->layers[l] : none;
  }
  LayerSites<float> scales(std::size_t l) const {
    return pass_.quantized ? scales().layers[l] : LayerSites<float>{};
  }

  LayerMoments* moments_of(std::size_t l) const {
    const bool wanted = pass_.moments && pass_.network.network.layers[l].weight_bits == 4;
    return wanted ? &(*pass_.moments)[l] : nullptr;
  }

  Values embed();
  Values norm(const Values& x, float x_scale, float y_scale, float scale);
  Values linear(const Linear& weights, const IntegerLinear* integer_weights, const Values& x,
                float x_scale, float y_scale);
  Values attention(std::size_t l, const Values& q, const Values& k, const Values& v);
  void head_scores(std::size_t l, const float* q, const float* k, std::ptrdiff_t width, int first,
                   Values& scores);
  void head_softmax(std::size_t l, int first, Values& scores);
  void head_context(std::size_t l, const float* v, std::ptrdiff_t width, int first,
                    const Values& scores, float* out);
  Values gelu(std::size_t l, Values& x);  // x stays as it is
  Values add(const Values& x, const Values& added, float x_scale, float added_scale,
             float sum_scale, const ResidualScales* scales);
  Values attention_block(std::size_t l, const Values& x, float x_scale);
  Values ffn_block(std::size_t l, const Values& x);

  const MixedPass& pass_;
  std::span<const std::int32_t> tokens_;
  int length_, rows_, d_, hd_;
  std::vector<std::int32_t> sums_;
};

Values Mixed::embed() {
  if (integer(Kind::kResidualAdd)) {
    std::vector<std::int8_t> x(area(rows_, d_));
    integer_embedding(*pass_.quantized, tokens_, length_, x.data());
    return dequantized(x, scales().input);
  }
  Values x(area(rows_, d_));
  supernet::embed<float>(rows_, d_, length_, tokens_.data(), pass_.network.tokens.data(),
                         pass_.network.positions.data(), d_, x.data());
  return x;
}

Values Mixed::norm(const Values& x, float x_scale, float y_scale, float scale) {
  if (integer(Kind::kLayerNorm)) {
    std::vector<std::int8_t> y(x.size());
    sums_.resize(x.size());
    integer_norm(rows_, d_, quantized(x, x_scale).data(), pass_.quantized->norm_reads, scale,
                 sums_.data(), y.data());
    return dequantized(y, y_scale);
  }
  const Values gain(static_cast<std::size_t>(d_), 1), bias(static_cast<std::size_t>(d_), 0);
  Values y(x.size()), mean(static_cast<std::size_t>(rows_)), deviation(mean.size());
  layer_norm(rows_, d_, x.data(), gain.data(), bias.data(), y.data(), mean.data(),
             deviation.data());
  return y;
}

Values Mixed::linear(const Linear& weights, const IntegerLinear* integer_weights, const Values& x,
                     float x_scale, float y_scale) {
  const int outputs = weights.outputs;
  if (integer(Kind::kProducts)) {
    std::vector<std::int8_t> y(area(rows_, outputs));
    sums_.resize(y.size());
    project(*integer_weights, rows_, quantized(x, x_scale).data(), sums_.data(), y.data());
    return dequantized(y, y_scale);
  }
  Values y(area(rows_, outputs));
  matmul<float>(rows_, outputs, weights.inputs, plain(x.data(), weights.inputs),
                transposed(weights.weight.data(), weights.inputs), y.data(), outputs);
  add_bias(rows_, outputs, weights.bias.data(), y.data());
  return y;
}

// Raw q k^T of the queries from `first` on, [queries][keys].
void Mixed::head_scores(std::size_t l, const float* q, const float* k, std::ptrdiff_t width,
                        int first, Values& scores) {
  const int queries = std::min(kIntegerQueryBlock, length_ - first);
  const int keys = first + queries;
  scores.resize(area(queries, keys));
  if (!integer(Kind::kAttention))
    return matmul_vector<float>(queries, keys, hd_, plain(q + first * width, width),
                                transposed(k, width), scores.data(), keys);
  const LayerSites<float> s = scales(l);
  std::vector<std::int8_t> rows_q(area(queries, hd_)), rows_k(area(keys, hd_));
  const auto rows = static_cast<std::size_t>(hd_);
  for (int i = 0; i < queries; ++i)
    quantize({q + (first + i) * width, rows}, s.query, rows_q.data() + area(i, hd_));
  for (int i = 0; i < keys; ++i)
    quantize({k + i * width, rows}, s.key, rows_k.data() + area(i, hd_));
  std::vector<std::int32_t> sums(scores.size());
  integer_matmul(queries, keys, hd_, plain(rows_q.data(), hd_), transposed(rows_k.data(), hd_), {},
                 {sums.data(), keys});
  scores = dequantized(sums, s.query * s.key);
}

// In place: probabilities.
void Mixed::head_softmax(std::size_t l, int first, Values& scores) {
  const int queries = std::min(kIntegerQueryBlock, length_ - first);
  const int keys = first + queries;
  if (!integer(Kind::kSoftmax)) {
    Values log_sum(static_cast<std::size_t>(queries));
    const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(hd_)));
    return causal_softmax(queries, keys, first, scale, scores.data(), keys, log_sum.data());
  }
  const LayerSites<float> s = scales(l);
  const double step = double{s.query} * s.key;
  const double most = 128.0 * 128 * hd_;
  std::vector<std::int32_t> sums(scores.size());
  for (int i = 0; i < queries; ++i)
    for (int j = 0; j < keys; ++j) {
      const std::size_t at = area(i, keys) + static_cast<std::size_t>(j);
      const double steps = std::nearbyint(scores[at] / step);
      const double sum = steps < most ? std::max(steps, -most) : most;  // NaN too
      sums[at] = static_cast<std::int32_t>(sum) + (j > first + i ? kMasked : 0);
    }
  std::vector<std::int8_t> p(scores.size());
  integer_softmax(queries, keys, {sums.data(), keys}, layer(l).softmax, 1, {p.data(), keys});
  scores = dequantized(p, 1.0F / 127);
}

void Mixed::head_context(std::size_t l, const float* v, std::ptrdiff_t width, int first,
                         const Values& scores, float* out) {
  const int queries = std::min(kIntegerQueryBlock, length_ - first);
  const int keys = first + queries;
  if (!integer(Kind::kAttention))
    return matmul_vector<float>(queries, hd_, keys, plain(scores.data(), keys), plain(v, width),
                                out, width);
  const LayerSites<float> s = scales(l);
  const std::vector<std::int8_t> p = quantized(scores, 1.0F / 127);
  std::vector<std::int8_t> rows_v(area(keys, hd_)), context(area(queries, hd_));
  for (int i = 0; i < keys; ++i)
    quantize({v + i * width, static_cast<std::size_t>(hd_)}, s.value, rows_v.data() + area(i, hd_));
  std::vector<std::int32_t> sums(context.size());
  integer_matmul(queries, hd_, keys, plain(p.data(), keys), plain(rows_v.data(), hd_), {},
                 {sums.data(), hd_});
  requantize_rows(queries, hd_, {sums.data(), hd_}, layer(l).context, {context.data(), hd_});
  const Values values = dequantized(context, s.context);
  for (int i = 0; i < queries; ++i) std::copy_n(values.data() + area(i, hd_), hd_, out + i * width);
}

Values Mixed::attention(std::size_t l, const Values& q, const Values& k, const Values& v) {
  const int heads = pass_.network.layers[l].heads;
  const std::ptrdiff_t width = std::ptrdiff_t{heads} * hd_;
  Values context(q.size()), scores;
  for (int row = 0; row < rows_; row += length_)
    for (int head = 0; head < heads; ++head) {
      const std::ptrdiff_t offset = row * width + std::ptrdiff_t{head} * hd_;
      for (int first = 0; first < length_; first += kIntegerQueryBlock) {
        head_scores(l, q.data() + offset, k.data() + offset, width, first, scores);
        head_softmax(l, first, scores);
        head_context(l, v.data() + offset, width, first, scores,
                     context.data() + offset + first * width);
      }
    }
  return context;
}

Values Mixed::gelu(std::size_t l, Values& x) {
  const int columns = pass_.network.layers[l].up.outputs;
  if (integer(Kind::kGelu)) {
    const LayerSites<float> s = scales(l);
    std::vector<std::int8_t> y(x.size());
    sums_.resize(x.size());
    integer_gelu_of(layer(l), rows_, columns, quantized(x, s.up).data(), sums_.data(), y.data());
    return dequantized(y, s.gelu);
  }
  Values y(x.size());
  const Values none(static_cast<std::size_t>(columns), 0);
  bias_gelu(rows_, columns, none.data(), false, x.data(), y.data());
  return y;
}

Values Mixed::add(const Values& x, const Values& added, float x_scale, float added_scale,
                  float sum_scale, const ResidualScales* residual) {
  if (integer(Kind::kResidualAdd)) {
    std::vector<std::int8_t> y(x.size());
    residual_add(rows_, d_, {quantized(x, x_scale).data(), d_},
                 {quantized(added, added_scale).data(), d_}, *residual, {y.data(), d_});
    return dequantized(y, sum_scale);
  }
  Values y(x.size());
  for (std::size_t i = 0; i < y.size(); ++i) y[i] = added[i] + x[i];
  return y;
}

std::vector<float> largest_by_channel(const Values& rows, int channels) {
  std::vector<float> largest(static_cast<std::size_t>(channels));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    float& size = largest[i % largest.size()];
    size = std::max(size, std::abs(rows[i]));
  }
  return largest;
}

void see(Distribution* seen, const Values& values) {
  if (seen) seen->add(values);
}

// x after the attention of layer l.
Values Mixed::attention_block(std::size_t l, const Values& x, float x_scale) {
  const FoldedLayer& weights = pass_.network.layers[l];
  const IntegerLayer& w = layer(l);
  const LayerSites<float> s = scales(l);
  const Values n = norm(x, x_scale, s.norm1, w.norm1);
  const Values q = linear(weights.query, &w.query, n, s.norm1, s.query);
  const Values k = linear(weights.key, &w.key, n, s.norm1, s.key);
  const Values v = linear(weights.value, &w.value, n, s.norm1, s.value);
  const Values context = attention(l, q, k, v);
  const Values added = linear(weights.output, &w.output, context, s.context, s.attention);
  if (pass_.channels)
    (*pass_.channels)[l].include({largest_by_channel(q, weights.query.outputs),
                                  largest_by_channel(k, weights.query.outputs),
                                  largest_by_channel(context, weights.query.outputs)});
  if (LayerMoments* const moments = moments_of(l)) {
    moments->norm1.add(n, d_);
    moments->context.add(context, weights.output.inputs);
  }
  Values middle = add(x, added, x_scale, s.attention, s.middle, &w.attention_add);
  if (pass_.seen) {
    LayerSites<Distribution>& seen = pass_.seen->layers[l];
    seen.norm1.add(n);
    seen.query.add(q);
    seen.key.add(k);
    seen.value.add(v);
    seen.context.add(context);
    seen.attention.add(added);
    seen.middle.add(middle);
  }
  return middle;
}

Values Mixed::ffn_block(std::size_t l, const Values& x) {
  const FoldedLayer& weights = pass_.network.layers[l];
  const IntegerLayer& w = layer(l);
  const LayerSites<float> s = scales(l);
  const Values n = norm(x, s.middle, s.norm2, w.norm2);
  Values up = linear(weights.up, &w.up, n, s.norm2, s.up);
  const Values activated = gelu(l, up);
  const Values added = linear(weights.down, &w.down, activated, s.gelu, s.ffn);
  if (LayerMoments* const moments = moments_of(l)) {
    moments->norm2.add(n, d_);
    moments->gelu.add(activated, weights.down.inputs);
  }
  Values output = add(x, added, s.middle, s.ffn, s.output, &w.ffn_add);
  if (pass_.seen) {
    LayerSites<Distribution>& seen = pass_.seen->layers[l];
    seen.norm2.add(n);
    seen.up.add(up);
    seen.gelu.add(activated);
    seen.ffn.add(added);
    seen.output.add(output);
  }
  return output;
}

Values Mixed::logits() {
  const Linear& head = pass_.network.head;
  Values x = embed();
  see(pass_.seen ? &pass_.seen->input : nullptr, x);
  float x_scale = pass_.quantized ? scales().input : 0;
  for (std::size_t l = 0; l < pass_.network.layers.size(); ++l) {
    x = ffn_block(l, attention_block(l, x, x_scale));
    x_scale = scales(l).output;
  }
  const float scale = pass_.quantized ? scales().norm : 0;
  const Values n = norm(x, x_scale, scale, pass_.quantized ? pass_.quantized->norm : 0);
  see(pass_.seen ? &pass_.seen->norm : nullptr, n);
  if (pass_.seen || pass_.channels || pass_.moments) return {};
  if (!integer(Kind::kProducts)) return linear(head, nullptr, n, 0, 0);
  const QuantizedNetwork& q = *pass_.quantized;
  sums_.resize(area(rows_, head.outputs));
  const std::vector<std::int8_t> rows = quantized(n, scale);
  integer_matmul(rows_, head.outputs, d_, plain(rows.data(), d_),
                 transposed(q.head.weight.data(), d_), {q.head.bias.data(), 0},
                 {sums_.data(), head.outputs});
  return dequantized(sums_, q.logit_scale);
}

}  // namespace

void mixed_logits(const MixedPass& pass, std::span<const std::int32_t> tokens, int length,
                  std::vector<float>& logits) {
  const Values values = Mixed(pass, tokens, length).logits();
  logits.assign(values.begin(), values.end());
}

}  // namespace paretoformer::supernet
