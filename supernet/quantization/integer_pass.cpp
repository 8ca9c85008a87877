#include <algorithm>
#include <string>

#include "supernet/quantization/integer_kernel_sets.hpp"
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

// Reads int8 rows `reads` times into `sums`, as many at a time as a cache holds, for `run`, which
// writes int8 rows.
template <class Run>
void by_rows(int rows, int columns, const std::int8_t* x, int reads, std::int32_t* sums,
             std::int8_t* y, const Run& run) {
  constexpr int kNumbers = 4096;
  const int at_a_time = std::max(1, kNumbers / columns);
  for (int first = 0; first < rows; first += at_a_time) {
    const int count = std::min(at_a_time, rows - first);
    integer_kernels().widen(area(count, columns), x + area(first, columns), reads, sums);
    run(count, y + area(first, columns));
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
  by_rows(rows, columns, x, reads, sums, y, [&](int count, std::int8_t* to) {
    integer_layer_norm(count, columns, {sums, columns}, scale, {to, columns});
  });
}

void project(const IntegerLinear& linear, int rows, const std::int8_t* x, std::int32_t* sums,
             std::int8_t* y) {
  // Sums of so many outputs stay in a cache; each packs its own part of the weights.
  constexpr int kOutputs = 256;
  for (int first = 0; first < linear.outputs; first += kOutputs) {
    const int outputs = std::min(kOutputs, linear.outputs - first);
    integer_matmul(rows, outputs, linear.inputs, plain(x, linear.inputs),
                   transposed(linear.weight.data() + area(first, linear.inputs), linear.inputs),
                   {linear.bias.data() + first, 0}, {sums, outputs});
    requantize_rows(rows, outputs, {sums, outputs}, linear.scale, {y + first, linear.outputs});
  }
}

void integer_gelu_of(const IntegerLayer& layer, int rows, int columns, const std::int8_t* x,
                     std::int32_t* sums, std::int8_t* y) {
  by_rows(rows, columns, x, 1, sums, y, [&](int count, std::int8_t* to) {
    integer_gelu(count, columns, {sums, columns}, layer.gelu, layer.gelu_scale, {to, columns});
  });
}

void causal_mask(int length, std::int32_t* mask) {
  for (int query = 0; query < length; ++query)
    for (int key = 0; key < length; ++key)
      mask[std::ptrdiff_t{query} * length + key] = key > query ? kMasked : 0;
}

void integer_embedding(const QuantizedNetwork& network, std::span<const std::int32_t> tokens,
                       int length, std::int8_t* x) {
  const int d = network.network.model_width;
  const int rows = static_cast<int>(tokens.size());
  std::vector<std::int8_t> read(area(length, d));  // of one sequence
  for (int first = 0; first < rows; first += length) {
    const int count = std::min(length, rows - first);
    for (int row = 0; row < count; ++row) {
      const std::int32_t token =
          tokens[static_cast<std::size_t>(first) + static_cast<std::size_t>(row)];
      if (token < 0 || token >= network.head.outputs)
        throw InputError("token " + std::to_string(token) + ": expected 0 to " +
                         std::to_string(network.head.outputs - 1));
      std::copy_n(network.tokens.data() + area(token, d), d, read.data() + area(row, d));
    }
    residual_add(count, d, {read.data(), d}, {network.positions.data(), d}, network.embedding,
                 {x + area(first, d), d});
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
