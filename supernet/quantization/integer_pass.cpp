#include <algorithm>
#include <string>

#include "supernet/quantization/quantized_network.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

// One head of one sequence: from q, k and v, rows of `width`, to its columns of the context.
void attend(const QuantizedNetwork& network, const IntegerLayer& layer, int length,
            std::ptrdiff_t offset, IntegerActivations& act) {
  const int hd = network.network.head_width;
  const std::ptrdiff_t width = std::ptrdiff_t{layer.heads} * hd;
  for (int first = 0; first < length; first += kIntegerQueryBlock) {
    const int queries = std::min(kIntegerQueryBlock, length - first);
    const int keys = first + queries;
    const std::ptrdiff_t start = offset + first * width;
    const std::ptrdiff_t mask_row = std::ptrdiff_t{first} * length;
    std::int32_t* const sums = act.sums.data();
    std::int8_t* const p = act.probabilities.data();
    integer_matmul(queries, keys, hd, plain(act.query.data() + start, width),
                   transposed(act.key.data() + offset, width), {act.mask.data() + mask_row, length},
                   {sums, keys});
    integer_softmax(queries, keys, {sums, keys}, layer.softmax, 1, {p, keys});
    integer_matmul(queries, hd, keys, plain<std::int8_t>(p, keys),
                   plain(act.value.data() + offset, width), {}, {sums, hd});
    requantize_rows(queries, hd, {sums, hd}, layer.context, {act.context.data() + start, width});
  }
}

void add(int rows, int columns, const ResidualScales& scales, IntegerActivations& act) {
  residual_add(rows, columns, {act.x.data(), columns}, {act.added.data(), columns}, scales,
               {act.norm.data(), columns});
  act.x.swap(act.norm);  // the LayerNorm's rows are free here
}

}  // namespace

IntegerActivations::IntegerActivations(const QuantizedNetwork& network, int rows) {
  int attention = 0;
  int ffn = 0;
  for (const IntegerLayer& layer : network.layers) {
    attention = std::max(attention, layer.query.outputs);
    ffn = std::max(ffn, layer.up.outputs);
  }
  const int d = network.network.model_width;
  for (std::vector<std::int8_t>* stream : {&x, &added, &norm}) stream->resize(area(rows, d));
  for (std::vector<std::int8_t>* head : {&query, &key, &value, &context})
    head->resize(area(rows, attention));
  wide.resize(area(rows, ffn));
  gelu.resize(area(rows, ffn));
  probabilities.resize(area(kIntegerQueryBlock, network.context));
  sums.resize(std::max(area(rows, std::max({d, attention, ffn})),
                       area(kIntegerQueryBlock, std::max(network.context, attention))));
}

void integer_norm(int rows, int columns, const std::int8_t* x, int reads, float scale,
                  std::int32_t* sums, std::int8_t* y) {
  for (std::size_t i = 0; i < area(rows, columns); ++i) sums[i] = reads * x[i];
  integer_layer_norm(rows, columns, {sums, columns}, scale, {y, columns});
}

void project(const IntegerLinear& linear, int rows, const std::int8_t* x, std::int32_t* sums,
             std::int8_t* y) {
  integer_matmul(rows, linear.outputs, linear.inputs, plain(x, linear.inputs),
                 transposed(linear.weight.data(), linear.inputs), {linear.bias.data(), 0},
                 {sums, linear.outputs});
  requantize_rows(rows, linear.outputs, {sums, linear.outputs}, linear.scale, {y, linear.outputs});
}

void integer_gelu_of(const IntegerLayer& layer, int rows, int columns, const std::int8_t* x,
                     std::int32_t* sums, std::int8_t* y) {
  std::copy_n(x, area(rows, columns), sums);
  integer_gelu(rows, columns, {sums, columns}, layer.gelu, layer.gelu_scale, {y, columns});
}

void causal_mask(int length, std::int32_t* mask) {
  for (int query = 0; query < length; ++query)
    for (int key = 0; key < length; ++key)
      mask[std::ptrdiff_t{query} * length + key] = key > query ? kMasked : 0;
}

void integer_embedding(const QuantizedNetwork& network, std::span<const std::int32_t> tokens,
                       int length, std::int8_t* x) {
  const int d = network.network.model_width;
  for (std::size_t row = 0; row < tokens.size(); ++row) {
    const std::int32_t token = tokens[row];
    if (token < 0 || token >= network.head.outputs)
      throw InputError("token " + std::to_string(token) + ": expected 0 to " +
                       std::to_string(network.head.outputs - 1));
    const std::size_t position = row % static_cast<std::size_t>(length);
    residual_add(1, d, {network.tokens.data() + area(token, d), d},
                 {network.positions.data() + position * static_cast<std::size_t>(d), d},
                 network.embedding, {x + row * static_cast<std::size_t>(d), d});
  }
}

void integer_logits(const QuantizedNetwork& network, std::span<const std::int32_t> tokens,
                    int length, IntegerActivations& act, std::int32_t* logits) {
  require_safe(network);
  if (length < 1 || length > network.context)
    throw InputError("sequences of " + std::to_string(length) + " tokens: expected 1 to " +
                     std::to_string(network.context));
  const int d = network.network.model_width;
  const int rows = static_cast<int>(tokens.size());
  if (act.x.size() < area(rows, d))
    throw Error("activations for " + std::to_string(act.x.size()) + " numbers, " +
                std::to_string(area(rows, d)) + " are needed");
  act.mask.resize(area(length, length));
  causal_mask(length, act.mask.data());
  std::int32_t* const sums = act.sums.data();
  integer_embedding(network, tokens, length, act.x.data());
  for (const IntegerLayer& layer : network.layers) {
    integer_norm(rows, d, act.x.data(), network.norm_reads, layer.norm1, sums, act.norm.data());
    project(layer.query, rows, act.norm.data(), sums, act.query.data());
    project(layer.key, rows, act.norm.data(), sums, act.key.data());
    project(layer.value, rows, act.norm.data(), sums, act.value.data());
    for (int row = 0; row < rows; row += length)
      for (int head = 0; head < layer.heads; ++head)
        attend(network, layer, length,
               std::ptrdiff_t{row} * layer.query.outputs + head * network.network.head_width, act);
    project(layer.output, rows, act.context.data(), sums, act.added.data());
    add(rows, d, layer.attention_add, act);
    integer_norm(rows, d, act.x.data(), network.norm_reads, layer.norm2, sums, act.norm.data());
    project(layer.up, rows, act.norm.data(), sums, act.wide.data());
    integer_gelu_of(layer, rows, layer.up.outputs, act.wide.data(), sums, act.gelu.data());
    project(layer.down, rows, act.gelu.data(), sums, act.added.data());
    add(rows, d, layer.ffn_add, act);
  }
  integer_norm(rows, d, act.x.data(), network.norm_reads, network.norm, sums, act.norm.data());
  integer_matmul(rows, network.head.outputs, d, plain(act.norm.data(), d),
                 transposed(network.head.weight.data(), d), {network.head.bias.data(), 0},
                 {logits, network.head.outputs});
}

}  // namespace paretoformer::supernet
