#include "supernet/model/training_pass.hpp"

#include <algorithm>
#include <utility>

#include "supernet/kernels/kernels.hpp"
#include "supernet/model/network_steps.hpp"
#include "support/parallel.hpp"

namespace paretoformer::supernet {
namespace {

// Rows of a weight gradient per task. All but the head's pack the whole second factor of their
// product, so few large ones are better; but there should be enough to share.
int weight_panel(int rows) { return std::clamp(rows / 2, 128, 384); }

// Heads in one attention task, of which each costs about length^2 * head_width: enough of them to
// make up for handing it out.
int heads_per_task(int length, int head_width) {
  constexpr std::int64_t kWork = std::int64_t{1} << 22;
  const std::int64_t head = std::int64_t{length} * length * head_width;
  return static_cast<int>((kWork + head - 1) / head);
}

template <class T>
T* stream_gradient(const Pass<T>& pass, std::size_t l) {
  return pass.activations.d_stream +
         static_cast<std::ptrdiff_t>(l) * pass.activations.row_capacity * pass.network.model_width;
}

// Whether the gradients of what layer l added to the residual stream are not the stream's own:
// rounding clipped, or dropout dropped, some of it.
template <class T>
bool added_apart(const Pass<T>& pass) {
  return pass.rounding || pass.batch.dropout;
}

template <class T>
T* added_attention(const Pass<T>& pass, std::size_t l) {
  if (pass.batch.dropout) return pass.activations.layers[l].d_attention;
  return pass.rounding ? pass.rounding->d_attention[l] : pass.activations.layers[l].d_middle;
}

template <class T>
T* added_ffn(const Pass<T>& pass, std::size_t l) {
  if (pass.batch.dropout) return pass.activations.layers[l].d_ffn;
  return pass.rounding ? pass.rounding->d_ffn[l] : stream_gradient(pass, l + 1);
}

// Where some rows' share of the gradients of vectors goes.
template <class T>
struct VectorGradients {
  T* of(std::size_t offset) const { return data + (offset - matrix_size); }
  // Where the sum of a stream's gradients is that of the bias that was added to it.
  T* sum_of_rows(const Pass<T>& pass, std::size_t bias) const {
    return added_apart(pass) ? nullptr : of(bias);
  }

  T* data;
  std::size_t matrix_size;
};

// From the gradient of the logits to that of some columns of the last LayerNorm.
template <class T>
void output_norm_backward(const Pass<T>& pass, const RowRange& rows, int first, int columns) {
  const ParameterLayout& layout = pass.layout;
  const int d = pass.network.model_width;
  const int v = layout.vocabulary();
  project_back(pass, rows.count, columns, v, rows.of(pass.activations.logits, v),
               {layout.head, layout.model_width(), first},
               rows.of(pass.activations.d_norm, d) + first, d);
}

// From there to that of the output of the last layer.
template <class T>
void output_backward(const Pass<T>& pass, const RowRange& rows, const VectorGradients<T>& vectors) {
  const ParameterLayout& layout = pass.layout;
  const Activations<T>& act = pass.activations;
  const T* const w = pass.parameters;
  const int d = pass.network.model_width;
  const std::size_t depth = pass.network.layers.size();
  const std::size_t row = layout.final_norm_row(pass.network);
  T* const d_norm = rows.of(act.d_norm, d);
  keep_inside(final_site(pass), rows, d, d_norm, d_norm);
  layer_norm_backward<T>(
      rows.count, d, d_norm, rows.of(act.output, d), w + layout.final_gain + row,
      act.mean + rows.first, act.deviation + rows.first, nullptr,
      rows.of(stream_gradient(pass, depth), d), vectors.of(layout.final_gain + row),
      vectors.of(layout.final_bias + row),
      vectors.sum_of_rows(pass, layout.layer(static_cast<int>(depth) - 1).down_bias));
}

// From the gradient of the output of layer l to that of the heads' outputs.
template <class T>
void layer_output_backward(const Pass<T>& pass, std::size_t l, const RowRange& rows,
                           const VectorGradients<T>& vectors) {
  const auto& b = pass.activations.layers[l];
  const LayerOffsets& o = pass.layout.layer(static_cast<int>(l));
  const T* const w = pass.parameters;
  const std::size_t row = pass.layout.norm_row(pass.network);
  const int n = rows.count;
  const int d = pass.network.model_width;
  const int a = pass.network.layers[l].heads * pass.layout.head_width();
  const int f = pass.network.layers[l].ffn_width;
  T* const d_x = rows.of(stream_gradient(pass, l + 1), d);
  T* const d_ffn = rows.of(added_ffn(pass, l), d);
  T* const d_up = rows.of(b.d_up, f);
  T* const d_norm = rows.of(pass.activations.d_norm, d);
  T* const d_middle = rows.of(b.d_middle, d);
  T* const d_attention = rows.of(added_attention(pass, l), d);
  T* const d_attended = rows.of(b.d_attended, a);
  const auto& sites = sites_of(pass, l);
  const auto split = [&](DropoutSite site, const RoundedSite<T>& added, const RoundedSite<T>& sum,
                         T* d_sum, T* d_added, T* d_bias) {
    if (!pass.batch.dropout) return split_gradient(added, sum, rows, d, d_sum, d_added, d_bias);
    drop(n, d, mask_of(pass, site, l, rows), d_sum, d_added);
    add_bias_backward(n, d, d_added, d_bias);
  };
  split(DropoutSite::ffn, sites.ffn, sites.output, d_x, d_ffn, vectors.of(o.down_bias));
  project_back(pass, n, f, d, d_ffn, {o.down, o.ffn_width}, d_up, f);
  bias_gelu_backward(n, f, rows.of(b.up, f), d_up, vectors.of(o.up_bias));
  project_back(pass, n, d, f, d_up, {o.up, pass.layout.model_width()}, d_norm, d);
  keep_inside(sites.norm2, rows, d, d_norm, d_norm);
  layer_norm_backward(n, d, d_norm, rows.of(b.middle, d), w + o.norm2_gain + row,
                      b.mean2 + rows.first, b.deviation2 + rows.first, d_x, d_middle,
                      vectors.of(o.norm2_gain + row), vectors.of(o.norm2_bias + row),
                      vectors.sum_of_rows(pass, o.output_bias));
  split(DropoutSite::attention, sites.attention, sites.middle, d_middle, d_attention,
        vectors.of(o.output_bias));
  project_back(pass, n, a, d, d_attention, {o.output, o.attention_width}, d_attended, a);
  keep_inside(sites.context, rows, a, d_attended, d_attended);
}

// From there to that of queries, keys and values. Probabilities are recomputed from the stored
// log-sum-exp, as in FlashAttention (Dao et al. 2022, algorithm 4). `scores` is twice kQueryBlock
// rows of a sequence's length.
template <class T>
void attention_backward(const Pass<T>& pass, std::size_t l, const HeadRange& range, T* scores) {
  const auto& b = pass.activations.layers[l];
  const int hd = pass.layout.head_width();
  const int length = pass.batch.length;
  const int heads = pass.network.layers[l].heads;
  const T scale = attention_scale<T>(hd);
  T* const p = scores;
  T* const dp = p + static_cast<std::ptrdiff_t>(kQueryBlock) * length;
  for (int i = range.first; i < range.last; ++i) {
    const int h = i % heads;
    const std::ptrdiff_t row = range.first_row + static_cast<std::ptrdiff_t>(i / heads) * length;
    const HeadView<T> head = head_of(b.qkv, row, h, heads, hd);
    const HeadView<T> d_head = head_of(b.d_qkv, row, h, heads, hd);
    const T* const lse =
        b.log_sum_exp + static_cast<std::ptrdiff_t>(h) * pass.activations.row_capacity + row;
    // The last block of queries sees all keys, so it writes d_k and d_v; the others add.
    Into into = Into::replace;
    for (int q0 = (length - 1) / kQueryBlock * kQueryBlock; q0 >= 0; q0 -= kQueryBlock) {
      const int queries = std::min(kQueryBlock, length - q0);
      const int keys = q0 + queries;
      const T* const q = head.q + q0 * head.stride;
      const T* const d_out = b.d_attended + (row + q0) * heads * hd + h * hd;
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

// From there to that of the input of layer l.
template <class T>
void attention_input_backward(const Pass<T>& pass, std::size_t l, const RowRange& rows,
                              const VectorGradients<T>& vectors) {
  const auto& b = pass.activations.layers[l];
  const LayerOffsets& o = pass.layout.layer(static_cast<int>(l));
  const T* const w = pass.parameters;
  const std::size_t row = pass.layout.norm_row(pass.network);
  const int n = rows.count;
  const int d = pass.network.model_width;
  const int a = pass.network.layers[l].heads * pass.layout.head_width();
  T* const d_qkv = rows.of(b.d_qkv, 3 * a);
  T* const d_norm = rows.of(pass.activations.d_norm, d);
  T* const d_x = rows.of(stream_gradient(pass, l), d);
  const auto& sites = sites_of(pass, l);
  keep_inside(sites.query, rows, 3 * a, d_qkv, d_qkv);
  add_bias_backward(n, 3 * a, d_qkv, vectors.of(o.qkv_bias));
  project_back(pass, n, d, 3 * a, d_qkv, {o.qkv, pass.layout.model_width()}, d_norm, d);
  keep_inside(sites.norm1, rows, d, d_norm, d_norm);
  T* const down_bias =
      l > 0 ? vectors.sum_of_rows(pass, pass.layout.layer(static_cast<int>(l) - 1).down_bias)
            : nullptr;
  layer_norm_backward(n, d, d_norm, rows.of(b.input, d), w + o.norm1_gain + row,
                      b.mean1 + rows.first, b.deviation1 + rows.first, rows.of(b.d_middle, d), d_x,
                      vectors.of(o.norm1_gain + row), vectors.of(o.norm1_bias + row), down_bias);
  if (l > 0) return;
  keep_inside(input_site(pass, 0), rows, d, d_x, d_x);
  if (pass.batch.dropout) drop<T>(n, d, mask_of(pass, DropoutSite::embedding, 0, rows), d_x, d_x);
}

// Turns logits into their gradient. Returns the loss.
template <class T>
double loss_of_rows(const TrainingPass<T>& training, const RowRange& rows,
                    const VectorGradients<T>& vectors) {
  const ParameterLayout& layout = training.pass.layout;
  const int v = layout.vocabulary();
  T* const logits = rows.of(training.pass.activations.logits, v);
  const std::int32_t* const targets = training.pass.batch.targets + rows.first;
  T* const probabilities = training.probabilities ? rows.of(training.probabilities, v) : nullptr;
  add_head_bias(training.pass, rows, logits);
  const double loss =
      training.learns_from_probabilities
          ? distillation(rows.count, v, logits, targets, probabilities, training.soft,
                         training.scale)
          : cross_entropy(rows.count, v, logits, targets, training.scale, probabilities);
  if (layout.untied()) add_bias_backward(rows.count, v, logits, vectors.of(layout.head_bias));
  return loss;
}

// The loops within one chain.
template <class T>
class Chain {
 public:
  Chain(const TrainingPass<T>& training, int chain)
      : training_(training),
        cut_(training.cut),
        chain_(chain),
        first_row_(static_cast<std::ptrdiff_t>(chain) * cut_.sequences *
                   training.pass.batch.length),
        sequences_(
            std::min(cut_.sequences, training.pass.batch.sequences - chain * cut_.sequences)) {}

  bool empty() const { return sequences_ <= 0; }

  // step(rows, where their gradients of vectors go, their loss)
  template <class Step>
  void over_rows(const Step& step) const {
    parallel_tasks(static_cast<std::size_t>(cut_.blocks), [&](std::size_t block) {
      const int first = static_cast<int>(block) * cut_.block_rows;
      const int count = std::min(cut_.block_rows, sequences_ * training_.pass.batch.length - first);
      const std::size_t index = static_cast<std::size_t>(chain_ * cut_.blocks) + block;
      const ParameterLayout& layout = training_.pass.layout;
      if (count > 0)
        step(RowRange{first_row_ + first, count},
             VectorGradients<T>{training_.vector_gradients + index * layout.vector_size(),
                                layout.matrix_size()},
             training_.losses[index]);
    });
  }

  // step(all rows, first column, columns): of a product with a matrix so large that reading it for
  // every block of rows would take long.
  template <class Step>
  void over_columns(int width, const Step& step) const {
    constexpr int kColumns = 64;  // a multiple of all kernels' tiles
    const int panel = (width + kColumns * cut_.blocks - 1) / (kColumns * cut_.blocks) * kColumns;
    const RowRange rows{first_row_, sequences_ * training_.pass.batch.length};
    parallel_tasks(static_cast<std::size_t>((width + panel - 1) / panel), [&](std::size_t task) {
      const int first = static_cast<int>(task) * panel;
      step(rows, first, std::min(panel, width - first));
    });
  }

  // step(heads, scores) of layer l
  template <class Step>
  void over_heads(std::size_t l, const Step& step) const {
    const Pass<T>& pass = training_.pass;
    const int length = pass.batch.length;
    const int hd = pass.layout.head_width();
    const int heads = pass.network.layers[l].heads * sequences_;
    const int per_task = heads_per_task(length, hd);
    const int most = attention_tasks(pass.layout.largest(), cut_, length);
    parallel_tasks(static_cast<std::size_t>((heads + per_task - 1) / per_task),
                   [&](std::size_t task) {
                     const auto i = static_cast<int>(task);
                     const std::ptrdiff_t slot = std::ptrdiff_t{chain_} * most + i;
                     step(HeadRange{first_row_, i * per_task, std::min((i + 1) * per_task, heads)},
                          pass.activations.scores + slot * 2 * kQueryBlock * length);
                   });
  }

 private:
  const TrainingPass<T>& training_;
  const Cut& cut_;
  int chain_;
  std::ptrdiff_t first_row_;
  int sequences_;
};

}  // namespace

Cut::Cut(int sequences_of_batch, int length) {
  // Eight blocks in a batch keep enough cores busy, with the other networks' beside them; fewer
  // rows read the weights too often.
  const int rows = std::clamp(sequences_of_batch * length / 8, 64, 128);
  sequences = std::clamp(rows / length, 1, sequences_of_batch);
  chains = (sequences_of_batch + sequences - 1) / sequences;
  const int in_chain = sequences * length;
  blocks = std::max(1, (in_chain + rows / 2) / rows);
  block_rows = (in_chain + blocks - 1) / blocks;
}

int attention_tasks(const Architecture& network, const Cut& cut, int length) {
  int heads = 0;
  for (const Layer& layer : network.layers) heads = std::max(heads, layer.heads);
  const int per_task = heads_per_task(length, network.head_width);
  return (heads * cut.sequences + per_task - 1) / per_task;
}

template <class T>
void run_chain(const TrainingPass<T>& training, int index) {
  const Pass<T>& pass = training.pass;
  const Chain<T> chain(training, index);
  const std::size_t depth = pass.network.layers.size();
  if (chain.empty()) return;
  chain.over_rows([&](const RowRange& rows, const VectorGradients<T>&, double&) {
    embed_rows(pass, rows);
    attention_input(pass, 0, rows);
  });
  for (std::size_t l = 0; l < depth; ++l) {
    chain.over_heads(
        l, [&](const HeadRange& heads, T* scores) { attention_forward(pass, l, heads, scores); });
    if (l + 1 == depth) break;
    chain.over_rows([&](const RowRange& rows, const VectorGradients<T>&, double&) {
      layer_output(pass, l, rows);
      attention_input(pass, l + 1, rows);
    });
  }
  chain.over_rows([&](const RowRange& rows, const VectorGradients<T>&, double&) {
    layer_output(pass, depth - 1, rows);
    output_norm(pass, rows);
  });
  const int v = pass.layout.vocabulary();
  chain.over_columns(v, [&](const RowRange& rows, int first, int words) {
    word_logits(pass, rows, first, words, rows.of(pass.activations.logits, v));
  });
  chain.over_rows([&](const RowRange& rows, const VectorGradients<T>& vectors, double& loss) {
    loss += loss_of_rows(training, rows, vectors);
  });
  chain.over_columns(pass.network.model_width, [&](const RowRange& rows, int first, int columns) {
    output_norm_backward(pass, rows, first, columns);
  });
  chain.over_rows([&](const RowRange& rows, const VectorGradients<T>& vectors, double&) {
    output_backward(pass, rows, vectors);
    layer_output_backward(pass, depth - 1, rows, vectors);
  });
  for (std::size_t l = depth; l-- > 0;) {
    chain.over_heads(
        l, [&](const HeadRange& heads, T* scores) { attention_backward(pass, l, heads, scores); });
    chain.over_rows([&](const RowRange& rows, const VectorGradients<T>& vectors, double&) {
      attention_input_backward(pass, l, rows, vectors);
      if (l > 0) layer_output_backward(pass, l - 1, rows, vectors);
    });
  }
}

template <class T>
void pack_norm(const TrainingPass<T>& training) {
  const int d = training.pass.network.model_width;
  constexpr int kColumns = 2 * kPackedColumns;
  parallel_tasks(static_cast<std::size_t>((d + kColumns - 1) / kColumns), [&](std::size_t task) {
    const int first = static_cast<int>(task) * kColumns;
    pack<T>(plain<T>(training.pass.activations.norm, d), first, std::min(first + kColumns, d),
            training.norm);
  });
}

std::vector<WeightTask> weight_tasks(const ParameterLayout& layout) {
  using Kind = WeightTask::Kind;
  const Architecture& network = layout.largest();
  const int d = network.model_width;
  std::vector<std::pair<std::int64_t, WeightTask>> tasks;
  const auto panels = [&](Kind kind, int layer, int rows, int columns) {
    const int panel = weight_panel(rows);
    for (int row = 0; row < rows; row += panel) {
      const WeightTask task{kind, layer, row, std::min(panel, rows - row)};
      tasks.emplace_back(std::int64_t{task.rows} * columns, task);
    }
  };
  panels(Kind::head, 0, layout.vocabulary(), d);
  for (int l = 0; l < network.depth(); ++l) {
    const Layer& layer = network.layers[static_cast<std::size_t>(l)];
    const int a = layer.heads * network.head_width;
    panels(Kind::up, l, layer.ffn_width, d);
    panels(Kind::down, l, d, layer.ffn_width);
    panels(Kind::qkv, l, 3 * a, d);
    panels(Kind::output, l, d, a);
  }
  panels(Kind::position_embedding, 0, layout.context(), 1);
  std::stable_sort(tasks.begin(), tasks.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<WeightTask> sorted;
  for (const auto& [work, task] : tasks) sorted.push_back(task);
  return sorted;
}

namespace {

// target += the gradient of one position's input
template <class T>
void add_input_gradient(const Pass<T>& pass, int row, T* target) {
  const int d = pass.network.model_width;
  const T* source = stream_gradient(pass, 0) + static_cast<std::ptrdiff_t>(row) * d;
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

// Of the token embedding, and of an untied head: all through the logits, and the batch's tokens
// through the look-up, whose gradient rows are gathered in the order of the batch.
template <class T>
void head_gradient(const TrainingPass<T>& training, const WeightTask& task, bool replace,
                   T* gradient) {
  const Pass<T>& pass = training.pass;
  const int d = pass.network.model_width;
  const int v = pass.layout.vocabulary();
  const std::ptrdiff_t stride = pass.layout.model_width();
  T* const table = gradient + pass.layout.token_embedding;
  matmul_packed<T>(task.rows, d, pass.batch.rows(),
                   transposed<T>(pass.activations.logits + task.first_row, v), training.norm, 0,
                   gradient + pass.layout.head + task.first_row * stride, stride,
                   replace ? Into::replace : Into::accumulate);
  const int last_row = task.first_row + task.rows;
  if (pass.layout.untied() && replace)
    for (int row = task.first_row; row < last_row; ++row)
      std::fill_n(table + row * stride, d, T{0});
  for (int row = 0; row < pass.batch.rows(); ++row)
    if (const int token = pass.batch.tokens[row]; token >= task.first_row && token < last_row)
      add_input_gradient(pass, row, table + token * stride);
}

// What one network contributes.
template <class T>
void add_weight_gradient(const TrainingPass<T>& training, const WeightTask& task, bool replace,
                         T* gradient) {
  using Kind = WeightTask::Kind;
  const Pass<T>& pass = training.pass;
  if (task.kind == Kind::head) return head_gradient(training, task, replace, gradient);
  if (task.kind == Kind::position_embedding)
    return position_embedding_gradient(pass, task, replace, gradient);
  const auto l = static_cast<std::size_t>(task.layer);
  if (l >= pass.network.layers.size()) return;
  const LayerOffsets& o = pass.layout.layer(task.layer);
  const auto& b = pass.activations.layers[l];
  const int d = pass.network.model_width;
  const int a = pass.network.layers[l].heads * pass.layout.head_width();
  const int f = pass.network.layers[l].ffn_width;
  // gradient[row][column] += sum over positions of dy[position][row] * x[position][column]
  const auto outer = [&](const T* dy, int dy_width, const T* x, int x_width, std::size_t offset,
                         std::ptrdiff_t stride) {
    const int rows = std::min(task.rows, dy_width - task.first_row);
    if (rows <= 0) return;
    product(pass, rows, x_width, pass.batch.rows(), transposed<T>(dy + task.first_row, dy_width),
            plain<T>(x, x_width), gradient + offset + task.first_row * stride, stride,
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

}  // namespace

template <class T>
void weight_gradient(std::span<const TrainingPass<T>> passes, const WeightTask& task, bool replace,
                     T* gradient) {
  for (std::size_t i = 0; i < passes.size(); ++i)
    add_weight_gradient(passes[i], task, replace && i == 0, gradient);
}

#define PARETOFORMER_INSTANTIATE(T)                        \
  template void run_chain<T>(const TrainingPass<T>&, int); \
  template void pack_norm<T>(const TrainingPass<T>&);      \
  template void weight_gradient<T>(std::span<const TrainingPass<T>>, const WeightTask&, bool, T*);

PARETOFORMER_INSTANTIATE(float)
PARETOFORMER_INSTANTIATE(double)

}  // namespace paretoformer::supernet
