#include "supernet/training/cuda/integer_evaluation.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>
#include <string>
#include <vector>

#include "supernet/training/cuda/integer_kernels.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet::cuda {
namespace {

constexpr std::size_t kAlign = 256;

std::size_t bytes_of(int rows, int columns) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(byte_stride(columns));
}

// What the GELU makes of every int8 number.
std::array<std::int8_t, 256> gelu_table(const IntegerLayer& layer) {
  std::array<std::int32_t, 256> numbers;
  std::iota(numbers.begin(), numbers.end(), -128);
  std::array<std::int8_t, 256> table;
  integer_gelu(1, 256, {numbers.data(), 256}, layer.gelu, layer.gelu_scale, {table.data(), 256});
  return table;
}

std::size_t aligned(std::size_t bytes) { return ceil_div(bytes, kAlign) * kAlign; }

// Of any sub-network: what Packer makes of the largest one.
std::size_t network_bytes(const ParameterLayout& layout) {
  const auto linear = [](int outputs, int inputs) {
    return aligned(bytes_of(outputs, inputs)) +
           aligned(static_cast<std::size_t>(outputs) * sizeof(std::int32_t));
  };
  const int d = layout.model_width();
  std::size_t bytes = aligned(bytes_of(layout.vocabulary(), d)) +
                      aligned(bytes_of(layout.context(), d)) + linear(layout.vocabulary(), d);
  for (const Layer& layer : layout.largest().layers) {
    const int heads = layer.heads * layout.head_width();
    bytes += 3 * linear(heads, d) + linear(d, heads) + linear(layer.ffn_width, d) +
             linear(d, layer.ffn_width) + kAlign;
  }
  return bytes;
}

// What Sites::all() are in a pass that kept all its activations; the tables are left out. The pass
// is of the network before it was folded (folded_network.hpp), which is the same but that the
// residual stream and what is added to it have means, and LayerNorms gains and biases.
std::vector<SiteRows> site_rows(const Pass& pass) {
  const Architecture& network = pass.network;
  const cuda::Buffers& b = pass.buffers;
  const int rows = pass.rows();
  const auto stream = [&](const float* x, const float* mean) {
    return SiteRows{.rows = rows, .columns = network.model_width, .x = x, .mean = mean};
  };
  const auto normalised = [&](const float* x, const float* mean, const float* inverse_deviation) {
    SiteRows values = stream(x, mean);
    values.inverse_deviation = inverse_deviation;
    return values;
  };
  const auto added = [&](SiteRows sum, const SiteRows& before) {
    sum.before = before.x;
    sum.before_mean = before.mean;
    return sum;
  };
  const auto half = [&](const Bf16* x, int columns, const float* bias = nullptr) {
    return SiteRows{.rows = rows, .columns = columns, .half = x, .stride = columns, .bias = bias};
  };
  Sites<SiteRows> sites(network.layers.size());
  sites.input = stream(b.layers[0].input, b.layers[0].mean1);
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const cuda::Buffers::Layer& layer = b.layers[l];
    const LayerOffsets& offsets = pass.layout.layer(static_cast<int>(l));
    const int heads = network.layers[l].heads;
    const int width = network.head_width;
    const auto of_heads = [&](int part) {  // of [rows][heads][3][width]
      return SiteRows{.rows = rows * heads,
                      .columns = width,
                      .half = layer.qkv + part * width,
                      .stride = 3 * width};
    };
    const int f = network.layers[l].ffn_width;
    LayerSites<SiteRows>& s = sites.layers[l];
    s.norm1 = normalised(layer.input, layer.mean1, layer.deviation1);
    s.query = of_heads(0);
    s.key = of_heads(1);
    s.value = of_heads(2);
    s.context = half(layer.attended, heads * width);
    s.middle = stream(layer.middle, layer.mean2);
    s.attention = added(s.middle, stream(layer.input, layer.mean1));
    s.norm2 = normalised(layer.middle, layer.mean2, layer.deviation2);
    s.up = half(layer.up, f, pass.weights.vector(offsets.up_bias));
    s.gelu = half(layer.gelu, f);
    s.output = l + 1 < network.layers.size() ? stream(b.layers[l + 1].input, b.layers[l + 1].mean1)
                                             : stream(b.output, b.mean);
    s.ffn = added(s.output, s.middle);
  }
  sites.norm = normalised(b.output, b.mean, b.deviation);
  std::vector<SiteRows> all;
  for (const SiteRows* each : sites.all()) all.push_back(*each);
  return all;
}

// Gathers what a network consists of, for one copy; places are from the beginning.
class Packer {
 public:
  std::size_t add(const void* data, std::size_t bytes) {
    const std::size_t place = room(bytes);
    std::copy_n(static_cast<const unsigned char*>(data), bytes, bytes_.data() + place);
    return place;
  }
  // Rows in the way of integer_kernels.hpp.
  std::size_t add_rows(const std::vector<std::int8_t>& rows, int count, int columns) {
    const std::size_t place = room(bytes_of(count, columns));
    for (int row = 0; row < count; ++row)
      std::copy_n(rows.data() + std::ptrdiff_t{row} * columns, columns,
                  bytes_.data() + place + bytes_of(row, columns));
    return place;
  }
  const std::vector<unsigned char>& bytes() const { return bytes_; }

 private:
  std::size_t room(std::size_t bytes) {  // zeros
    const std::size_t place = bytes_.size();
    bytes_.resize(place + aligned(bytes));
    return place;
  }

  std::vector<unsigned char> bytes_;
};

}  // namespace

// The parts of a network by their places in device memory.
struct IntegerEvaluation::OnDevice {
  struct Linear {
    const IntegerLinear* of;
    std::size_t weight, bias;
  };
  struct Layer {
    const IntegerLayer* of;
    Linear query, key, value, output, up, down;
    std::size_t gelu;
  };

  OnDevice(const QuantizedNetwork& quantized, Packer& packer) : network(quantized) {
    const auto linear = [&](const IntegerLinear& of) -> Linear {
      return {&of, packer.add_rows(of.weight, of.outputs, of.inputs),
              packer.add(of.bias.data(), of.bias.size() * sizeof(std::int32_t))};
    };
    const int d = network.network.model_width;
    tokens = packer.add_rows(network.tokens, network.head.outputs, d);
    positions = packer.add_rows(network.positions, network.context, d);
    for (const IntegerLayer& layer : network.layers) {
      const std::array<std::int8_t, 256> table = gelu_table(layer);
      layers.push_back({&layer, linear(layer.query), linear(layer.key), linear(layer.value),
                        linear(layer.output), linear(layer.up), linear(layer.down),
                        packer.add(table.data(), table.size())});
    }
    head = linear(network.head);
  }

  const std::int8_t* at(std::size_t place) const {
    return reinterpret_cast<const std::int8_t*>(memory + place);
  }
  DeviceLinear linear(const Linear& part) const {
    return {part.of->outputs, part.of->inputs, at(part.weight),
            reinterpret_cast<const std::int32_t*>(memory + part.bias), part.of->scale};
  }

  const QuantizedNetwork& network;
  std::size_t tokens, positions;
  std::vector<Layer> layers;
  Linear head;
  const unsigned char* memory = nullptr;
};

IntegerEvaluation::Buffers::Buffers(const ParameterLayout& layout, int of_rows, std::size_t logits)
    : rows(of_rows) {
  int heads = 0, channels = 0;
  for (const Layer& layer : layout.largest().layers) {
    heads = std::max(heads, layer.heads * layout.head_width());
    channels = std::max(channels, layer.ffn_width);
  }
  const auto rows_of = [&](int columns) {
    return DeviceArray<std::int8_t>(bytes_of(rows, columns));
  };
  x = rows_of(layout.model_width());
  norm = rows_of(layout.model_width());
  wide = rows_of(channels);
  for (DeviceArray<std::int8_t>* each : {&query, &key, &value, &context}) *each = rows_of(heads);
  const auto row = static_cast<std::size_t>(layout.vocabulary()) * sizeof(std::int32_t);
  logit_rows =
      static_cast<int>(std::clamp<std::size_t>(logits / row, 1, static_cast<std::size_t>(rows)));
  sums = DeviceArray<std::int32_t>(static_cast<std::size_t>(logit_rows) *
                                   static_cast<std::size_t>(layout.vocabulary()));
  text = DeviceArray<std::int32_t>(2 * static_cast<std::size_t>(rows));
  losses = DeviceArray<float>(static_cast<std::size_t>(rows));
}

IntegerEvaluation::IntegerEvaluation(const ParameterLayout& layout,
                                     const std::vector<float>& parameters, int context,
                                     const Limits& limits)
    : layout_(layout),
      parameters_(parameters),
      limits_(limits),
      weights_(stream_, layout, parameters) {
  prepare_products(stream_);
  for (int sequences = std::max(limits.evaluation_rows / context, 1);;
       sequences = (sequences + 1) / 2) {
    try {
      if (network_.size() == 0) network_ = DeviceArray<unsigned char>(network_bytes(layout));
      buffers_ = Buffers(layout, sequences * context, limits.logits);
      return;
    } catch (const OutOfDeviceMemory& error) {
      if (sequences > 1) continue;
      throw InputError("the memory of the GPU does not hold one sequence of " +
                       std::to_string(context) + " tokens in int8: " + error.what());
    }
  }
}

void IntegerEvaluation::pass(const OnDevice& device, int rows, int length) {
  const QuantizedNetwork& network = device.network;
  const Buffers& b = buffers_;
  const int d = network.network.model_width;
  const int reads = network.norm_reads;
  integer_embedding(stream_, rows, d, length, b.text.data(), device.at(device.tokens),
                    device.at(device.positions), network.embedding, b.x.data());
  for (const OnDevice::Layer& layer : device.layers) {
    const IntegerLayer& of = *layer.of;
    const auto project = [&](const OnDevice::Linear& part, const std::int8_t* table,
                             std::int8_t* y) {
      integer_linear(stream_, device.linear(part), rows, b.norm.data(), table, y);
    };
    integer_norm(stream_, rows, d, b.x.data(), reads, of.norm1, b.norm.data());
    project(layer.query, nullptr, b.query.data());
    project(layer.key, nullptr, b.key.data());
    project(layer.value, nullptr, b.value.data());
    integer_attention(
        stream_,
        {rows / length, length, of.heads, network.network.head_width, of.softmax, of.context},
        b.query.data(), b.key.data(), b.value.data(), b.context.data());
    integer_linear_added(stream_, device.linear(layer.output), rows, b.context.data(),
                         of.attention_add, b.x.data());
    integer_norm(stream_, rows, d, b.x.data(), reads, of.norm2, b.norm.data());
    project(layer.up, device.at(layer.gelu), b.wide.data());
    integer_linear_added(stream_, device.linear(layer.down), rows, b.wide.data(), of.ffn_add,
                         b.x.data());
  }
  integer_norm(stream_, rows, d, b.x.data(), reads, network.norm, b.norm.data());
  const DeviceLinear head = device.linear(device.head);
  for (int first = 0; first < rows; first += b.logit_rows) {
    const int count = std::min(b.logit_rows, rows - first);
    integer_sums(stream_, head, count, b.norm.data() + bytes_of(first, d), b.sums.data(),
                 head.outputs);
    integer_losses(stream_, count, head.outputs, head.outputs, b.sums.data(), network.logit_scale,
                   b.text.data() + rows + first, b.losses.data() + first);
  }
}

double IntegerEvaluation::loss(const Architecture& network, const Batch& calibration,
                               const Batch& batch) {
  const QuantizationConfig config;
  const FoldedNetwork folded = fold(layout_, parameters_.data(), network);
  const Sites<float> scales = scales_of(observe(network, calibration), config.activations);
  return loss(
      quantize(folded, scales, config.weights, config.norm_reads, moments_of(folded, calibration)),
      batch);
}

Sites<Distribution> IntegerEvaluation::observe(const Architecture& network, const Batch& batch) {
  Sites<Distribution> seen(network.layers.size());
  const std::vector<Distribution*> sites = seen.all();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!observed_ || observed_->length < batch.length) {
    const int sequences = std::clamp(limits_.evaluation_rows / batch.length, 1, batch.sequences);
    observed_.reset();
    observed_ =
        fitting_buffers(layout_, sequences, batch.length, cuda::Buffers::Keep::all_layers, limits_);
    Sites<int> most(layout_.largest().layers.size());
    counts_ = DeviceArray<SiteCounts>(most.all().size());
    partial_ = DeviceArray<unsigned>(kSiteBlocks);
    observed_text_ = DeviceArray<std::int32_t>(static_cast<std::size_t>(observed_->sequences) *
                                               static_cast<std::size_t>(batch.length));
  }
  std::vector<SiteCounts> counts(sites.size());
  const int at_a_time = observed_->sequences;
  const std::int32_t* const text = observed_text_.data();
  for (int first = 0; first < batch.sequences; first += at_a_time) {
    const int sequences = std::min(at_a_time, batch.sequences - first);
    copy_to_device(stream_, observed_text_.data(),
                   batch.tokens + std::ptrdiff_t{first} * batch.length,
                   static_cast<std::size_t>(sequences) * static_cast<std::size_t>(batch.length));
    const Pass pass{stream_, layout_, weights_.view(), network, sequences, batch.length,
                    text,    text,    *observed_};
    forward(pass);
    const std::vector<SiteRows> values = site_rows(pass);
    for (std::size_t i = 0; i < values.size(); ++i)
      count_sizes(stream_, values[i], partial_.data(), counts_.data() + i);
    copy_to_host(stream_, counts.data(), counts_.data(), counts.size());
    stream_.synchronize();
    for (std::size_t i = 0; i < values.size(); ++i)
      if (values[i].rows > 0)
        sites[i]->add_counts(std::bit_cast<float>(counts[i].largest), counts[i].bins);
  }
  return seen;
}

double IntegerEvaluation::loss(const QuantizedNetwork& network, const Batch& batch) {
  require_safe(network);
  if (batch.length < 1 || batch.length > std::min(network.context, buffers_.rows))
    throw InputError("sequences of " + std::to_string(batch.length) + " tokens: expected 1 to " +
                     std::to_string(std::min(network.context, buffers_.rows)));
  Packer packer;
  OnDevice device(network, packer);
  const std::lock_guard<std::mutex> lock(mutex_);
  if (packer.bytes().size() > network_.size())
    throw Error("a network is larger than those that the evaluation was made for");
  copy_to_device(stream_, network_.data(), packer.bytes().data(), packer.bytes().size());
  device.memory = network_.data();
  const int at_a_time = buffers_.rows / batch.length * batch.length;
  std::vector<float> losses(static_cast<std::size_t>(batch.rows()));
  for (int first = 0; first < batch.rows(); first += at_a_time) {
    const int rows = std::min(at_a_time, batch.rows() - first);
    const auto count = static_cast<std::size_t>(rows);
    copy_to_device(stream_, buffers_.text.data(), batch.tokens + first, count);
    copy_to_device(stream_, buffers_.text.data() + rows, batch.targets + first, count);
    pass(device, rows, batch.length);
    copy_to_host(stream_, losses.data() + first, buffers_.losses.data(), count);
  }
  stream_.synchronize();
  return std::accumulate(losses.begin(), losses.end(), 0.0) / batch.rows();
}

}  // namespace paretoformer::supernet::cuda
