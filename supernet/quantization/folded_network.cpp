#include "supernet/quantization/folded_network.hpp"

#include <cstddef>

namespace paretoformer::supernet {
namespace {

// A prefix of a matrix in the arena: row r begins at data + row(r).
template <class RowStart>
std::vector<float> rows_of(const float* data, int rows, int columns, RowStart row) {
  std::vector<float> values;
  values.reserve(area(rows, columns));
  for (int r = 0; r < rows; ++r)
    values.insert(values.end(), data + row(r), data + row(r) + columns);
  return values;
}

std::vector<float> prefix(const float* data, int rows, int columns, std::ptrdiff_t stride) {
  return rows_of(data, rows, columns, [stride](int r) { return r * stride; });
}

// W (gain * x + norm_bias) + bias as a matrix of x.
void fold_norm(Linear& linear, const float* gain, const float* norm_bias) {
  for (int o = 0; o < linear.outputs; ++o) {
    float* row = linear.weight.data() + area(o, linear.inputs);
    double sum = linear.bias[static_cast<std::size_t>(o)];
    for (int i = 0; i < linear.inputs; ++i) {
      sum += double{row[i]} * norm_bias[i];
      row[i] *= gain[i];
    }
    linear.bias[static_cast<std::size_t>(o)] = static_cast<float>(sum);
  }
}

// Takes from each of `count` values, `stride` apart, their mean.
void centre(float* values, int count, std::ptrdiff_t stride) {
  double sum = 0;
  for (int i = 0; i < count; ++i) sum += values[i * stride];
  const double mean = sum / count;
  for (int i = 0; i < count; ++i)
    values[i * stride] = static_cast<float>(values[i * stride] - mean);
}

void centre_rows(std::vector<float>& table, int columns) {
  for (std::size_t row = 0; row < table.size(); row += static_cast<std::size_t>(columns))
    centre(table.data() + row, columns, 1);
}

void centre_outputs(Linear& linear) {
  for (int i = 0; i < linear.inputs; ++i)
    centre(linear.weight.data() + i, linear.outputs, linear.inputs);
  centre(linear.bias.data(), linear.outputs, 1);
}

// One of q, k and v (0, 1, 2) of all heads.
Linear projection(const ParameterLayout& layout, const float* w, const LayerOffsets& o,
                  const Architecture& network, int heads, int which) {
  const int hd = network.head_width;
  const std::ptrdiff_t stride = layout.model_width();
  const auto row = [=](int r) { return std::ptrdiff_t{3 * (r / hd) + which} * hd + r % hd; };
  Linear linear{heads * hd, network.model_width, {}, {}};
  linear.weight =
      rows_of(w + o.qkv, linear.outputs, linear.inputs, [&](int r) { return row(r) * stride; });
  linear.bias = rows_of(w + o.qkv_bias, linear.outputs, 1, row);
  return linear;
}

FoldedLayer fold_layer(const ParameterLayout& layout, const float* w, const Architecture& network,
                       int l) {
  const LayerOffsets& o = layout.layer(l);
  const Layer& sizes = network.layers[static_cast<std::size_t>(l)];
  const int d = network.model_width;
  const int a = sizes.heads * network.head_width;
  const int f = sizes.ffn_width;
  const std::size_t norm = layout.norm_row(network);
  const std::ptrdiff_t stride = layout.model_width();
  FoldedLayer layer;
  layer.heads = sizes.heads;
  Linear* const projections[] = {&layer.query, &layer.key, &layer.value};
  for (int which = 0; which < 3; ++which) {
    *projections[which] = projection(layout, w, o, network, sizes.heads, which);
    fold_norm(*projections[which], w + o.norm1_gain + norm, w + o.norm1_bias + norm);
  }
  layer.output = {d, a, prefix(w + o.output, d, a, o.attention_width),
                  prefix(w + o.output_bias, 1, d, 0)};
  centre_outputs(layer.output);
  layer.up = {f, d, prefix(w + o.up, f, d, stride), prefix(w + o.up_bias, 1, f, 0)};
  fold_norm(layer.up, w + o.norm2_gain + norm, w + o.norm2_bias + norm);
  layer.down = {d, f, prefix(w + o.down, d, f, o.ffn_width), prefix(w + o.down_bias, 1, d, 0)};
  centre_outputs(layer.down);
  return layer;
}

}  // namespace

FoldedNetwork fold(const ParameterLayout& layout, const float* parameters,
                   const Architecture& network) {
  const float* const w = parameters;
  const int d = network.model_width;
  const int v = layout.vocabulary();
  const std::ptrdiff_t stride = layout.model_width();
  FoldedNetwork folded{network, layout.context(), {}, {}, {}, {}};
  folded.tokens = prefix(w + layout.token_embedding, v, d, stride);
  folded.head = {v, d, folded.tokens, std::vector<float>(static_cast<std::size_t>(v))};
  const std::size_t norm = layout.final_norm_row(network);
  fold_norm(folded.head, w + layout.final_gain + norm, w + layout.final_bias + norm);
  folded.positions = prefix(w + layout.position_embedding, layout.context(), d, stride);
  centre_rows(folded.tokens, d);
  centre_rows(folded.positions, d);
  for (int l = 0; l < network.depth(); ++l)
    folded.layers.push_back(fold_layer(layout, w, network, l));
  return folded;
}

}  // namespace paretoformer::supernet
