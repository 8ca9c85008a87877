#include "nas/export/huggingface.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <unordered_map>
#include <utility>
#include <vector>

#include "search_spaces/gene.hpp"
#include "supernet/kernels/kernels.hpp"
#include "supernet/model/network_file.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

using supernet::Tokenizer;

constexpr const char* kSpaceMark = "\u2581";  // how SentencePiece writes a space

// What transformers calls a gene of a layer.
std::string attribute(const Gene<Layer>& gene) {
  if (gene.key == "heads") return "num_attention_heads";
  if (gene.key == "ffn_width") return "intermediate_size";
  return std::string(gene.key);
}

// Those of which a layer of the network has something to say.
std::vector<Gene<Layer>> telling_genes(const Architecture& network) {
  std::vector<Gene<Layer>> genes;
  for (const Gene<Layer>& gene : kLayerGenes)
    if (std::any_of(network.layers.begin(), network.layers.end(),
                    [&](const Layer& layer) { return !gene.says_nothing(gene.get(layer)); }))
      genes.push_back(gene);
  return genes;
}

std::string byte_piece(int byte) { return fmt::format("<0x{:02X}>", byte); }

// Of bytes, as if they were pieces.
std::vector<Tokenizer::Piece> all_pieces(const Tokenizer& tokenizer) {
  std::vector<Tokenizer::Piece> pieces = tokenizer.pieces();
  if (pieces.empty())
    for (int byte = 0; byte < tokenizer.vocabulary_size(); ++byte)
      pieces.push_back({byte_piece(byte), 0, Tokenizer::Piece::Kind::byte});
  return pieces;
}

// Every pair of pieces that makes a piece, the best piece first.
Json merges(const std::vector<Tokenizer::Piece>& pieces) {
  using Kind = Tokenizer::Piece::Kind;
  std::unordered_map<std::string_view, std::size_t> numbers;
  std::vector<const Tokenizer::Piece*> best;
  for (std::size_t i = 0; i < pieces.size(); ++i)
    if (pieces[i].kind == Kind::normal) {
      numbers.emplace(pieces[i].text, i);
      best.push_back(&pieces[i]);
    }
  std::stable_sort(best.begin(), best.end(),
                   [](const auto* a, const auto* b) { return a->score > b->score; });
  Json list = Json::array();
  for (const Tokenizer::Piece* piece : best)
    for (std::size_t at = 1; at < piece->text.size(); ++at) {
      const std::string left = piece->text.substr(0, at), right = piece->text.substr(at);
      if (numbers.contains(left) && numbers.contains(right)) list.push_back({left, right});
    }
  return list;
}

Json run_config(Json config) {
  config.erase("run");
  for (const char* text : {"train", "validation"})
    if (config["corpus"].contains(text))
      config["corpus"][text] =
          std::filesystem::path(config["corpus"][text].get<std::string>()).filename().string();
  return config;
}

std::string text_of(const Json& corpus) {
  return corpus.at("text") == "generated"
             ? fmt::format("generated, seed {}", corpus.at("seed").dump())
             : "trained on `" + corpus.at("train").get<std::string>() + "`, validated on `" +
                   corpus.at("validation").get<std::string>() + "`";
}

// | name | value |, where the value is known.
std::string line(const Json& from, const char* key, const char* name,
                 const char* format = "| {} | {:.4f} |\n") {
  if (!from.is_object() || !from.contains(key)) return "";
  return fmt::format(fmt::runtime(format), name, from.at(key).get<double>());
}

std::string perplexity_table(const ExportedNetwork& network) {
  return "| perplexity of the validation text | |\n|---|---|\n" +
         line(network.confirmed, "perplexity", "per token") +
         line(network.confirmed, "perplexity_per_word", "per word") +
         line(network.confirmed, "bits_per_byte", "bits per byte") +
         line(network.confirmed, "perplexity_int8", "per token, in the accelerator's integers") +
         fmt::format("| per token, of the sequences that the search scored on | {:.4f} |\n",
                     network.candidate.objectives.perplexity);
}

std::string cost_table(const ExportedNetwork& network) {
  const bool simulated = network.confirmed.is_object() && network.confirmed.contains("edp");
  const Json seen = to_json(network.candidate.objectives);
  const Json& cost = simulated ? network.confirmed : seen;
  const accel_sim::Target& on = network.hardware;
  const std::string device =
      network.config.contains("predictor")
          ? "as the run's predictor says"
          : fmt::format(
                "on an array of {} x {} with {} KiB of scratchpad and {} KiB of "
                "accumulator; all of its parameters are `hardware` in `run_config.json`",
                on.array_size, on.array_size, on.scratchpad_kib, on.accumulator_kib);
  return fmt::format(
             "One sequence of {} tokens ({}), {}.\n\n"
             "| cost, {} | |\n|---|---|\n",
             network.workload.sequence_length, network.provenance.at("mode").get<std::string>(),
             device, simulated ? "simulated as one program" : "predicted") +
         line(cost, "latency_cycles", "latency, cycles", "| {} | {:.0f} |\n") +
         line(cost, "latency_ns", "latency, ns", "| {} | {:.0f} |\n") +
         line(cost, "energy_pj", "energy, pJ", "| {} | {:.0f} |\n") +
         line(cost, "edp", "energy-delay product, pJ x cycles", "| {} | {:.4g} |\n") +
         line(seen, "peak_memory_bytes", "peak memory, bytes", "| {} | {:.0f} |\n") +
         line(seen, "macs", "multiply-accumulates", "| {} | {:.0f} |\n") +
         line(seen, "parameters", "parameters", "| {} | {:.0f} |\n");
}

std::string layer_table(const Architecture& network) {
  std::string head = "| layer |", rule = "|---|", rows;
  const std::vector<Gene<Layer>> genes = telling_genes(network);
  for (const Gene<Layer>& gene : genes) {
    head += " " + std::string(gene.key) + " |";
    rule += "---|";
  }
  for (int i = 0; i < network.depth(); ++i) {
    rows += fmt::format("| {} |", i);
    for (const Gene<Layer>& gene : genes)
      rows += fmt::format(" {} |", gene.get(network.layers[static_cast<std::size_t>(i)]));
    rows += "\n";
  }
  return head + "\n" + rule + "\n" + rows;
}

}  // namespace

Json huggingface_config(const Architecture& network, int context) {
  Json config{{"model_type", "paretoformer"},
              {"hidden_size", network.model_width},
              {"num_hidden_layers", network.depth()},
              {"head_dim", network.head_width},
              {"vocab_size", network.vocabulary},
              {"max_position_embeddings", context},
              {"hidden_act", "gelu_new"},
              {"layer_norm_eps", supernet::kNormEpsilon},
              {"attention_bias", true},
              {"mlp_bias", true},
              {"tie_word_embeddings", true},
              {"is_decoder", true},
              {"torch_dtype", "float32"}};
  const std::vector<Gene<Layer>> genes = telling_genes(network);
  for (const Gene<Layer>& gene : genes) config[attribute(gene)] = gene.get(network.layers[0]);
  Json others = Json::object();
  for (std::size_t i = 1; i < network.layers.size(); ++i)
    for (const Gene<Layer>& gene : genes)
      if (const int value = gene.get(network.layers[i]); value != gene.get(network.layers[0]))
        others[std::to_string(i)][attribute(gene)] = value;
  config["per_layer_config"] = others;
  return config;
}

Json huggingface_tokenizer(const Tokenizer& tokenizer) {
  const std::vector<Tokenizer::Piece> pieces = all_pieces(tokenizer);
  Json vocabulary = Json::object();
  Json unknown = nullptr;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    vocabulary[pieces[i].text] = i;
    if (pieces[i].kind == Tokenizer::Piece::Kind::unknown) unknown = pieces[i].text;
  }
  const auto replace = [](const char* from, const char* to) {
    return Json{{"type", "Replace"}, {"pattern", {{"String", from}}}, {"content", to}};
  };
  const bool bytes = tokenizer.model().empty();
  Json decoders = Json::array();
  if (!bytes) decoders.push_back(replace(kSpaceMark, " "));
  for (const char* type : {"ByteFallback", "Fuse"}) decoders.push_back({{"type", type}});
  return Json{{"version", "1.0"},
              {"truncation", nullptr},
              {"padding", nullptr},
              {"added_tokens", Json::array()},
              {"normalizer", bytes ? Json(nullptr) : replace(" ", kSpaceMark)},
              {"pre_tokenizer", nullptr},
              {"post_processor", nullptr},
              {"decoder", {{"type", "Sequence"}, {"decoders", decoders}}},
              {"model",
               {{"type", "BPE"},
                {"dropout", nullptr},
                {"unk_token", unknown},
                {"continuing_subword_prefix", nullptr},
                {"end_of_word_suffix", nullptr},
                {"fuse_unk", false},
                {"byte_fallback", true},
                {"ignore_merges", false},
                {"vocab", vocabulary},
                {"merges", merges(pieces)}}}};
}

std::string model_card(const ExportedNetwork& network) {
  const Json config = run_config(network.config);
  const Architecture& architecture = network.candidate.architecture;
  return fmt::format(
             "---\n"
             "library_name: paretoformer\n"
             "pipeline_tag: text-generation\n"
             "tags: [neural-architecture-search, hardware-aware]\n"
             "---\n"
             "# {}\n\n"
             "A causal language model with layers of their own sizes, found by a search for the "
             "best trade between perplexity and cost on an accelerator (space `{}`, ID `{}`): "
             "pre-norm blocks of GPT-2 of width {}, heads {} wide, a vocabulary of {} and a "
             "context "
             "of {} tokens.\n\n",
             describe(architecture), config.at("search_space").at("name").get<std::string>(),
             hex(network.candidate.id), architecture.model_width, architecture.head_width,
             architecture.vocabulary, network.layout.context()) +
         layer_table(architecture) + "\n## Perplexity\n\nText: " + text_of(config.at("corpus")) +
         ".\n\n" + perplexity_table(network) + "\n## Cost\n\n" + cost_table(network) +
         "\n## Files\n\n"
         "`model.safetensors` has the weights in fp32, `config.json` the sizes "
         "(`per_layer_config`: where a layer differs from the first), `tokenizer.json` the "
         "tokeniser. No class of transformers builds such a network; `examples/run_network.py` of "
         "Paretoformer runs it in sixty lines of NumPy.\n"
         "\n## Made again\n\n"
         "    paretoformer search run_config.json --run again\n"
         "    paretoformer export again --format huggingface --id " +
         hex(network.candidate.id) + "\n\nProvenance: `" + network.provenance.dump() + "`\n";
}

void write_huggingface(const std::filesystem::path& weights, const ExportedNetwork& network) {
  const std::filesystem::path folder = weights.parent_path();
  create_folder(folder);
  const Architecture& architecture = network.candidate.architecture;
  save_network(weights, network.layout, network.parameters, architecture,
               network_metadata(network));
  const int context = network.layout.context();
  write_file_atomic(folder / "config.json", to_text(huggingface_config(architecture, context)));
  write_file_atomic(folder / "tokenizer.json", to_text(huggingface_tokenizer(network.tokenizer)));
  write_file_atomic(folder / "tokenizer_config.json",
                    to_text(Json{{"tokenizer_class", "PreTrainedTokenizerFast"},
                                 {"model_max_length", context},
                                 {"clean_up_tokenization_spaces", false}}));
  if (!network.tokenizer.model().empty())
    write_file_atomic(folder / "tokenizer.model", network.tokenizer.model());
  write_file_atomic(folder / "run_config.json", to_text(run_config(network.config)));
  write_file_atomic(folder / "README.md", model_card(network));
}

}  // namespace paretoformer::nas
