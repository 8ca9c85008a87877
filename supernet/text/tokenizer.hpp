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
#include <unordered_set>
#include <vector>

#include "support/text.hpp"

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace paretoformer::supernet {

// A value, cheap to copy, safe to use from several threads. decode(encode(x)) == x: bytes() gives
// back every text, a learnt vocabulary every well-formed one, newlines, repeated spaces and
// characters absent from the training text included (what has no piece of its own is spelt in byte
// tokens, of which every vocabulary holds all 256), but for U+2581, which is how SentencePiece
// writes a space and comes back as one. What is not UTF-8 comes back as U+FFFD.
class Tokenizer {
 public:
  // Every byte is its own token: vocabulary 256.
  static Tokenizer bytes();

  // Learns merges from `text`, which should be valid UTF-8, with spaces or without: in words of
  // more than 32768 characters no merge is learnt across every 32768th. `vocabulary` counts one
  // unknown token (never produced), the 256 bytes, the characters of the text and the merges. The
  // same text gives the same tokenizer. Throws InputError when `vocabulary` is too small for the
  // text's characters or too large for its merges, naming the limit.
  static Tokenizer train_bpe(std::string_view text, int vocabulary);

  // From model(): the empty string gives bytes(). Throws InputError when the model is damaged or
  // would not give back every text.
  static Tokenizer from_model(std::string serialized);

  // What SentencePiece makes of `text` with model(), or the bytes.
  std::vector<std::int32_t> encode(std::string_view text) const;
  // Throws InputError for a number outside the vocabulary.
  std::string decode(std::span<const std::int32_t> tokens) const;

  int vocabulary_size() const { return static_cast<int>(piece_bytes_.size()); }
  // A SentencePiece model file that other tools read; empty for bytes.
  const std::string& model() const { return model_; }
  // What the tokens are in model(), for other formats; none for bytes. Kinds are numbered as in
  // SentencePiece's model files.
  struct Piece {
    std::string text;  // with U+2581 for a space, "<0x0A>" for a byte
    float score;       // of two merges the higher goes first
    enum class Kind { normal = 1, unknown = 2, control = 3, byte = 6 } kind;
  };
  std::vector<Piece> pieces() const;
  // Of everything that decides how text is encoded.
  std::uint64_t hash() const;

 private:
  void add_pairs(std::string_view piece);

  std::shared_ptr<const sentencepiece::SentencePieceProcessor> processor_;  // null for bytes
  std::string model_;
  std::vector<std::string> piece_bytes_;  // what each token stands for
  std::array<std::int32_t, 256> byte_token_{};
  std::unordered_set<std::uint64_t> pairs_;  // of neighbours in one piece
};

// train_bpe() with its result kept in a file of `cache_folder` (created when absent) named after
// the content of the text and the vocabulary. A damaged file is replaced. An empty path: no cache.
Tokenizer train_bpe_cached(std::string_view text, int vocabulary,
                           const std::filesystem::path& cache_folder);

}  // namespace paretoformer::supernet
