#include "nas/export/gguf_network.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "nas/export/gguf_file.hpp"
#include "search_spaces/architecture.hpp"
#include "supernet/kernels/kernels.hpp"
#include "support/error.hpp"

namespace paretoformer::nas {
namespace {

using supernet::ParameterLayout;
using supernet::Tokenizer;

// Heads and FFN channels of every layer of the file.
struct Padded {
  int heads, ffn_width;
};

Padded padded(const Architecture& network) {
  const int d = network.model_width;
  const int width = network.head_width;
  if (d % width != 0)
    throw InputError(
        fmt::format("a GGUF file of {}: its model width of {} is no multiple of its head width {}, "
                    "as gpt2's is",
                    describe(network), d, width));
  Padded all{d / width, 0};
  for (std::size_t l = 0; l < network.layers.size(); ++l) {
    const Layer& layer = network.layers[l];
    if (layer.heads > all.heads)
      throw InputError(fmt::format(
          "a GGUF file of {}: layer {} has {} heads, expected at most {}, model width / "
          "head width, as gpt2 has in every layer",
          describe(network), l, layer.heads, all.heads));
    all.ffn_width = std::max(all.ffn_width, layer.ffn_width);
  }
  return all;
}

class Gpt2File {
 public:
  Gpt2File(const ParameterLayout& layout, const std::vector<float>& parameters)
      : layout_(layout), parameters_(parameters), all_(padded(layout.largest())) {}

  std::string write(const Tokenizer& tokenizer, const std::string& name) {
    describe_network(name);
    add_tokenizer(tokenizer);
    const int d = layout_.model_width();
    whole("token_embd.weight", layout_.token_embedding, layout_.vocabulary(), d);
    whole("position_embd.weight", layout_.position_embedding, layout_.context(), d);
    whole("output_norm.weight", layout_.final_gain, 1, d);
    whole("output_norm.bias", layout_.final_bias, 1, d);
    for (int l = 0; l < layout_.largest().depth(); ++l) add_layer(l);
    return file_.bytes();
  }

 private:
  void describe_network(const std::string& name) {
    const Architecture& network = layout_.largest();
    const auto number = [](int value) { return static_cast<std::uint32_t>(value); };
    file_.add("general.architecture", std::string("gpt2"));
    file_.add("general.name", name);
    file_.add(
        "general.description",
        fmt::format("{}; heads and FFN channels filled with zeros up to {} and {} in every layer",
                    describe(network), all_.heads, all_.ffn_width));
    file_.add("general.file_type", number(0));  // all in fp32
    file_.add("gpt2.context_length", number(layout_.context()));
    file_.add("gpt2.embedding_length", number(network.model_width));
    file_.add("gpt2.feed_forward_length", number(all_.ffn_width));
    file_.add("gpt2.block_count", number(network.depth()));
    file_.add("gpt2.attention.head_count", number(all_.heads));
    file_.add("gpt2.attention.layer_norm_epsilon", static_cast<float>(supernet::kNormEpsilon));
  }

  // SentencePiece's merges go by score in both. Where the file names no begin and end of a text
  // llama.cpp takes tokens 1 and 2, which here are bytes: the unknown token, which no text has, is
  // less harm.
  void add_tokenizer(const Tokenizer& tokenizer) {
    std::vector<std::string> texts;
    std::vector<float> scores;
    std::vector<std::int32_t> kinds;
    std::uint32_t unknown = 0;
    for (const Tokenizer::Piece& piece : tokenizer.pieces()) {
      if (piece.kind == Tokenizer::Piece::Kind::unknown)
        unknown = static_cast<std::uint32_t>(texts.size());
      texts.push_back(piece.text);
      scores.push_back(piece.score);
      kinds.push_back(static_cast<std::int32_t>(piece.kind));
    }
    if (texts.empty()) {  // a token is a byte
      file_.add("gpt2.vocab_size", static_cast<std::uint32_t>(layout_.vocabulary()));
      return file_.add("tokenizer.ggml.model", std::string("none"));
    }
    file_.add("tokenizer.ggml.model", std::string("llama"));
    file_.add("tokenizer.ggml.tokens", texts);
    file_.add("tokenizer.ggml.scores", scores);
    file_.add("tokenizer.ggml.token_type", kinds);
    for (const char* const token : {"unknown", "bos", "eos"})
      file_.add(fmt::format("tokenizer.ggml.{}_token_id", token), unknown);
    for (const char* const key :
         {"add_bos_token", "add_eos_token", "add_space_prefix", "remove_extra_whitespaces"})
      file_.add(fmt::format("tokenizer.ggml.{}", key), false);
  }

  void whole(const std::string& name, std::size_t offset, int rows, int columns) {
    file_.add(name, rows, columns,
              {parameters_.data() + offset,
               static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns)});
  }

  // `rows` x `columns` at the offset, into the corner of as many as `all_rows` x `all_columns`.
  void filled(const std::string& name, std::size_t offset, int rows, int columns, int all_rows,
              int all_columns) {
    std::vector<float> values(static_cast<std::size_t>(all_rows) *
                              static_cast<std::size_t>(all_columns));
    for (int row = 0; row < rows; ++row)
      std::copy_n(parameters_.data() + offset + static_cast<std::ptrdiff_t>(row) * columns, columns,
                  values.data() + static_cast<std::ptrdiff_t>(row) * all_columns);
    file_.add(name, all_rows, all_columns, values);
  }

  // The queries of all heads, their keys, their values, where a layer has q, k and v of a head one
  // below the other. Of rows of so many columns; one column: a vector.
  void by_kind(const std::string& name, std::size_t offset, int heads, int columns) {
    const int width = layout_.head_width();
    const auto head_size = static_cast<std::ptrdiff_t>(width) * columns;
    std::vector<float> values(static_cast<std::size_t>(3 * all_.heads) *
                              static_cast<std::size_t>(head_size));
    for (int kind = 0; kind < 3; ++kind)
      for (int head = 0; head < heads; ++head)
        std::copy_n(parameters_.data() + offset + (3 * head + kind) * head_size, head_size,
                    values.data() + (kind * all_.heads + head) * head_size);
    const int rows = 3 * all_.heads * width;
    if (columns == 1) return file_.add(name, 1, rows, values);
    file_.add(name, rows, columns, values);
  }

  void add_layer(int l) {
    const supernet::LayerOffsets& o = layout_.layer(l);
    const Layer& layer = layout_.largest().layers[static_cast<std::size_t>(l)];
    const int d = layout_.model_width();
    const std::string block = fmt::format("blk.{}.", l);
    whole(block + "attn_norm.weight", o.norm1_gain, 1, d);
    whole(block + "attn_norm.bias", o.norm1_bias, 1, d);
    by_kind(block + "attn_qkv.weight", o.qkv, layer.heads, d);
    by_kind(block + "attn_qkv.bias", o.qkv_bias, layer.heads, 1);
    filled(block + "attn_output.weight", o.output, d, o.attention_width, d, d);
    whole(block + "attn_output.bias", o.output_bias, 1, d);
    whole(block + "ffn_norm.weight", o.norm2_gain, 1, d);
    whole(block + "ffn_norm.bias", o.norm2_bias, 1, d);
    filled(block + "ffn_up.weight", o.up, layer.ffn_width, d, all_.ffn_width, d);
    filled(block + "ffn_up.bias", o.up_bias, 1, layer.ffn_width, 1, all_.ffn_width);
    filled(block + "ffn_down.weight", o.down, d, layer.ffn_width, d, all_.ffn_width);
    whole(block + "ffn_down.bias", o.down_bias, 1, d);
  }

  const ParameterLayout& layout_;  // of this network alone
  const std::vector<float>& parameters_;
  Padded all_;
  GgufFile file_;
};

}  // namespace

std::string gguf_network(const ParameterLayout& supernet, const std::vector<float>& parameters,
                         const Architecture& network, const Tokenizer& tokenizer,
                         const std::string& name) {
  const ParameterLayout layout(network, supernet.context());
  const std::vector<float> weights = extract(supernet, parameters, layout);
  return Gpt2File(layout, weights).write(tokenizer, name);
}

}  // namespace paretoformer::nas
