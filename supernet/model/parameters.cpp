#include "supernet/model/parameters.hpp"

#include <algorithm>
#include <cmath>

#include "support/error.hpp"
#include "support/random.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::uint64_t kInitialStream = 1;
constexpr std::size_t kMostParameters = std::size_t{1} << 40;

bool ends_with(const std::string& text, const std::string& ending) {
  return text.size() >= ending.size() &&
         text.compare(text.size() - ending.size(), ending.size(), ending) == 0;
}

}  // namespace

std::size_t ParameterLayout::add(std::string name, int rows, int columns) {
  tensors_.push_back({std::move(name), rows, columns, size_});
  size_ += tensors_.back().size();
  return tensors_.back().offset;
}

ParameterLayout::ParameterLayout(const Architecture& largest, int context, std::vector<int> widths,
                                 std::vector<int> depths, Head output)
    : largest_(largest),
      context_(context),
      widths_(std::move(widths)),
      depths_(std::move(depths)),
      layers_(largest.layers.size()) {
  const int d = largest.model_width;
  const auto norms = static_cast<int>(widths_.size());
  const int final_norms = norms * static_cast<int>(depths_.size());
  const auto prefix = [](std::size_t l) { return "layers." + std::to_string(l) + "."; };

  token_embedding = add("token_embedding.weight", largest.vocabulary, d);
  position_embedding = add("position_embedding.weight", context, d);
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const int a = largest.layers[l].heads * largest.head_width;
    const int f = largest.layers[l].ffn_width;
    layers_[l].attention_width = a;
    layers_[l].ffn_width = f;
    layers_[l].qkv = add(prefix(l) + "attention.qkv.weight", 3 * a, d);
    layers_[l].output = add(prefix(l) + "attention.output.weight", d, a);
    layers_[l].up = add(prefix(l) + "ffn.up.weight", f, d);
    layers_[l].down = add(prefix(l) + "ffn.down.weight", d, f);
  }
  if (output == Head::untied) head = add("head.weight", largest.vocabulary, d);
  matrix_size_ = size_;
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    layers_[l].norm1_gain = add(prefix(l) + "attention.norm.weight", norms, d);
    layers_[l].norm1_bias = add(prefix(l) + "attention.norm.bias", norms, d);
    layers_[l].qkv_bias = add(prefix(l) + "attention.qkv.bias", 1, 3 * layers_[l].attention_width);
    layers_[l].output_bias = add(prefix(l) + "attention.output.bias", 1, d);
    layers_[l].norm2_gain = add(prefix(l) + "ffn.norm.weight", norms, d);
    layers_[l].norm2_bias = add(prefix(l) + "ffn.norm.bias", norms, d);
    layers_[l].up_bias = add(prefix(l) + "ffn.up.bias", 1, layers_[l].ffn_width);
    layers_[l].down_bias = add(prefix(l) + "ffn.down.bias", 1, d);
  }
  final_gain = add("final_norm.weight", final_norms, d);
  final_bias = add("final_norm.bias", final_norms, d);
  if (untied()) head_bias = add("head.bias", 1, largest.vocabulary);
  if (size_ > kMostParameters)
    throw InputError("a network of model width " + std::to_string(d) + " and depth " +
                     std::to_string(largest.depth()) + " is too large: it has " +
                     std::to_string(size_) + " parameters, expected at most 2^40");
}

namespace {

// Of a value in a list; the last one for values that are not there, slices that share its row.
std::size_t index_in(const std::vector<int>& values, int value) {
  const auto found = std::find(values.begin(), values.end(), value);
  return static_cast<std::size_t>(found - values.begin()) - (found == values.end() ? 1 : 0);
}

}  // namespace

std::size_t ParameterLayout::norm_row(const Architecture& network) const {
  return index_in(widths_, network.model_width) * static_cast<std::size_t>(model_width());
}

std::size_t ParameterLayout::final_norm_row(const Architecture& network) const {
  return (index_in(widths_, network.model_width) * depths_.size() +
          index_in(depths_, network.depth())) *
         static_cast<std::size_t>(model_width());
}

template <class T>
std::vector<T> initial_parameters(const ParameterLayout& layout, std::uint64_t seed) {
  std::vector<T> parameters(layout.size(), T{0});
  for (std::size_t i = 0; i < layout.tensors().size(); ++i) {
    const Tensor& tensor = layout.tensors()[i];
    T* values = parameters.data() + tensor.offset;
    if (ends_with(tensor.name, "norm.weight")) std::fill_n(values, tensor.size(), T{1});
    if (tensor.offset >= layout.matrix_size() ||
        ends_with(tensor.name, "attention.output.weight") ||
        ends_with(tensor.name, "ffn.down.weight"))
      continue;
    const bool embedding = ends_with(tensor.name, "embedding.weight");
    const double deviation = 1 / std::sqrt((embedding ? 2.0 : 1.0) * tensor.columns);
    Random random(seed, {kInitialStream, i});
    for (std::size_t j = 0; j < tensor.size(); ++j)
      values[j] = static_cast<T>(deviation * random.normal());
  }
  return parameters;
}

template <class T>
void extract(const ParameterLayout& supernet, const T* parameters, const ParameterLayout& target,
             T* extracted) {
  for (const Tensor& tensor : target.tensors()) {
    const auto source = std::find_if(supernet.tensors().begin(), supernet.tensors().end(),
                                     [&](const Tensor& t) { return t.name == tensor.name; });
    if (source == supernet.tensors().end() || source->rows < tensor.rows ||
        source->columns < tensor.columns)
      throw Error("tensor " + tensor.name + " does not fit into the supernet");
    std::size_t first = source->offset;
    if (ends_with(tensor.name, "final_norm.weight") || ends_with(tensor.name, "final_norm.bias"))
      first += supernet.final_norm_row(target.largest());
    else if (ends_with(tensor.name, "norm.weight") || ends_with(tensor.name, "norm.bias"))
      first += supernet.norm_row(target.largest());
    for (int row = 0; row < tensor.rows; ++row)
      std::copy_n(parameters + first + static_cast<std::size_t>(row) * source->columns,
                  tensor.columns,
                  extracted + tensor.offset + static_cast<std::size_t>(row) * tensor.columns);
  }
}

template <class T>
std::vector<T> extract(const ParameterLayout& supernet, const std::vector<T>& parameters,
                       const ParameterLayout& target) {
  std::vector<T> extracted(target.size());
  extract(supernet, parameters.data(), target, extracted.data());
  return extracted;
}

template std::vector<float> initial_parameters<float>(const ParameterLayout&, std::uint64_t);
template std::vector<double> initial_parameters<double>(const ParameterLayout&, std::uint64_t);
template void extract<float>(const ParameterLayout&, const float*, const ParameterLayout&, float*);
template std::vector<float> extract<float>(const ParameterLayout&, const std::vector<float>&,
                                           const ParameterLayout&);
template std::vector<double> extract<double>(const ParameterLayout&, const std::vector<double>&,
                                             const ParameterLayout&);

}  // namespace paretoformer::supernet
