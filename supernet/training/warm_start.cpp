#include "supernet/training/warm_start.hpp"

#include <algorithm>
#include <numeric>

#include "supernet/training/backend.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

// The gradient in a factor of an input of a matrix, y = W (m x) at m = 1: the sum over rows of
// W dW, as dL/dm = sum_rows dy W x and dW = dy x.
double factor_gradient(const std::vector<float>& weights, std::span<const float> gradient,
                       std::size_t offset, int rows, int columns, int first, int count) {
  double sum = 0;
  for (int r = 0; r < rows; ++r)
    for (int c = first; c < first + count; ++c) {
      const std::size_t i = offset +
                            static_cast<std::size_t>(r) * static_cast<std::size_t>(columns) +
                            static_cast<std::size_t>(c);
      sum += static_cast<double>(weights[i]) * static_cast<double>(gradient[i]);
    }
  return sum;
}

void add_gradients(const ParameterLayout& layout, const std::vector<float>& weights,
                   std::span<const float> gradient, MaskGradients& gradients) {
  const int d = layout.model_width();
  for (int l = 0; l < layout.largest().depth(); ++l) {
    const LayerOffsets& o = layout.layer(l);
    const auto add = [&](std::vector<std::vector<double>>& sequences, std::size_t offset,
                         int columns, int count) {
      std::vector<double>& factors = sequences.emplace_back();
      for (int i = 0; i < columns / count; ++i)
        factors.push_back(factor_gradient(weights, gradient, offset, d, columns, i * count, count));
    };
    const auto layer = static_cast<std::size_t>(l);
    add(gradients.heads[layer], o.output, o.attention_width, layout.head_width());
    add(gradients.channels[layer], o.down, o.ffn_width, 1);
  }
}

std::vector<double> mean_squares(const std::vector<std::vector<double>>& sequences) {
  std::vector<double> squares(sequences[0].size());
  for (const std::vector<double>& factors : sequences)
    for (std::size_t i = 0; i < squares.size(); ++i)
      squares[i] += factors[i] * factors[i] / static_cast<double>(sequences.size());
  return squares;
}

// Blocks of `size` values, order.size() to a row, in that order.
void reorder(float* rows, int count, int size, const std::vector<int>& order) {
  std::vector<float> row(order.size() * static_cast<std::size_t>(size));
  for (int r = 0; r < count; ++r) {
    float* const values = rows + static_cast<std::size_t>(r) * row.size();
    for (std::size_t i = 0; i < order.size(); ++i)
      std::copy_n(values + order[i] * size, size,
                  row.begin() + static_cast<std::ptrdiff_t>(i) * size);
    std::copy(row.begin(), row.end(), values);
  }
}

}  // namespace

std::vector<int> by_importance(const std::vector<double>& importance) {
  std::vector<int> order(importance.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return importance[static_cast<std::size_t>(a)] > importance[static_cast<std::size_t>(b)];
  });
  return order;
}

MaskGradients mask_gradients(const ParameterLayout& layout, const std::vector<float>& parameters,
                             std::span<const std::int32_t> text, const TrainingConfig& config,
                             std::uint64_t seed) {
  TrainingConfig one = config;
  one.batch = 1;
  one.accumulation = 1;
  one.shards = 1;
  one.random_subnetworks = 0;
  one.distillation = 0;
  one.dropout = 0;
  TrainingState<float> state;
  state.parameters = parameters;
  const auto backend = make_backend(layout, one, state);
  const auto depth = static_cast<std::size_t>(layout.largest().depth());
  MaskGradients gradients;
  gradients.heads.resize(depth);
  gradients.channels.resize(depth);
  std::vector<std::int32_t> tokens, targets;
  for (int i = 0; i < kImportanceSequences; ++i) {
    draw_batch(text, 1, one.context, seed, i, tokens, targets);
    backend->gradients({tokens.data(), targets.data(), 1, one.context}, {&layout.largest(), 1});
    add_gradients(layout, parameters, backend->gradient(), gradients);
  }
  return gradients;
}

Importance fisher_importance(const MaskGradients& gradients) {
  Importance importance;
  for (const auto& layer : gradients.heads) importance.heads.push_back(mean_squares(layer));
  for (const auto& layer : gradients.channels) importance.channels.push_back(mean_squares(layer));
  return importance;
}

Importance fisher_importance(const ParameterLayout& layout, const std::vector<float>& parameters,
                             std::span<const std::int32_t> text, const TrainingConfig& config,
                             std::uint64_t seed) {
  return fisher_importance(mask_gradients(layout, parameters, text, config, seed));
}

void sort_by_importance(const ParameterLayout& layout, const Importance& importance,
                        std::vector<float>& parameters) {
  const int d = layout.model_width();
  const int width = layout.head_width();
  for (int l = 0; l < layout.largest().depth(); ++l) {
    const LayerOffsets& o = layout.layer(l);
    const auto at = [&](std::size_t offset) { return parameters.data() + offset; };
    // Rows of qkv and up are blocks of one long row.
    const std::vector<int> heads = by_importance(importance.heads[static_cast<std::size_t>(l)]);
    reorder(at(o.qkv), 1, 3 * width * d, heads);
    reorder(at(o.qkv_bias), 1, 3 * width, heads);
    reorder(at(o.output), d, width, heads);
    const std::vector<int> channels =
        by_importance(importance.channels[static_cast<std::size_t>(l)]);
    reorder(at(o.up), 1, d, channels);
    reorder(at(o.up_bias), 1, 1, channels);
    reorder(at(o.down), d, 1, channels);
  }
}

std::vector<float> supernet_of(const ParameterLayout& own, const std::vector<float>& parameters,
                               const ParameterLayout& supernet) {
  std::vector<float> result(supernet.size());
  for (std::size_t i = 0; i < own.tensors().size(); ++i) {
    const Tensor& from = own.tensors()[i];
    const Tensor& to = supernet.tensors()[i];
    if (from.name != to.name || from.columns != to.columns || to.size() % from.size() != 0)
      throw Error("tensor " + from.name + " is not one of the supernet's largest network");
    // More rows than the network's own are LayerNorms of other widths and depths.
    for (std::size_t first = 0; first < to.size(); first += from.size())
      std::copy_n(parameters.begin() + static_cast<std::ptrdiff_t>(from.offset), from.size(),
                  result.begin() + static_cast<std::ptrdiff_t>(to.offset + first));
  }
  return result;
}

}  // namespace paretoformer::supernet
