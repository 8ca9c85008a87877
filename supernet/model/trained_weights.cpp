#include "supernet/model/trained_weights.hpp"

#include <algorithm>
#include <cmath>
#include <span>
#include <string>

#include "supernet/model/network_file.hpp"
#include "supernet/model/safetensors.hpp"
#include "support/error.hpp"

namespace paretoformer::supernet {
namespace {

const std::string kPrefix = "transformer.";

bool has(const Safetensors& file, const std::string& name) {
  return std::any_of(file.tensors.begin(), file.tensors.end(),
                     [&](const NamedTensor& tensor) { return tensor.name == name; });
}

// A file of a GPT-2, from which tensors are copied into an arena.
class Gpt2 {
 public:
  Gpt2(const Safetensors& file, const ParameterLayout& layout, std::vector<float>& arena)
      : file_(file),
        layout_(layout),
        arena_(arena),
        prefix_(has(file, kPrefix + "wte.weight") ? kPrefix : "") {}

  void read() {
    const Architecture& network = layout_.largest();
    require_depth(network.depth());
    copy("wte.weight", network.vocabulary, layout_.token_embedding);
    positions();
    vectors("ln_f", layout_.final_gain, layout_.final_bias);
    for (int l = 0; l < network.depth(); ++l) layer(l);
  }

 private:
  using Shape = std::vector<std::int64_t>;

  void require_depth(int depth) const {
    int found = 0;
    while (has(file_, prefix_ + "h." + std::to_string(found) + ".ln_1.weight")) ++found;
    if (found != depth)
      throw InputError(file_.file + ": has " + std::to_string(found) +
                       " layers: expected those of the largest network of the space, " +
                       std::to_string(depth));
  }

  std::span<const float> values(const std::string& name, const Shape& shape) const {
    const std::span<const float> found = file_.at(prefix_ + name, shape);
    for (const float value : found)
      if (!std::isfinite(value))
        throw InputError(file_.file + ": tensor " + prefix_ + name +
                         " holds a number that is not finite: expected finite weights");
    return found;
  }

  void copy(const std::string& name, int rows, std::size_t offset) {
    const auto from = values(name, {rows, layout_.model_width()});
    std::copy(from.begin(), from.end(), arena_.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  void positions() {
    const Shape& shape = file_.tensor(prefix_ + "wpe.weight").shape;
    if (shape.empty() || shape[0] < layout_.context())
      throw InputError(file_.file + ": tensor " + prefix_ + "wpe.weight has " +
                       std::to_string(shape.empty() ? 0 : shape[0]) +
                       " positions: expected at least the training's context, " +
                       std::to_string(layout_.context()));
    const auto from = values("wpe.weight", {shape[0], layout_.model_width()});
    std::copy_n(from.begin(),
                static_cast<std::ptrdiff_t>(layout_.context()) * layout_.model_width(),
                arena_.begin() + static_cast<std::ptrdiff_t>(layout_.position_embedding));
  }

  void vectors(const std::string& norm, std::size_t gain, std::size_t bias) {
    vector(norm + ".weight", layout_.model_width(), gain);
    vector(norm + ".bias", layout_.model_width(), bias);
  }

  void vector(const std::string& name, int size, std::size_t offset) {
    const auto from = values(name, {size});
    std::copy(from.begin(), from.end(), arena_.begin() + static_cast<std::ptrdiff_t>(offset));
  }

  // A [in][out] matrix to [out][in], row r of which is its column column_of(r).
  template <class ColumnOf>
  void transpose(const std::string& name, int in, int out, std::size_t offset,
                 const ColumnOf& column_of) {
    const auto from = values(name, {in, out});
    for (int r = 0; r < out; ++r)
      for (int c = 0; c < in; ++c)
        arena_[offset + static_cast<std::size_t>(r) * static_cast<std::size_t>(in) +
               static_cast<std::size_t>(c)] =
            from[static_cast<std::size_t>(c) * static_cast<std::size_t>(out) +
                 static_cast<std::size_t>(column_of(r))];
  }

  void layer(int l) {
    const std::string name = "h." + std::to_string(l) + ".";
    const LayerOffsets& o = layout_.layer(l);
    const int d = layout_.model_width();
    const int width = layout_.head_width();
    // Ours are q, k and v of one head after another.
    const auto of_parts = [&](int row) {
      const int head = row / (3 * width);
      const int part = row / width % 3;
      return part * o.attention_width + head * width + row % width;
    };
    const auto same = [](int row) { return row; };
    vectors(name + "ln_1", o.norm1_gain, o.norm1_bias);
    vectors(name + "ln_2", o.norm2_gain, o.norm2_bias);
    transpose(name + "attn.c_attn.weight", d, 3 * o.attention_width, o.qkv, of_parts);
    const auto bias = values(name + "attn.c_attn.bias", {3 * o.attention_width});
    for (int row = 0; row < 3 * o.attention_width; ++row)
      arena_[o.qkv_bias + static_cast<std::size_t>(row)] =
          bias[static_cast<std::size_t>(of_parts(row))];
    transpose(name + "attn.c_proj.weight", o.attention_width, d, o.output, same);
    vector(name + "attn.c_proj.bias", d, o.output_bias);
    transpose(name + "mlp.c_fc.weight", d, o.ffn_width, o.up, same);
    vector(name + "mlp.c_fc.bias", o.ffn_width, o.up_bias);
    transpose(name + "mlp.c_proj.weight", o.ffn_width, d, o.down, same);
    vector(name + "mlp.c_proj.bias", d, o.down_bias);
  }

  const Safetensors& file_;
  const ParameterLayout& layout_;
  std::vector<float>& arena_;
  std::string prefix_;
};

std::vector<float> read_own(const std::filesystem::path& path, const ParameterLayout& layout) {
  const StandaloneNetwork network = load_network(path);
  if (!(network.layout.largest() == layout.largest()))
    throw InputError(path.string() + ": holds the weights of " +
                     describe(network.layout.largest()) + " with a vocabulary of " +
                     std::to_string(network.layout.vocabulary()) +
                     ": expected the largest network of the space, " + describe(layout.largest()) +
                     " with one of " + std::to_string(layout.vocabulary()));
  if (network.layout.context() < layout.context())
    throw InputError(path.string() + ": has " + std::to_string(network.layout.context()) +
                     " positions: expected at least the training's context, " +
                     std::to_string(layout.context()));
  return extract(network.layout, network.parameters, layout);
}

// The supernet's LayerNorms have a row for every model width and depth, the largest network's last.
std::vector<float> read_checkpoint(const Safetensors& file, const ParameterLayout& layout) {
  std::vector<float> arena(layout.size());
  for (const Tensor& tensor : layout.tensors()) {
    const NamedTensor& found = file.tensor(tensor.name);
    const bool norm = tensor.name.find("norm.") != std::string::npos;
    const bool positions = tensor.offset == layout.position_embedding;
    const std::int64_t columns = found.shape.empty() ? 0 : found.shape.back();
    const std::int64_t rows = found.shape.size() > 1 ? found.shape[0] : 1;
    if (columns != tensor.columns || rows < tensor.rows ||
        (!norm && !positions && rows > tensor.rows))
      throw InputError(file.file + ": tensor " + tensor.name + " has " + std::to_string(rows) +
                       " x " + std::to_string(columns) + " values: expected " +
                       std::to_string(tensor.rows) + " x " + std::to_string(tensor.columns) +
                       ", those of the largest network of the space");
    const auto from = norm ? found.values.last(tensor.size()) : found.values.first(tensor.size());
    std::copy(from.begin(), from.end(), arena.begin() + static_cast<std::ptrdiff_t>(tensor.offset));
  }
  return arena;
}

}  // namespace

std::vector<float> read_trained_weights(const std::filesystem::path& path,
                                        const ParameterLayout& layout) {
  const Safetensors file = read_safetensors(path);
  if (has(file, "adam.m.token_embedding.weight")) return read_checkpoint(file, layout);
  if (!has(file, "wte.weight") && !has(file, kPrefix + "wte.weight")) return read_own(path, layout);
  std::vector<float> arena(layout.size());
  Gpt2(file, layout, arena).read();
  return arena;
}

}  // namespace paretoformer::supernet
