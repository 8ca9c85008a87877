#include "supernet/text/corpus.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>
#include <string_view>

#include "supernet/text/grammar.hpp"
#include "support/error.hpp"
#include "support/fields.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/json.hpp"
#include "support/words.hpp"

namespace paretoformer::supernet {
namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;
constexpr Words<TokenizerKind, 2> kTokenizerWords{
    {{TokenizerKind::kBpe, "bpe"}, {TokenizerKind::kBytes, "bytes"}}};
constexpr int kLargestVocabulary = 1 << 16;

std::string read_text(const std::filesystem::path& path) {
  std::string text = read_file(path);
  if (text.empty()) throw InputError(path.string() + ": is empty: expected text");
  const std::size_t valid = valid_utf8_prefix(text);
  if (valid < text.size())
    throw InputError(path.string() + ": byte " + std::to_string(valid) + " is not valid UTF-8");
  return text;
}

std::filesystem::path resolve(const JsonObject& object, const std::string& key,
                              const std::filesystem::path& base_folder) {
  const JsonNode node = object.at(key);
  const std::string path = node.string();
  if (path.empty()) node.fail("is no path: expected the name of a text file");
  return (base_folder / path).lexically_normal();
}

double unigram_perplexity(const Corpus& corpus) {
  std::vector<double> counts(static_cast<std::size_t>(corpus.tokenizer.vocabulary_size()), 1.0);
  for (std::int32_t token : corpus.train) ++counts[static_cast<std::size_t>(token)];
  const double total = static_cast<double>(corpus.train.size() + counts.size());
  double bits = 0;
  for (std::int32_t token : corpus.validation)
    bits -= std::log2(counts[static_cast<std::size_t>(token)] / total);
  return std::exp2(bits / static_cast<double>(corpus.validation.size()));
}

std::int64_t count_words(std::string_view text) {
  constexpr std::string_view kWhiteSpace = " \t\n\v\f\r";
  std::int64_t words = std::count(text.begin(), text.end(), '\n');
  if (!text.empty() && text.back() != '\n') ++words;  // the end of the last line
  for (std::size_t at = 0; (at = text.find_first_not_of(kWhiteSpace, at)) < text.size(); ++words)
    at = std::min(text.find_first_of(kWhiteSpace, at), text.size());
  return words;
}

std::uint64_t hash_tokens(const std::vector<std::int32_t>& tokens, std::uint64_t seed) {
  return hash_bytes(tokens.data(), tokens.size() * sizeof(std::int32_t), seed);
}

void require(std::size_t tokens, std::int64_t least, const std::string& text,
             const std::string& why) {
  if (static_cast<std::int64_t>(tokens) < least)
    throw InputError("the " + text + " text is too short: it has " + std::to_string(tokens) +
                     " tokens, but " + why + " takes " + std::to_string(least));
}

constexpr std::tuple kGeneratedFields{
    Field{"train_bytes", &CorpusConfig::train_bytes, Range{std::int64_t{1}, kMostBytes},
          "generated text to train on"},
    Field{"validation_bytes", &CorpusConfig::validation_bytes, Range{std::int64_t{1}, kMostBytes},
          "generated text to score with"},
    Field{"seed", &CorpusConfig::seed, Range<std::int64_t>{0, INT64_MAX}, "of the generated text"}};

constexpr std::tuple kTokenizerFields{
    Field{"tokenizer", &CorpusConfig::tokenizer, AnyWord(kTokenizerWords),
          "SentencePiece's BPE, learnt on the training text, all 256 bytes as a fallback; or the "
          "bytes themselves"},
    Field{"vocabulary", &CorpusConfig::vocabulary, Range{258, kLargestVocabulary},
          "tokens of BPE; bytes have 256"}};

}  // namespace

Json corpus_schema() {
  const Json file = {{"type", "string"}, {"description", "a file of UTF-8 text"}};
  Json properties = Json::object();
  properties["text"] = {
      {"const", "generated"},
      {"description", "text of the embedded language; the default without files"}};
  properties.update(schema_of(kGeneratedFields, CorpusConfig())["properties"]);
  properties["train"] = properties["validation"] = file;
  properties.update(schema_of(kTokenizerFields, CorpusConfig())["properties"]);
  return object_schema(std::move(properties));
}

CorpusConfig corpus_config_from_json(const JsonNode& node,
                                     const std::filesystem::path& base_folder) {
  const JsonObject object(node);
  CorpusConfig config;
  config.generated = !node.json().contains("train") && !node.json().contains("validation");
  if (node.json().contains("text")) {
    object.choice("text", {"generated"}, "generated");
    config.generated = true;
  }
  if (config.generated) {
    read_fields(object, kGeneratedFields, config);
  } else {
    config.train = resolve(object, "train", base_folder);
    config.validation = resolve(object, "validation", base_folder);
  }
  config.tokenizer = kTokenizerWords.read(object, "tokenizer", config.tokenizer);
  if (config.tokenizer == TokenizerKind::kBytes)
    config.vocabulary = static_cast<int>(object.integer("vocabulary", 256, 256, 256));
  else
    read_fields(object, kTokenizerFields, config);
  object.finish();
  return config;
}

Json to_json(const CorpusConfig& config) {
  Json json = Json::object();
  if (config.generated) {
    json["text"] = "generated";
    json.update(write_fields(kGeneratedFields, config));
  } else {
    json["train"] = config.train.string();
    json["validation"] = config.validation.string();
  }
  json.update(write_fields(kTokenizerFields, config));
  return json;
}

Corpus load_corpus(const CorpusConfig& config, const std::filesystem::path& cache_folder) {
  std::string train, validation;
  double validation_bits = 0;
  if (config.generated) {
    // Even and odd seeds: no training text is ever the validation text of another run.
    const std::uint64_t seed = 2 * static_cast<std::uint64_t>(config.seed);
    train = generate_text(seed, static_cast<std::size_t>(config.train_bytes)).text;
    GeneratedText held_out =
        generate_text(seed + 1, static_cast<std::size_t>(config.validation_bytes));
    validation = std::move(held_out.text);
    validation_bits = held_out.information_bits;
  } else {
    train = read_text(config.train);
    validation = read_text(config.validation);
  }

  Corpus corpus;
  if (config.tokenizer == TokenizerKind::kBpe) {
    try {
      corpus.tokenizer = train_bpe_cached(train, config.vocabulary, cache_folder);
    } catch (const InputError& error) {
      const std::string name = config.generated ? "generated text" : config.train.string();
      throw InputError(name + ": " + error.what());
    }
  }
  corpus.train = corpus.tokenizer.encode(train);
  corpus.validation = corpus.tokenizer.encode(validation);
  const auto tokens = static_cast<double>(corpus.validation.size());
  corpus.unigram_perplexity = unigram_perplexity(corpus);
  corpus.bytes_per_token = static_cast<double>(validation.size()) / tokens;
  if (config.generated) {
    corpus.oracle_perplexity = std::exp2(validation_bits / tokens);
  } else {
    corpus.words = count_words(validation);
    corpus.bytes = static_cast<std::int64_t>(validation.size());
  }
  corpus.hash = hash_tokens(corpus.validation, hash_tokens(corpus.train, corpus.tokenizer.hash()));
  return corpus;
}

std::optional<double> Corpus::perplexity_per_word(double loss) const {
  if (words == 0) return std::nullopt;
  const double tokens = static_cast<double>(validation.size());
  const double perplexity = std::exp(loss * tokens / static_cast<double>(words));
  return std::isfinite(perplexity) ? std::optional(perplexity) : std::nullopt;
}

std::optional<double> Corpus::bits_per_byte(double loss) const {
  if (bytes == 0) return std::nullopt;
  return loss / std::numbers::ln2 / bytes_per_token;
}

void require_tokens(const Corpus& corpus, std::int64_t batch, std::int64_t context) {
  require(corpus.train.size(), batch * (context + 1), "training",
          "a batch of " + std::to_string(batch) + " x (" + std::to_string(context) + " + 1)");
  require(corpus.validation.size(), context + 1, "validation",
          "a window of " + std::to_string(context) + " + 1");
}

}  // namespace paretoformer::supernet
