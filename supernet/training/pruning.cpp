#include "supernet/training/pruning.hpp"

#include <Eigen/Cholesky>
#include <Eigen/Core>
#include <algorithm>
#include <numeric>

#include "supernet/model/network_steps.hpp"
#include "support/error.hpp"
#include "support/parallel.hpp"

namespace paretoformer::supernet {
namespace {

using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Rows = Eigen::Map<const Floats>;

// Added to the squares of the least-squares problem, of their mean: what sums in fp32 do not know
// (about a millionth) stays as it is, and so does a channel that is never active.
constexpr double kDamping = 1e-3;
constexpr double kLargestFactor = 10;
constexpr int kPanel = 128;  // rows of a product of moments per task

std::size_t area(std::ptrdiff_t rows, std::ptrdiff_t columns) {
  return static_cast<std::size_t>(rows * columns);
}

double square_of(const std::vector<float>& weights, std::size_t first, int rows, int stride,
                 int count) {
  double sum = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < count; ++c) {
      const double w = weights[first + area(r, stride) + static_cast<std::size_t>(c)];
      sum += w * w;
    }
  return sum;
}

// The `count` with the highest values, of equals the first.
std::vector<int> highest(const std::vector<double>& values, int count) {
  std::vector<int> kept = by_importance(values);
  kept.resize(static_cast<std::size_t>(count));
  std::sort(kept.begin(), kept.end());
  return kept;
}

std::vector<int> rearranged(const std::vector<std::vector<double>>& gradients, int count) {
  const std::size_t units = gradients[0].size();
  const std::size_t left_out = units - static_cast<std::size_t>(count);
  if (left_out == 0 || count == 0) return highest(gradients[0], count);
  Eigen::MatrixXd g(static_cast<Eigen::Index>(gradients.size()), static_cast<Eigen::Index>(units));
  for (std::size_t s = 0; s < gradients.size(); ++s)
    for (std::size_t i = 0; i < units; ++i)
      g(static_cast<Eigen::Index>(s), static_cast<Eigen::Index>(i)) = gradients[s][i];
  const Eigen::VectorXd squares = g.colwise().squaredNorm();
  std::vector<int> order(units);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return squares(a) < squares(b); });
  const auto rest = order.begin() + static_cast<std::ptrdiff_t>(left_out);
  std::vector<int> out(order.begin(), rest);
  Eigen::VectorXd sum = Eigen::VectorXd::Zero(g.rows());
  for (const int i : out) sum += g.col(i);
  for (auto next = rest; next != order.end(); ++next) {
    out.push_back(*next);
    sum += g.col(*next);
    // |sum - g_i|^2 = |sum|^2 - 2 sum g_i + |g_i|^2
    const Eigen::VectorXd products = g.transpose() * sum;
    const auto back = std::min_element(out.begin(), out.end(), [&](int a, int b) {
      return squares(a) - 2 * products(a) < squares(b) - 2 * products(b);
    });
    sum -= g.col(*back);
    out.erase(back);
  }
  std::vector<int> kept;
  for (int i = 0; i < static_cast<int>(units); ++i)
    if (std::find(out.begin(), out.end(), i) == out.end()) kept.push_back(i);
  return kept;
}

// Blocks of `size` values of each of some rows, in this order.
void copy_blocks(const float* from, std::ptrdiff_t stride, int rows, int size,
                 const std::vector<int>& blocks, float* to) {
  for (int r = 0; r < rows; ++r)
    for (const int block : blocks)
      to = std::copy_n(from + r * stride + std::ptrdiff_t{block} * size, size, to);
}

void add(const float* from, int count, float* to) {
  for (int i = 0; i < count; ++i) to[i] += from[i];
}

}  // namespace

Importance magnitude_importance(const ParameterLayout& layout,
                                const std::vector<float>& parameters) {
  const int d = layout.model_width();
  const int width = layout.head_width();
  Importance importance;
  for (int l = 0; l < layout.largest().depth(); ++l) {
    const LayerOffsets& o = layout.layer(l);
    std::vector<double> heads, channels;
    for (int h = 0; h < o.attention_width / width; ++h)
      heads.push_back(
          square_of(parameters, o.qkv + area(h, 3 * width * d), 1, 0, 3 * width * d) +
          square_of(parameters, o.output + area(h, width), d, o.attention_width, width));
    for (int c = 0; c < o.ffn_width; ++c)
      channels.push_back(square_of(parameters, o.up + area(c, d), 1, 0, d) +
                         square_of(parameters, o.down + area(c, 1), d, o.ffn_width, 1));
    importance.heads.push_back(std::move(heads));
    importance.channels.push_back(std::move(channels));
  }
  return importance;
}

std::vector<Kept> most_important(const Importance& importance, std::span<const Layer> sizes) {
  std::vector<Kept> kept;
  for (std::size_t l = 0; l < sizes.size(); ++l)
    kept.push_back({highest(importance.heads[l], sizes[l].heads),
                    highest(importance.channels[l], sizes[l].heads > 0 ? sizes[l].ffn_width : 0)});
  return kept;
}

std::vector<Kept> rearranged(const MaskGradients& gradients, std::span<const Layer> sizes) {
  std::vector<Kept> kept;
  for (std::size_t l = 0; l < sizes.size(); ++l)
    kept.push_back(
        {rearranged(gradients.heads[l], sizes[l].heads),
         rearranged(gradients.channels[l], sizes[l].heads > 0 ? sizes[l].ffn_width : 0)});
  return kept;
}

PrunedNetwork pruned(const ParameterLayout& layout, const std::vector<float>& parameters,
                     std::span<const Kept> kept) {
  Architecture network = layout.largest();
  for (std::size_t l = 0; l < kept.size(); ++l) {
    network.layers[l].heads = static_cast<int>(kept[l].heads.size());
    network.layers[l].ffn_width = static_cast<int>(kept[l].channels.size());
  }
  std::erase_if(network.layers, [](const Layer& layer) { return layer.heads == 0; });
  if (network.layers.empty()) throw Error("a network must keep a layer");
  PrunedNetwork result{ParameterLayout(network, layout.context()), {}};
  result.parameters.resize(result.layout.size());
  const int d = layout.model_width();
  const int width = layout.head_width();
  const auto from = [&](std::size_t offset) { return parameters.data() + offset; };
  const auto to = [&](std::size_t offset) { return result.parameters.data() + offset; };
  const auto copy = [&](std::size_t source, std::size_t target, int rows = 1) {
    std::copy_n(from(source), area(rows, d), to(target));
  };
  copy(layout.token_embedding, result.layout.token_embedding, layout.vocabulary());
  copy(layout.position_embedding, result.layout.position_embedding, layout.context());
  copy(layout.final_gain, result.layout.final_gain);
  copy(layout.final_bias, result.layout.final_bias);
  int next = 0;
  for (int l = 0; l < layout.largest().depth(); ++l) {
    const LayerOffsets& o = layout.layer(l);
    const auto& [heads, channels] = kept[static_cast<std::size_t>(l)];
    if (heads.empty()) {
      for (const std::size_t bias : {o.output_bias, o.down_bias})
        if (next > 0)
          add(from(bias), d, to(result.layout.layer(next - 1).down_bias));
        else
          for (int position = 0; position < layout.context(); ++position)
            add(from(bias), d, to(result.layout.position_embedding + area(position, d)));
      continue;
    }
    const LayerOffsets& t = result.layout.layer(next++);
    for (const auto& [source, target] : {std::pair{o.norm1_gain, t.norm1_gain},
                                         {o.norm1_bias, t.norm1_bias},
                                         {o.output_bias, t.output_bias},
                                         {o.norm2_gain, t.norm2_gain},
                                         {o.norm2_bias, t.norm2_bias},
                                         {o.down_bias, t.down_bias}})
      copy(source, target);
    // Rows of qkv and up are blocks of one long row.
    copy_blocks(from(o.qkv), 0, 1, 3 * width * d, heads, to(t.qkv));
    copy_blocks(from(o.qkv_bias), 0, 1, 3 * width, heads, to(t.qkv_bias));
    copy_blocks(from(o.output), o.attention_width, d, width, heads, to(t.output));
    copy_blocks(from(o.up), 0, 1, d, channels, to(t.up));
    copy_blocks(from(o.up_bias), 0, 1, 1, channels, to(t.up_bias));
    copy_blocks(from(o.down), o.ffn_width, d, 1, channels, to(t.down));
  }
  return result;
}

namespace {

// Rows of x' y, of `rows` rows each, on all threads.
std::vector<float> moments(const float* x, int x_width, const float* y, int y_width, int rows) {
  std::vector<float> result(area(x_width, y_width));
  const int panels = (x_width + kPanel - 1) / kPanel;
  parallel_tasks(static_cast<std::size_t>(panels), [&](std::size_t panel) {
    const int first = static_cast<int>(panel) * kPanel;
    matmul<float>(std::min(kPanel, x_width - first), y_width, rows,
                  transposed<float>(x + first, x_width), plain<float>(y, y_width),
                  result.data() + area(first, y_width), y_width);
  });
  return result;
}

// Least squares of |target - sum of m_u w_u x_u|^2 over `rows` rows in the factors m of units of
// `size` inputs x of a matrix w [d][width], whose columns are multiplied by them. Returns whether
// all are small enough; otherwise nothing changes.
bool tune(const float* x, int width, int size, const std::vector<float>& target, int d, int rows,
          float* w) {
  const std::vector<float> inputs = moments(x, width, x, width, rows);
  const std::vector<float> weights = moments(w, width, w, width, d);
  const std::vector<float> with_target = moments(target.data(), d, x, width, rows);
  const int units = width / size;
  Eigen::MatrixXd squares = Eigen::MatrixXd::Zero(units, units);
  Eigen::VectorXd right = Eigen::VectorXd::Zero(units);
  for (int i = 0; i < width; ++i) {
    const std::size_t row = area(i, width);
    for (int j = 0; j < width; ++j)
      squares(i / size, j / size) +=
          static_cast<double>(inputs[row + static_cast<std::size_t>(j)]) *
          static_cast<double>(weights[row + static_cast<std::size_t>(j)]);
    for (int o = 0; o < d; ++o) {
      const std::size_t at = area(o, width) + static_cast<std::size_t>(i);
      right(i / size) += static_cast<double>(w[at]) * static_cast<double>(with_target[at]);
    }
  }
  right -= squares.rowwise().sum();  // from factors of 1 on
  const double mean = squares.trace() / units;
  if (!(mean > 0)) return true;
  squares.diagonal().array() += kDamping * mean;
  const Eigen::VectorXd factors = squares.ldlt().solve(right).array() + 1;
  if (!(factors.cwiseAbs().maxCoeff() <= kLargestFactor)) return false;
  for (int o = 0; o < d; ++o)
    for (int i = 0; i < width; ++i)
      w[area(o, width) + static_cast<std::size_t>(i)] *= static_cast<float>(factors(i / size));
  return true;
}

// One network's pass over the batch, a step at a time, on all threads.
class StepwisePass {
 public:
  StepwisePass(const ParameterLayout& layout, const std::vector<float>& parameters,
               const Batch& batch)
      : activations_(layout, batch.sequences, batch.length, Activations<float>::Keep::nothing),
        pass_{layout, parameters.data(), layout.largest(), batch, activations_} {
    each([&](const RowRange& rows) { embed_rows(pass_, rows); });
  }
  StepwisePass(const StepwisePass&) = delete;

  void attention(std::size_t l) {
    const int heads = pass_.network.layers[l].heads;
    const int length = pass_.batch.length;
    each([&](const RowRange& rows) {
      attention_input(pass_, l, rows);
      std::vector<float> scores(area(kQueryBlock, length));
      attention_forward(pass_, l, {rows.first, 0, rows.count / length * heads}, scores.data());
    });
  }
  void output(std::size_t l) {
    each([&](const RowRange& rows) { layer_output(pass_, l, rows); });
  }
  // The stream after layer l once more, from what output() has left.
  void ffn_output(std::size_t l, const float* down, const float* bias) {
    const int d = pass_.network.model_width;
    const int f = pass_.network.layers[l].ffn_width;
    each([&](const RowRange& rows) {
      float* const y = rows.of(stream_of(pass_, l + 1), d);
      product(pass_, rows.count, d, f, plain<float>(rows.of(buffers(l).gelu, f), f),
              transposed<float>(down, f), y, d);
      for (int r = 0; r < rows.count; ++r) {
        add(bias, d, y + area(r, d));
        add(rows.of(buffers(l).middle, d) + area(r, d), d, y + area(r, d));
      }
    });
  }

  const Activations<float>::LayerBuffers& buffers(std::size_t l) const {
    return activations_.layers[l];
  }
  const float* stream(std::size_t l) const { return stream_of(pass_, l); }

 private:
  template <class Step>
  void each(const Step& step) {
    const Batch& batch = pass_.batch;
    const int sequences = sequences_per_task(batch);
    parallel_tasks(static_cast<std::size_t>(row_tasks(batch)), [&](std::size_t task) {
      const int first = static_cast<int>(task) * sequences;
      step(RowRange{std::ptrdiff_t{first} * batch.length,
                    std::min(sequences, batch.sequences - first) * batch.length});
    });
  }

  Activations<float> activations_;
  Pass<float> pass_;
};

// Rows of `wanted` less those of `there` and a bias.
std::vector<float> missing(const float* wanted, const float* there, const float* bias, int rows,
                           int d) {
  std::vector<float> result(area(rows, d));
  Eigen::Map<Floats>(result.data(), rows, d) =
      (Rows(wanted, rows, d) - Rows(there, rows, d)).rowwise() -
      Eigen::Map<const Eigen::RowVectorXf>(bias, d);
  return result;
}

}  // namespace

void tune_masks(const ParameterLayout& layout, const std::vector<float>& parameters,
                std::span<const Kept> kept, const Batch& batch, PrunedNetwork& network) {
  const int d = layout.model_width();
  const int rows = batch.rows();
  StepwisePass whole(layout, parameters, batch);
  StepwisePass left(network.layout, network.parameters, batch);
  std::size_t next = 0;
  for (std::size_t l = 0; l < kept.size(); ++l) {
    whole.attention(l);
    whole.output(l);
    if (kept[l].heads.empty()) continue;
    const LayerOffsets& o = layout.layer(static_cast<int>(l));
    const LayerOffsets& t = network.layout.layer(static_cast<int>(next));
    const auto weights = [&](std::size_t offset) { return network.parameters.data() + offset; };
    left.attention(next);
    if (!tune(left.buffers(next).attended, t.attention_width, layout.head_width(),
              missing(whole.buffers(l).middle, left.stream(next), parameters.data() + o.output_bias,
                      rows, d),
              d, rows, weights(t.output)))
      return;
    left.output(next);
    if (!tune(left.buffers(next).gelu, t.ffn_width, 1,
              missing(whole.stream(l + 1), left.buffers(next).middle,
                      parameters.data() + o.down_bias, rows, d),
              d, rows, weights(t.down)))
      return;
    left.ffn_output(next, weights(t.down), weights(t.down_bias));
    ++next;
  }
}

}  // namespace paretoformer::supernet
