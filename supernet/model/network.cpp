#include "supernet/model/network.hpp"

#include <algorithm>
#include <cmath>

#include "supernet/kernels/kernels.hpp"
#include "supernet/model/network_steps.hpp"
#include "supernet/model/training_pass.hpp"

namespace paretoformer::supernet {
namespace {

RowRange rows_of_task(const Batch& batch, int task) {
  const int per_task = sequences_per_task(batch);
  const int sequences = std::min(per_task, batch.sequences - task * per_task);
  return {static_cast<std::ptrdiff_t>(task) * per_task * batch.length, sequences * batch.length};
}

}  // namespace

int sequences_per_task(const Batch& batch) {
  // 256 rows make up for the packing of the weights; up to 512 where four tasks remain.
  return std::max(1, std::clamp(batch.rows() / 4, 256, 512) / batch.length);
}

int row_tasks(const Batch& batch) {
  const int per_task = sequences_per_task(batch);
  return (batch.sequences + per_task - 1) / per_task;
}

template <class T>
template <class Take>
void Activations<T>::plan(const ParameterLayout& layout, int sequences, const Take& take) {
  const Architecture& largest = layout.largest();
  const std::size_t depth = largest.layers.size();
  const auto rows = static_cast<std::size_t>(row_capacity);
  const auto d = static_cast<std::size_t>(largest.model_width);
  std::size_t a = 0;
  std::size_t f = 0;
  std::size_t heads = 0;
  for (const Layer& layer : largest.layers) {
    heads = std::max(heads, static_cast<std::size_t>(layer.heads));
    a = std::max(a, static_cast<std::size_t>(layer.heads * largest.head_width));
    f = std::max(f, static_cast<std::size_t>(layer.ffn_width));
  }
  layers.resize(depth);
  for (std::size_t l = 0; l < depth; ++l) {
    LayerBuffers& b = layers[l];
    if (l > 0 && !training) {
      b = layers[0];
      continue;
    }
    for (T** rows_of_d : {&b.input, &b.norm1, &b.middle, &b.norm2}) take(*rows_of_d, rows * d);
    take(b.qkv, rows * 3 * a);
    take(b.attended, rows * a);
    take(b.up, rows * f);
    take(b.gelu, rows * f);
    for (T** statistic : {&b.mean1, &b.deviation1, &b.mean2, &b.deviation2}) take(*statistic, rows);
    take(b.log_sum_exp, heads * rows);
    if (!training) continue;
    take(b.d_qkv, rows * 3 * a);
    take(b.d_attended, rows * a);
    take(b.d_middle, rows * d);
    take(b.d_up, rows * f);
    if (!dropped) continue;
    for (T** added : {&b.d_attention, &b.d_ffn}) take(*added, rows * d);
  }
  // Without a backward pass a layer may overwrite its input with its output.
  output = layers[0].input;
  if (training) take(output, rows * d);
  take(norm, rows * d);
  take(mean, rows);
  take(deviation, rows);
  const Batch batch{nullptr, nullptr, sequences, length};
  const auto logit_rows = training ? rows : static_cast<std::size_t>(rows_of_task(batch, 0).count);
  take(logits, logit_rows * static_cast<std::size_t>(largest.vocabulary));
  const Cut cut(sequences, length);
  const auto attention =
      training ? static_cast<std::size_t>(cut.chains * attention_tasks(largest, cut, length)) : 1;
  take(scores, attention * 2 * kQueryBlock * static_cast<std::size_t>(length));
  if (!training) return;
  take(d_stream, (depth + 1) * rows * d);
  take(d_norm, rows * d);
}

// Elements, in lines of the cache.
template <class T>
std::size_t Activations<T>::planned(const ParameterLayout& layout, int sequences,
                                    int sequence_length, Keep keep) {
  row_capacity = sequences * sequence_length;
  length = sequence_length;
  training = keep != Keep::nothing;
  dropped = keep == Keep::all_layers_dropped;
  std::size_t used = 0;
  plan(layout, sequences, [&](T*& pointer, std::size_t count) {
    constexpr std::size_t kAlign = 64 / sizeof(T);
    pointer = arena_ ? arena_.get() + used : nullptr;
    used += (count + kAlign - 1) / kAlign * kAlign;
  });
  return used;
}

template <class T>
Activations<T>::Activations(const ParameterLayout& layout, int sequences, int sequence_length,
                            Keep keep) {
  // The plan is made twice: first to count, then to hand out addresses.
  arena_ = std::make_unique_for_overwrite<T[]>(planned(layout, sequences, sequence_length, keep));
  planned(layout, sequences, sequence_length, keep);
}

template <class T>
std::size_t Activations<T>::bytes(const ParameterLayout& layout, int sequences, int length,
                                  Keep keep) {
  return Activations().planned(layout, sequences, length, keep) * sizeof(T);
}

template <class T>
T attention_scale(int head_width) {
  return static_cast<T>(1.0 / std::sqrt(static_cast<double>(head_width)));
}

template <class T>
void embed_rows(const Pass<T>& pass, const RowRange& rows) {
  const ParameterLayout& layout = pass.layout;
  const int d = pass.network.model_width;
  const std::ptrdiff_t stride = layout.model_width();
  T* const x = rows.of(pass.activations.layers[0].input, d);
  const T* const positions = pass.parameters + layout.position_embedding;
  // A range may begin within a sequence.
  for (int r = 0; r < rows.count;) {
    const auto position = static_cast<int>((rows.first + r) % pass.batch.length);
    const int count =
        position == 0 ? rows.count - r : std::min(rows.count - r, pass.batch.length - position);
    embed(count, d, pass.batch.length, pass.batch.tokens + rows.first + r,
          pass.parameters + layout.token_embedding, positions + position * stride, stride,
          x + static_cast<std::ptrdiff_t>(r) * d);
    r += count;
  }
  if (pass.batch.dropout)
    drop<T>(rows.count, d, mask_of(pass, DropoutSite::embedding, 0, rows), x, x);
  round_site(input_site(pass, 0), rows, d, x);
}

template <class T>
void attention_input(const Pass<T>& pass, std::size_t l, const RowRange& rows) {
  const auto& b = pass.activations.layers[l];
  const LayerOffsets& o = pass.layout.layer(static_cast<int>(l));
  const T* const w = pass.parameters;
  const std::size_t row = pass.layout.norm_row(pass.network);
  const int d = pass.network.model_width;
  const int heads = pass.network.layers[l].heads;
  const int a = heads * pass.layout.head_width();
  T* const norm1 = rows.of(b.norm1, d);
  T* const qkv = rows.of(b.qkv, 3 * a);
  const auto& sites = sites_of(pass, l);
  normalise(pass, input_site(pass, l), sites.norm1, rows,
            {w + o.norm1_gain + row, w + o.norm1_bias + row, b.mean1, b.deviation1},
            rows.of(b.input, d), norm1);
  project(pass, rows.count, 3 * a, d, norm1, {o.qkv, pass.layout.model_width()}, qkv, 3 * a);
  add_bias(rows.count, 3 * a, w + o.qkv_bias, qkv);
  round_heads(sites, rows, heads, pass.layout.head_width(), qkv);
}

template <class T>
void attention_forward(const Pass<T>& pass, std::size_t l, const HeadRange& range, T* scores) {
  const auto& b = pass.activations.layers[l];
  const int hd = pass.layout.head_width();
  const int length = pass.batch.length;
  const int heads = pass.network.layers[l].heads;
  for (int i = range.first; i < range.last; ++i) {
    const int h = i % heads;
    const std::ptrdiff_t row = range.first_row + static_cast<std::ptrdiff_t>(i / heads) * length;
    const HeadView<T> head = head_of(b.qkv, row, h, heads, hd);
    T* const out = b.attended + row * heads * hd + h * hd;
    T* const lse =
        b.log_sum_exp + static_cast<std::ptrdiff_t>(h) * pass.activations.row_capacity + row;
    for (int q0 = 0; q0 < length; q0 += kQueryBlock) {
      const int queries = std::min(kQueryBlock, length - q0);
      const int keys = q0 + queries;
      head_product(pass, queries, keys, hd, plain<T>(head.q + q0 * head.stride, head.stride),
                   transposed<T>(head.k, head.stride), scores, length);
      causal_softmax(queries, keys, q0, attention_scale<T>(hd), scores, length, lse + q0);
      round_probabilities(pass, queries, keys, scores, length);
      head_product(pass, queries, hd, keys, plain<T>(scores, length), plain<T>(head.v, head.stride),
                   out + static_cast<std::ptrdiff_t>(q0) * heads * hd, heads * hd);
    }
  }
}

template <class T>
void layer_output(const Pass<T>& pass, std::size_t l, const RowRange& rows) {
  const auto& b = pass.activations.layers[l];
  const LayerOffsets& o = pass.layout.layer(static_cast<int>(l));
  const T* const w = pass.parameters;
  const std::size_t row = pass.layout.norm_row(pass.network);
  const int n = rows.count;
  const int d = pass.network.model_width;
  const int a = pass.network.layers[l].heads * pass.layout.head_width();
  const int f = pass.network.layers[l].ffn_width;
  T* const middle = rows.of(b.middle, d);
  T* const norm2 = rows.of(b.norm2, d);
  T* const up = rows.of(b.up, f);
  T* const gelu = rows.of(b.gelu, f);
  T* const y = rows.of(stream_of(pass, l + 1), d);
  const auto& sites = sites_of(pass, l);
  round_site(sites.context, rows, a, rows.of(b.attended, a));
  project(pass, n, d, a, rows.of(b.attended, a), {o.output, o.attention_width}, middle, d);
  // y = x + (y + bias), with dropout or rounding of what is added.
  const auto add = [&](DropoutSite site, const RoundedSite<T>& added, const RoundedSite<T>& sum,
                       const T* x, const T* bias, T* into) {
    if (pass.batch.dropout)
      add_dropped(n, d, mask_of(pass, site, l, rows), x, bias, into);
    else
      add_to_stream(added, sum, rows, d, x, bias, into);
  };
  add(DropoutSite::attention, sites.attention, sites.middle, rows.of(b.input, d), w + o.output_bias,
      middle);
  normalise(pass, sites.middle, sites.norm2, rows,
            {w + o.norm2_gain + row, w + o.norm2_bias + row, b.mean2, b.deviation2}, middle, norm2);
  project(pass, n, f, d, norm2, {o.up, pass.layout.model_width()}, up, f);
  activate(pass, sites, n, f, w + o.up_bias, up, gelu);
  project(pass, n, d, f, gelu, {o.down, o.ffn_width}, y, d);
  add(DropoutSite::ffn, sites.ffn, sites.output, middle, w + o.down_bias, y);
}

template <class T>
void output_norm(const Pass<T>& pass, const RowRange& rows) {
  const ParameterLayout& layout = pass.layout;
  const Activations<T>& act = pass.activations;
  const T* const w = pass.parameters;
  const std::size_t depth = pass.network.layers.size();
  const std::size_t row = layout.final_norm_row(pass.network);
  const int d = pass.network.model_width;
  normalise(pass, input_site(pass, depth), final_site(pass), rows,
            {w + layout.final_gain + row, w + layout.final_bias + row, act.mean, act.deviation},
            rows.of(stream_of(pass, depth), d), rows.of(act.norm, d));
}

template <class T>
void word_logits(const Pass<T>& pass, const RowRange& rows, int first, int words, T* logits) {
  const int d = pass.network.model_width;
  project(pass, rows.count, words, d, rows.of(pass.activations.norm, d),
          {pass.layout.head, pass.layout.model_width(), first}, logits + first,
          pass.layout.vocabulary());
}

template <class T>
void add_head_bias(const Pass<T>& pass, const RowRange& rows, T* logits) {
  if (pass.layout.untied())
    add_bias(rows.count, pass.layout.vocabulary(), pass.parameters + pass.layout.head_bias, logits);
}

template <class T>
void forward(const Pass<T>& pass, int task) {
  const RowRange rows = rows_of_task(pass.batch, task);
  const int sequences = rows.count / pass.batch.length;
  embed_rows(pass, rows);
  for (std::size_t l = 0; l < pass.network.layers.size(); ++l) {
    attention_input(pass, l, rows);
    attention_forward(pass, l, {rows.first, 0, sequences * pass.network.layers[l].heads},
                      pass.activations.scores);
    layer_output(pass, l, rows);
  }
  output_norm(pass, rows);
  word_logits(pass, rows, 0, pass.layout.vocabulary(), logits_of(pass));
  add_head_bias(pass, rows, logits_of(pass));
}

template <class T>
void sequence_losses(const Pass<T>& pass, int task, std::span<double> losses) {
  forward(pass, task);
  const RowRange rows = rows_of_task(pass.batch, task);
  const int v = pass.layout.vocabulary();
  const int length = pass.batch.length;
  for (int r = 0; r < rows.count; r += length)
    losses[static_cast<std::size_t>(r / length)] =
        cross_entropy_loss(length, v, logits_of(pass) + static_cast<std::ptrdiff_t>(r) * v,
                           pass.batch.targets + rows.first + r);
}

#define PARETOFORMER_INSTANTIATE(T)                                                      \
  template class Activations<T>;                                                         \
  template T attention_scale<T>(int);                                                    \
  template void embed_rows<T>(const Pass<T>&, const RowRange&);                          \
  template void attention_input<T>(const Pass<T>&, std::size_t, const RowRange&);        \
  template void attention_forward<T>(const Pass<T>&, std::size_t, const HeadRange&, T*); \
  template void layer_output<T>(const Pass<T>&, std::size_t, const RowRange&);           \
  template void output_norm<T>(const Pass<T>&, const RowRange&);                         \
  template void word_logits<T>(const Pass<T>&, const RowRange&, int, int, T*);           \
  template void add_head_bias<T>(const Pass<T>&, const RowRange&, T*);                   \
  template void forward<T>(const Pass<T>&, int);                                         \
  template void sequence_losses<T>(const Pass<T>&, int, std::span<double>);

PARETOFORMER_INSTANTIATE(float)
PARETOFORMER_INSTANTIATE(double)

}  // namespace paretoformer::supernet
