// The text of the proxy task: training and validation tokens, and how well trivial and perfect
// models would do on them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "supernet/text/tokenizer.hpp"
#include "support/json_fwd.hpp"

namespace paretoformer::supernet {

enum class TokenizerKind { kBpe, kBytes };

// Two text files, or two texts of the embedded language (supernet/text/grammar.hpp). What each is,
// and its range: corpus_schema().
struct CorpusConfig {
  bool generated = true;
  std::int64_t train_bytes = 8'000'000;
  std::int64_t validation_bytes = 250'000;
  std::int64_t seed = 1;
  std::filesystem::path train, validation;  // files only
  TokenizerKind tokenizer = TokenizerKind::kBpe;
  int vocabulary = 1024;  // 256 for bytes

  bool operator==(const CorpusConfig&) const = default;
};

// Relative paths are relative to `base_folder`, the folder of the config file. Throws InputError.
CorpusConfig corpus_config_from_json(const JsonNode& node,
                                     const std::filesystem::path& base_folder);
// That as a JSON Schema, with the defaults and meanings of its keys.
Json corpus_schema();
// Complete, defaults and resolved paths included.
Json to_json(const CorpusConfig& config);

struct Corpus {
  std::vector<std::int32_t> train, validation;
  Tokenizer tokenizer = Tokenizer::bytes();  // learnt from the training text only
  // Of the validation tokens under the frequencies of the training tokens plus one: what a model
  // reaches that ignores the context.
  double unigram_perplexity = 0;
  double bytes_per_token = 0;  // validation
  // Words of a validation text in a file, as published perplexities of WikiText count them: what
  // stands between white space, and an end of every line. Its bytes. 0 for generated text.
  std::int64_t words = 0, bytes = 0;
  // Per validation token, from the exact information of a generated text: no model is better on
  // average. None for files.
  std::optional<double> oracle_perplexity;
  std::uint64_t hash = 0;  // of both token sequences and the tokenizer

  // What a mean loss (nats per token of the validation text or of a sample of it) is in units that
  // do not depend on the tokenizer, by the whole text's tokens per word and byte; none for
  // generated text, nor of words where there are too few for a finite number.
  std::optional<double> perplexity_per_word(double loss) const;
  std::optional<double> bits_per_byte(double loss) const;
};

// Reads or generates the texts, learns (or finds in `cache_folder`; empty: no cache) the tokenizer
// and encodes. Throws InputError naming the file when it is missing, empty or not UTF-8, or when
// the text does not fit the vocabulary.
Corpus load_corpus(const CorpusConfig& config, const std::filesystem::path& cache_folder);

// Throws InputError unless there is one batch (that of a step), batch * (context + 1) training
// tokens, and one window, context + 1 validation tokens.
void require_tokens(const Corpus& corpus, std::int64_t batch, std::int64_t context);

}  // namespace paretoformer::supernet
