#include "supernet/model/network.hpp"

#include <algorithm>
#include <cmath>

#include "supernet/kernels/kernels.hpp"
#include "supernet/model/rounded_steps.hpp"

namespace paretoformer::supernet {
namespace {

constexpr int kQueryBlock = 64;  // causal blocks above the diagonal are skipped

// Rows of a weight gradient per task. Each task packs the whole second factor of its product, so
// few large ones are better; but there should be enough to share.
int weight_panel(int rows) { return std::clamp(rows / 2, 128, 384); }

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
T attention_scale(int head_width) {
  return static_cast<T>(1.0 / std::sqrt(static_cast<double>(head_width)));
}

template <class T>
void attention_forward(const Pass<T>& pass, const TaskRows<T>& rows, int task,
                       const typename Activations<T>::LayerBuffers& buffers, int heads) {
  const int hd = pass.layout.head_width();
  const int length = rows.length;
  T* scores =
      pass.activations.scores + static_cast<std::ptrdiff_t>(task) * 2 * kQueryBlock * length;
  for (int s = 0; s < rows.sequences; ++s)
    for (int h = 0; h < heads; ++h) {
      const std::ptrdiff_t row = rows.first + static_cast<std::ptrdiff_t>(s) * length;
      const HeadView<T> head = head_of(buffers.qkv, row, h, heads, hd);
      T* out = buffers.attended + row * heads * hd + h * hd;
      T* lse = buffers.log_sum_exp +
               static_cast<std::ptrdiff_t>(h) * pass.activations.row_capacity + row;
      for (int q0 = 0; q0 < length; q0 += kQueryBlock) {
        const int queries = std::min(kQueryBlock, length - q0);
        const int keys = q0 + queries;
        head_product(pass, queries, keys, hd, plain<T>(head.q + q0 * head.stride, head.stride),
                     transposed<T>(head.k, head.stride), scores, length);
        causal_softmax(queries, keys, q0, attention_scale<T>(hd), scores, length, lse + q0);
        round_probabilities(pass, queries, keys, scores, length);
        head_product(pass, queries, hd, keys, plain<T>(scores, length),
                     plain<T>(head.v, head.stride),
                     out + static_cast<std::ptrdiff_t>(q0) * heads * hd, heads * hd);
      }
    }
}

// From d_attended to d_qkv. Probabilities are recomputed from the stored log-sum-exp, as in
// FlashAttention (Dao et al. 2022, algorithm 4).
template <class T>
void attention_backward(const Pass<T>& pass, const TaskRows<T>& rows, int task,
                        const typename Activations<T>::LayerBuffers& buffers, int heads,
                        const T* d_attended) {
  const int hd = pass.layout.head_width();
  const int length = rows.length;
  const T scale = attention_scale<T>(hd);
  T* p = pass.activations.scores + static_cast<std::ptrdiff_t>(task) * 2 * kQueryBlock * length;
  T* dp = p + static_cast<std::ptrdiff_t>(kQueryBlock) * length;
  for (int s = 0; s < rows.sequences; ++s)
    for (int h = 0; h < heads; ++h) {
      const std::ptrdiff_t row = rows.first + static_cast<std::ptrdiff_t>(s) * length;
      const HeadView<T> head = head_of(buffers.qkv, row, h, heads, hd);
      const HeadView<T> d_head = head_of(buffers.d_qkv, row, h, heads, hd);
      const T* lse = buffers.log_sum_exp +
                     static_cast<std::ptrdiff_t>(h) * pass.activations.row_capacity + row;
      // The last block of queries sees all keys, so it writes d_k and d_v; the others add.
      Into into = Into::replace;
      for (int q0 = (length - 1) / kQueryBlock * kQueryBlock; q0 >= 0; q0 -= kQueryBlock) {
        const int queries = std::min(kQueryBlock, length - q0);
        const int keys = q0 + queries;
        const T* q = head.q + q0 * head.stride;
        const T* d_out =
            d_attended + (static_cast<std::ptrdiff_t>(s) * length + q0) * heads * hd + h * hd;
        head_product(pass, queries, keys, hd, plain<T>(q, head.stride),
                     transposed<T>(head.k, head.stride), p, length);
        causal_softmax_again(queries, keys, q0, scale, p, length, lse + q0);
        head_product(pass, queries, keys, hd, plain<T>(d_out, heads * hd),
                     transposed<T>(head.v, head.stride), dp, length);
        softmax_backward(queries, keys, p, dp, length, scale);
        round_probabilities(pass, queries, keys, p, length);
        head_product(pass, keys, hd, queries, transposed<T>(p, length), plain<T>(d_out, heads * hd),
                     d_head.v, d_head.stride, into);
        head_product(pass, queries, hd, keys, plain<T>(dp, length), plain<T>(head.k, head.stride),
                     d_head.q + q0 * d_head.stride, d_head.stride);
        head_product(pass, keys, hd, queries, transposed<T>(dp, length), plain<T>(q, head.stride),
                     d_head.k, d_head.stride, into);
        into = Into::accumulate;
      }
    }
}

template <class T>
T* stream_gradient(const Activations<T>& activations, std::size_t layer, int width) {
  return activations.d_stream +
         static_cast<std::ptrdiff_t>(layer) * activations.row_capacity * width;
}

// The gradients of what layer l added to the residual stream: the stream's own unless rounding
// clipped some of it.
template <class T>
T* added_attention(const Pass<T>& pass, std::size_t l) {
  return pass.rounding ? pass.rounding->d_attention[l] : pass.activations.layers[l].d_middle;
}

template <class T>
T* added_ffn(const Pass<T>& pass, std::size_t l) {
  return pass.rounding ? pass.rounding->d_ffn[l]
                       : stream_gradient(pass.activations, l + 1, pass.network.model_width);
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

int logit_tasks(const Batch& batch, int vocabulary) {
  constexpr std::int64_t kLogits = std::int64_t{64} << 20;
  const std::int64_t rows = std::int64_t{sequences_per_task(batch)} * batch.length;
  return static_cast<int>(std::clamp<std::int64_t>(kLogits / (rows * vocabulary), 1, 1 << 20));
}

template <class T>
Activations<T>::Activations(const ParameterLayout& layout, int sequences, int sequence_length,
                            Keep keep)
    : row_capacity(sequences * sequence_length),
      length(sequence_length),
      training(keep == Keep::all_layers) {
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
  attention_width = static_cast<int>(a);
  layers.resize(depth);
  // The plan is made twice: first to count, then to hand out addresses.
  std::size_t used = 0;
  const auto plan = [&](auto take) {
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
      for (T** statistic : {&b.mean1, &b.deviation1, &b.mean2, &b.deviation2})
        take(*statistic, rows);
      take(b.log_sum_exp, heads * rows);
      if (!training) continue;
      take(b.d_qkv, rows * 3 * a);
      take(b.d_middle, rows * d);
      take(b.d_up, rows * f);
    }
    // Without a backward pass a layer may overwrite its input with its output.
    output = layers[0].input;
    if (training) take(output, rows * d);
    take(norm, rows * d);
    take(mean, rows);
    take(deviation, rows);
    const Batch batch{nullptr, nullptr, sequences, length};
    const int tasks = row_tasks(batch);
    const std::size_t logit_rows =
        static_cast<std::size_t>(std::min(logit_tasks(batch, largest.vocabulary), tasks) *
                                 sequences_per_task(batch) * length);
    take(logits, logit_rows * static_cast<std::size_t>(largest.vocabulary));
    take(scores,
         static_cast<std::size_t>(tasks) * 2 * kQueryBlock * static_cast<std::size_t>(length));
    if (!training) return;
    take(d_stream, (depth + 1) * rows * d);
    take(d_norm, rows * d);
    take(d_attended, rows * a);
  };
  constexpr std::size_t kAlign = 64 / sizeof(T);
  plan([&](T*& pointer, std::size_t count) {
    pointer = nullptr;
    used += (count + kAlign - 1) / kAlign * kAlign;
  });
  arena_.assign(used, T{0});
  used = 0;
  plan([&](T*& pointer, std::size_t count) {
    pointer = arena_.data() + used;
    used += (count + kAlign - 1) / kAlign * kAlign;
  });
}

template <class T>
void forward(const Pass<T>& pass, int task) {
  const TaskRows<T> rows(pass, task);
  const ParameterLayout& layout = pass.layout;
  const T* w = pass.parameters;
  Activations<T>& act = pass.activations;
  const int d = pass.network.model_width;
  const int n = rows.count;
  const int stride = layout.model_width();
  const std::size_t depth = pass.network.layers.size();
  const std::size_t row = layout.norm_row(pass.network);
  const std::size_t final_row = layout.final_norm_row(pass.network);

  embed(n, d, rows.length, pass.batch.tokens + rows.first, w + layout.token_embedding,
        w + layout.position_embedding, stride, rows.of(act.layers[0].input, d));
  T* x = rows.of(act.layers[0].input, d);
  round_site(input_site(pass, 0), rows, d, x);
  for (std::size_t l = 0; l < depth; ++l) {
    const auto& b = act.layers[l];
    const LayerOffsets& o = layout.layer(static_cast<int>(l));
    const int heads = pass.network.layers[l].heads;
    const int a = heads * layout.head_width();
    const int f = pass.network.layers[l].ffn_width;
    T* norm1 = rows.of(b.norm1, d);
    T* qkv = rows.of(b.qkv, 3 * a);
    T* middle = rows.of(b.middle, d);
    T* norm2 = rows.of(b.norm2, d);
    T* up = rows.of(b.up, f);
    T* gelu = rows.of(b.gelu, f);
    const auto& sites = sites_of(pass, l);
    normalise(pass, input_site(pass, l), sites.norm1, rows,
              {w + o.norm1_gain + row, w + o.norm1_bias + row, b.mean1, b.deviation1}, x, norm1);
    product(pass, n, 3 * a, d, plain<T>(norm1, d), transposed<T>(w + o.qkv, stride), qkv, 3 * a);
    add_bias(n, 3 * a, w + o.qkv_bias, qkv);
    round_heads(sites, rows, heads, layout.head_width(), qkv);
    attention_forward(pass, rows, task, b, heads);
    round_site(sites.context, rows, a, rows.of(b.attended, a));
    product(pass, n, d, a, plain<T>(rows.of(b.attended, a), a),
            transposed<T>(w + o.output, o.attention_width), middle, d);
    add_to_stream(sites.attention, sites.middle, rows, d, x, w + o.output_bias, middle);
    normalise(pass, sites.middle, sites.norm2, rows,
              {w + o.norm2_gain + row, w + o.norm2_bias + row, b.mean2, b.deviation2}, middle,
              norm2);
    product(pass, n, f, d, plain<T>(norm2, d), transposed<T>(w + o.up, stride), up, f);
    activate(pass, sites, n, f, w + o.up_bias, up, gelu);
    x = rows.of(l + 1 < depth ? act.layers[l + 1].input : act.output, d);
    product(pass, n, d, f, plain<T>(gelu, f), transposed<T>(w + o.down, o.ffn_width), x, d);
    add_to_stream(sites.ffn, sites.output, rows, d, middle, w + o.down_bias, x);
  }
  T* norm = rows.of(act.norm, d);
  normalise(pass, input_site(pass, depth), final_site(pass), rows,
            {w + layout.final_gain + final_row, w + layout.final_bias + final_row, act.mean,
             act.deviation},
            x, norm);
  const int v = layout.vocabulary();
  product(pass, n, v, d, plain<T>(norm, d), transposed<T>(w + layout.head, stride),
          logits_of(pass, task), v);
  if (layout.untied()) add_bias(n, v, w + layout.head_bias, logits_of(pass, task));
}

template <class T>
T* logits_of(const Pass<T>& pass, int task) {
  const std::ptrdiff_t slot = task % logit_tasks(pass.batch, pass.layout.vocabulary());
  return pass.activations.logits +
         slot * sequences_per_task(pass.batch) * pass.batch.length * pass.layout.vocabulary();
}

template <class T>
void backward(const Pass<T>& pass, int task, T* vector_gradients) {
  const TaskRows<T> rows(pass, task);
  const ParameterLayout& layout = pass.layout;
  const T* w = pass.parameters;
  Activations<T>& act = pass.activations;
  const int d = pass.network.model_width;
  const int n = rows.count;
  const int v = layout.vocabulary();
  const int stride = layout.model_width();
  const std::size_t depth = pass.network.layers.size();
  const std::size_t row = layout.norm_row(pass.network);
  const std::size_t final_row = layout.final_norm_row(pass.network);
  const auto gradient = [&](std::size_t offset) {
    return vector_gradients + (offset - layout.matrix_size());
  };
  // Where the sum of a stream's gradients is that of the bias that was added to it.
  const auto sum_of_rows = [&](std::size_t bias) {
    return pass.rounding ? nullptr : gradient(bias);
  };

  T* d_norm = rows.of(act.d_norm, d);
  // Layers differ in attention width and tasks are in different layers at one time: each task's
  // part must lie where the widest layer puts it.
  T* d_attended = rows.of(act.d_attended, act.attention_width);
  if (layout.untied()) add_bias_backward(n, v, logits_of(pass, task), gradient(layout.head_bias));
  product(pass, n, d, v, plain<T>(logits_of(pass, task), v), plain<T>(w + layout.head, stride),
          d_norm, d);
  keep_inside(final_site(pass), rows, d, d_norm, d_norm);
  T* d_x = rows.of(stream_gradient(act, depth, d), d);
  layer_norm_backward<T>(n, d, d_norm, rows.of(act.output, d), w + layout.final_gain + final_row,
                         act.mean + rows.first, act.deviation + rows.first, nullptr, d_x,
                         gradient(layout.final_gain + final_row),
                         gradient(layout.final_bias + final_row),
                         sum_of_rows(layout.layer(static_cast<int>(depth) - 1).down_bias));
  for (std::size_t l = depth; l-- > 0;) {
    const auto& b = act.layers[l];
    const LayerOffsets& o = layout.layer(static_cast<int>(l));
    const int heads = pass.network.layers[l].heads;
    const int a = heads * layout.head_width();
    const int f = pass.network.layers[l].ffn_width;
    T* d_up = rows.of(b.d_up, f);
    T* d_middle = rows.of(b.d_middle, d);
    T* d_qkv = rows.of(b.d_qkv, 3 * a);
    T* d_ffn = rows.of(added_ffn(pass, l), d);
    T* d_attention = rows.of(added_attention(pass, l), d);
    const auto& sites = sites_of(pass, l);
    split_gradient(sites.ffn, sites.output, rows, d, d_x, d_ffn, gradient(o.down_bias));
    product(pass, n, f, d, plain<T>(d_ffn, d), plain<T>(w + o.down, o.ffn_width), d_up, f);
    bias_gelu_backward(n, f, rows.of(b.up, f), d_up, gradient(o.up_bias));
    product(pass, n, d, f, plain<T>(d_up, f), plain<T>(w + o.up, stride), d_norm, d);
    keep_inside(sites.norm2, rows, d, d_norm, d_norm);
    layer_norm_backward(n, d, d_norm, rows.of(b.middle, d), w + o.norm2_gain + row,
                        b.mean2 + rows.first, b.deviation2 + rows.first, d_x, d_middle,
                        gradient(o.norm2_gain + row), gradient(o.norm2_bias + row),
                        sum_of_rows(o.output_bias));
    split_gradient(sites.attention, sites.middle, rows, d, d_middle, d_attention,
                   gradient(o.output_bias));
    product(pass, n, a, d, plain<T>(d_attention, d), plain<T>(w + o.output, o.attention_width),
            d_attended, a);
    keep_inside(sites.context, rows, a, d_attended, d_attended);
    attention_backward(pass, rows, task, b, heads, d_attended);
    keep_inside(sites.query, rows, 3 * a, d_qkv, d_qkv);
    add_bias_backward(n, 3 * a, d_qkv, gradient(o.qkv_bias));
    product(pass, n, d, 3 * a, plain<T>(d_qkv, 3 * a), plain<T>(w + o.qkv, stride), d_norm, d);
    keep_inside(sites.norm1, rows, d, d_norm, d_norm);
    d_x = rows.of(stream_gradient(act, l, d), d);
    T* down_bias = l > 0 ? sum_of_rows(layout.layer(static_cast<int>(l) - 1).down_bias) : nullptr;
    layer_norm_backward(n, d, d_norm, rows.of(b.input, d), w + o.norm1_gain + row,
                        b.mean1 + rows.first, b.deviation1 + rows.first, d_middle, d_x,
                        gradient(o.norm1_gain + row), gradient(o.norm1_bias + row), down_bias);
  }
  keep_inside(input_site(pass, 0), rows, d, d_x, d_x);
}

int token_embedding_panel(int vocabulary) { return weight_panel(vocabulary); }

void list_weight_tasks(const Architecture& network, int context, std::vector<WeightTask>& tasks) {
  using Kind = WeightTask::Kind;
  tasks.clear();
  const auto panels = [&](Kind kind, int layer, int rows) {
    const int panel = weight_panel(rows);
    for (int row = 0; row < rows; row += panel)
      tasks.push_back({kind, layer, row, std::min(panel, rows - row)});
  };
  for (int l = 0; l < static_cast<int>(network.layers.size()); ++l) {
    const Layer& layer = network.layers[static_cast<std::size_t>(l)];
    panels(Kind::up, l, layer.ffn_width);
    panels(Kind::down, l, network.model_width);
    panels(Kind::qkv, l, 3 * layer.heads * network.head_width);
    panels(Kind::output, l, network.model_width);
  }
  panels(Kind::position_embedding, 0, context);
}

namespace {

// target += the gradient of one position's input
template <class T>
void add_input_gradient(const Pass<T>& pass, int row, T* target) {
  const int d = pass.network.model_width;
  const T* source = stream_gradient(pass.activations, 0, d) + static_cast<std::ptrdiff_t>(row) * d;
  for (int i = 0; i < d; ++i) target[i] += source[i];
}

template <class T>
void position_embedding_gradient(const Pass<T>& pass, const WeightTask& task, bool replace,
                                 T* gradient) {
  const int stride = pass.layout.model_width();
  for (int position = task.first_row; position < task.first_row + task.rows; ++position) {
    T* target =
        gradient + pass.layout.position_embedding + static_cast<std::ptrdiff_t>(position) * stride;
    if (replace) std::fill_n(target, pass.network.model_width, T{0});
    for (int s = 0; s < pass.batch.sequences && position < pass.batch.length; ++s)
      add_input_gradient(pass, s * pass.batch.length + position, target);
  }
}

}  // namespace

// Tokens enter by a look-up, so their gradient rows are gathered, in the order of the batch.
template <class T>
void token_embedding_gradient(const Pass<T>& pass, int first_task, int last_task, int first_row,
                              int rows, bool replace, T* gradient) {
  const int d = pass.network.model_width;
  const int v = pass.layout.vocabulary();
  const std::ptrdiff_t stride = pass.layout.model_width();
  const int per_task = sequences_per_task(pass.batch) * pass.batch.length;
  const int first = first_task * per_task;
  const int last = std::min(last_task * per_task, pass.batch.rows());
  T* table = gradient + pass.layout.token_embedding;
  product(pass, rows, d, last - first, transposed<T>(logits_of(pass, first_task) + first_row, v),
          plain<T>(pass.activations.norm + static_cast<std::ptrdiff_t>(first) * d, d),
          gradient + pass.layout.head + first_row * stride, stride,
          replace ? Into::replace : Into::accumulate);
  if (pass.layout.untied() && replace)
    for (int row = first_row; row < first_row + rows; ++row)
      std::fill_n(table + row * stride, d, T{0});
  for (int row = first; row < last; ++row)
    if (const int token = pass.batch.tokens[row]; token >= first_row && token < first_row + rows)
      add_input_gradient(pass, row, table + token * stride);
}

template <class T>
void weight_gradient(const Pass<T>& pass, const WeightTask& task, bool replace, T* gradient) {
  using Kind = WeightTask::Kind;
  if (task.kind == Kind::position_embedding)
    return position_embedding_gradient(pass, task, replace, gradient);
  const auto l = static_cast<std::size_t>(task.layer);
  const LayerOffsets& o = pass.layout.layer(task.layer);
  const auto& b = pass.activations.layers[l];
  const int d = pass.network.model_width;
  const int a = pass.network.layers[l].heads * pass.layout.head_width();
  const int f = pass.network.layers[l].ffn_width;
  // gradient[row][column] += sum over positions of dy[position][row] * x[position][column]
  const auto outer = [&](const T* dy, int dy_width, const T* x, int x_width, std::size_t offset,
                         std::ptrdiff_t stride) {
    product(pass, task.rows, x_width, pass.batch.rows(),
            transposed<T>(dy + task.first_row, dy_width), plain<T>(x, x_width),
            gradient + offset + task.first_row * stride, stride,
            replace ? Into::replace : Into::accumulate);
  };
  const int stride = pass.layout.model_width();
  switch (task.kind) {
    case Kind::qkv:
      return outer(b.d_qkv, 3 * a, b.norm1, d, o.qkv, stride);
    case Kind::output:
      return outer(added_attention(pass, l), d, b.attended, a, o.output, o.attention_width);
    case Kind::up:
      return outer(b.d_up, f, b.norm2, d, o.up, stride);
    default:  // down
      return outer(added_ffn(pass, l), d, b.gelu, f, o.down, o.ffn_width);
  }
}

template <class T>
void sequence_losses(const Pass<T>& pass, int task, std::span<double> losses) {
  forward(pass, task);
  const TaskRows<T> rows(pass, task);
  const int v = pass.layout.vocabulary();
  for (int s = 0; s < rows.sequences; ++s) {
    const std::ptrdiff_t first = rows.first + static_cast<std::ptrdiff_t>(s) * rows.length;
    losses[static_cast<std::size_t>(s)] =
        cross_entropy_loss(rows.length, v, logits_of(pass, task) + (first - rows.first) * v,
                           pass.batch.targets + first);
  }
}

#define PARETOFORMER_INSTANTIATE(T)                                                        \
  template class Activations<T>;                                                           \
  template void forward<T>(const Pass<T>&, int);                                           \
  template void backward<T>(const Pass<T>&, int, T*);                                      \
  template T* logits_of<T>(const Pass<T>&, int);                                           \
  template void token_embedding_gradient<T>(const Pass<T>&, int, int, int, int, bool, T*); \
  template void weight_gradient<T>(const Pass<T>&, const WeightTask&, bool, T*);           \
  template void sequence_losses<T>(const Pass<T>&, int, std::span<double>);

PARETOFORMER_INSTANTIATE(float)
PARETOFORMER_INSTANTIATE(double)

}  // namespace paretoformer::supernet
