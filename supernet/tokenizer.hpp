// Text as token numbers and back without loss: single bytes, or byte-pair encoding (SentencePiece).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "support/text.hpp"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace paretoformer {

// A value, cheap to copy, safe to use from several threads. decode(encode(x)) == x for every x,
// newlines, repeated spaces and characters absent from the training text included: what has no
// piece of its own is spelt in byte tokens, of which every vocabulary holds all 256.
class Tokenizer {
 public:
  // Every byte is its own token: vocabulary 256.
  static Tokenizer bytes();

  // Learns merges from `text`, which should be valid UTF-8. `vocabulary` counts one unknown token
  // (never produced), the 256 bytes, the characters of the text and the merges. The same text
  // gives the same tokenizer. Throws InputError when `vocabulary` is too small for the text's
  // characters or too large for its merges, naming the limit.
  static Tokenizer train_bpe(std::string_view text, int vocabulary);

  // From model(): the empty string gives bytes(). Throws InputError when the model is damaged or
  // would not give back every text.
  static Tokenizer from_model(std::string serialized);

  std::vector<std::int32_t> encode(std::string_view text) const;
  // Throws InputError for a number outside the vocabulary.
  std::string decode(std::span<const std::int32_t> tokens) const;

  int vocabulary_size() const { return static_cast<int>(piece_bytes_.size()); }
  // A SentencePiece model file that other tools read; empty for bytes.
  const std::string& model() const { return model_; }
  // Of everything that decides how text is encoded.
  std::uint64_t hash() const;

 private:
  // Words seen so far in one call of encode(), with the space before them.
  using WordCache = std::unordered_map<std::string_view, std::vector<int>>;

  void encode_bytes(std::string_view text, std::vector<std::int32_t>& tokens) const;
  // Text that SentencePiece gives back: no newline, no space mark, valid UTF-8.
  void encode_plain(std::string_view text, WordCache& cache,
                    std::vector<std::int32_t>& tokens) const;

  std::shared_ptr<const sentencepiece::SentencePieceProcessor> processor_;  // null for bytes
  std::string model_;
  std::vector<std::string> piece_bytes_;  // what each token stands for
  std::array<std::int32_t, 256> byte_token_{};
  bool words_independent_ = false;  // no piece goes on beyond a space
  bool space_has_piece_ = false;
};

// train_bpe() with its result kept in a file of `cache_folder` (created when absent) named after
// the content of the text and the vocabulary. A damaged file is replaced. An empty path: no cache.
Tokenizer train_bpe_cached(std::string_view text, int vocabulary,
                           const std::filesystem::path& cache_folder);

}  // namespace paretoformer
