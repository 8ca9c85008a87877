#include "accel_sim/workload/hugging_face.hpp"

#include <array>
#include <string_view>

#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::accel_sim {
namespace {

// A config.json writes null for what there is not.
class Config {
 public:
  explicit Config(const JsonNode& node) : object_(node) {}

  bool has(const char* key) const { return object_.has(key) && !at(key).json().is_null(); }
  bool is_absent(const char* key) const { return !object_.has(key); }
  JsonNode at(const char* key) const { return object_.at(key); }
  int size(const char* key) const { return static_cast<int>(at(key).integer(1, kLargestSize)); }
  int size(const char* key, int absent) const { return has(key) ? size(key) : absent; }
  bool flag(const char* key, bool absent) const { return has(key) ? at(key).boolean() : absent; }
  void require_false(const char* key) const {
    if (flag(key, false)) at(key).fail("is not priced: expected false");
  }

 private:
  JsonObject object_;
};

struct ActivationName {
  std::string_view name;
  FfnActivation activation;
};
// transformers' ACT2FN. The forms of GELU differ in their last digits.
constexpr std::array<ActivationName, 9> kActivations{{{"gelu", FfnActivation::kGelu},
                                                      {"gelu_new", FfnActivation::kGelu},
                                                      {"gelu_fast", FfnActivation::kGelu},
                                                      {"gelu_python", FfnActivation::kGelu},
                                                      {"gelu_pytorch_tanh", FfnActivation::kGelu},
                                                      {"relu", FfnActivation::kRelu},
                                                      {"silu", FfnActivation::kSilu},
                                                      {"swish", FfnActivation::kSilu},
                                                      {"quick_gelu", FfnActivation::kSilu}}};

FfnActivation activation(const Config& config, const char* key, FfnActivation absent) {
  return config.has(key) ? read_row(kActivations, config.at(key)).activation : absent;
}

void read_layers(const Config& config, const char* key, Transformer& network) {
  network.layers = static_cast<int>(config.at(key).integer(1, kMostLayers));
}

// Heads of equal width.
void read_heads(const Config& config, const char* width, const char* heads, Transformer& network) {
  TransformerBlock& block = network.block;
  block.width = network.embedding_width = config.size(width);
  block.heads = block.key_heads = config.size(heads);
  if (block.width % block.heads != 0)
    config.at(heads).fail(std::string("does not divide ") + width + ", which is " +
                          std::to_string(block.width) + ": expected one of its divisors");
  block.head_width = block.width / block.heads;
}

// What encoders have in common: normalisation after the residual adds and after the embedding,
// learned positions, no mask.
void read_encoder(const Config& config, const char* hidden, const char* act, Transformer& network) {
  network.block.ffn_width = config.size(hidden);
  network.block.activation = activation(config, act, FfnActivation::kGelu);
  network.block.norm_first = false;
  network.is_causal = false;
  network.position_rows = network.longest = config.size("max_position_embeddings");
  network.embedding_norm = true;
}

Transformer bert(const Config& config) {
  Transformer network;
  config.require_false("is_decoder");
  config.require_false("add_cross_attention");
  if (config.has("position_embedding_type"))
    config.at("position_embedding_type").choice({"absolute"});
  if (config.has("pruned_heads") && !config.at("pruned_heads").json().empty())
    config.at("pruned_heads").fail("is not priced: expected {}");
  read_heads(config, "hidden_size", "num_attention_heads", network);
  read_layers(config, "num_hidden_layers", network);
  read_encoder(config, "intermediate_size", "hidden_act", network);
  network.token_types = config.size("type_vocab_size");
  network.has_pooler = true;
  return network;
}

// Positions are counted from behind that of the padding token.
Transformer roberta(const Config& config) {
  Transformer network = bert(config);
  const int padding = config.has("pad_token_id")
                          ? static_cast<int>(config.at("pad_token_id").integer(0, kLargestSize))
                          : 1;
  network.longest -= padding + 1;
  if (network.longest < 1)
    config.at("max_position_embeddings")
        .fail("leaves no position: expected more than " + std::to_string(padding + 1));
  return network;
}

Transformer distilbert(const Config& config) {
  Transformer network;
  read_heads(config, "dim", "n_heads", network);
  read_layers(config, "n_layers", network);
  read_encoder(config, "hidden_dim", "activation", network);
  return network;
}

LanguageModelHead head(const Config& config, bool tied_if_absent) {
  return config.flag("tie_word_embeddings", tied_if_absent) ? LanguageModelHead::kTied
                                                            : LanguageModelHead::kUntied;
}

Transformer gpt2(const Config& config) {
  Transformer network;
  config.require_false("add_cross_attention");
  read_heads(config, "n_embd", "n_head", network);
  read_layers(config, "n_layer", network);
  network.block.ffn_width = config.has("n_inner") || network.block.width > kLargestSize / 4
                                ? config.size("n_inner")
                                : 4 * network.block.width;
  network.block.activation = activation(config, "activation_function", FfnActivation::kGelu);
  network.position_rows = network.longest = config.size("n_positions");
  network.final_norm = true;
  network.head = head(config, true);
  return network;
}

Transformer opt(const Config& config) {
  constexpr int kOffset = 2;  // OPTLearnedPositionalEmbedding
  Transformer network;
  read_heads(config, "hidden_size", "num_attention_heads", network);
  read_layers(config, "num_hidden_layers", network);
  TransformerBlock& block = network.block;
  network.embedding_width = config.size("word_embed_proj_dim", block.width);
  block.ffn_width = config.size("ffn_dim");
  block.activation = activation(config, "activation_function", FfnActivation::kRelu);
  block.norm_first = config.flag("do_layer_norm_before", true);
  block.qkv_biases = block.output_bias = block.ffn_biases = config.flag("enable_bias", true);
  network.longest = config.size("max_position_embeddings");
  network.position_rows = network.longest + kOffset;
  network.final_norm = block.norm_first && !config.flag("_remove_final_layer_norm", false);
  if (!config.flag("layer_norm_elementwise_affine", true))
    config.at("layer_norm_elementwise_affine").fail("is not priced: expected true");
  network.head = head(config, true);
  return network;
}

Transformer llama(const Config& config) {
  Transformer network;
  TransformerBlock& block = network.block;
  if (config.has("head_dim")) {
    block.width = network.embedding_width = config.size("hidden_size");
    block.heads = block.key_heads = config.size("num_attention_heads");
    block.head_width = config.size("head_dim");
  } else {
    read_heads(config, "hidden_size", "num_attention_heads", network);
  }
  read_layers(config, "num_hidden_layers", network);
  block.key_heads = config.size("num_key_value_heads", block.heads);
  if (block.heads % block.key_heads != 0)
    config.at("num_key_value_heads")
        .fail("does not divide num_attention_heads, which is " + std::to_string(block.heads) +
              ": expected one of its divisors");
  block.ffn_width = config.size("intermediate_size");
  block.is_gated = block.rms_norm = block.rotary = network.final_norm = true;
  block.activation = activation(config, "hidden_act", FfnActivation::kSilu);
  block.qkv_biases = block.output_bias = config.flag("attention_bias", false);
  block.ffn_biases = config.flag("mlp_bias", false);
  network.head = head(config, false);
  return network;
}

Transformer mistral(const Config& config) {
  constexpr int kUsualWindow = 4096;
  config.size("num_key_value_heads");
  Transformer network = llama(config);
  network.block.window =
      config.is_absent("sliding_window") ? kUsualWindow : config.size("sliding_window", 0);
  return network;
}

Transformer qwen2(const Config& config) {
  config.size("num_key_value_heads");
  Transformer network = llama(config);
  network.block.qkv_biases = true;
  if (!config.flag("use_sliding_window", false)) return network;
  network.block.window = config.size("sliding_window");
  network.first_windowed = static_cast<int>(config.at("max_window_layers").integer(0, kMostLayers));
  return network;
}

struct Family {
  std::string_view name;
  Transformer (*read)(const Config& config);
};
constexpr std::array<Family, 8> kFamilies{{{"bert", bert},
                                           {"roberta", roberta},
                                           {"distilbert", distilbert},
                                           {"gpt2", gpt2},
                                           {"opt", opt},
                                           {"llama", llama},
                                           {"mistral", mistral},
                                           {"qwen2", qwen2}}};

}  // namespace

bool is_hugging_face(const Json& json) { return json.is_object() && json.contains("model_type"); }

Transformer transformer_from_hugging_face(const JsonNode& node) {
  const Config config(node);
  const Family& family = read_row(kFamilies, config.at("model_type"));
  config.require_false("is_encoder_decoder");
  Transformer network = family.read(config);
  network.family = family.name;
  network.vocabulary = config.size("vocab_size");
  return network;
}

ListedNetwork listed(const Transformer& network) {
  ListedNetwork listed;
  listed.description = describe(network);
  listed.parameters = network.parameter_count();
  listed.usual.mask = network.is_causal ? Mask::kCausal : Mask::kNone;
  listed.usual.biases = true;  // those that there are
  listed.longest = network.longest;
  listed.window = network.block.window;
  listed.operators = [network](const Workload& workload) {
    return transformer_operators(network, workload);
  };
  return listed;
}

}  // namespace paretoformer::accel_sim
