#include "supernet/tokenizer.hpp"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <unordered_set>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"

namespace paretoformer {
namespace {

// SentencePiece writes a space as this character (U+2581), so the character itself has to be
// spelt in bytes.
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD
// The unknown token must not look like anything in a text: "<unk>" is a word of WikiText.
constexpr const char* kUnknownPiece = "<paretoformer:unknown>";
constexpr int kReservedTokens = 257;  // unknown and the bytes
constexpr std::string_view kCacheHeader = "paretoformer tokenizer 1 ";

// The non-empty lines of a text.
class Lines : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(std::string_view text) : rest_(text) { Next(); }
  bool done() const override { return done_; }
  void Next() override {
    do {
      done_ = rest_.empty();
      if (done_) return;
      const std::size_t end = rest_.find('\n');
      line_ = rest_.substr(0, end);
      rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    } while (line_.empty());
  }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  std::string_view rest_;
  std::string line_;
  bool done_ = false;
};

// SentencePiece skips longer lines than it is told, and takes limits in this range.
std::size_t line_limit(std::string_view text) {
  std::size_t longest = 10;
  for (Lines lines(text); !lines.done(); lines.Next())
    longest = std::max(longest, lines.value().size());
  return std::min<std::size_t>(longest, 1 << 30);
}

int distinct_characters(std::string_view text) {
  std::unordered_set<std::string_view> characters;
  while (!text.empty()) {
    const std::size_t length = std::max<std::size_t>(1, character_length(text));
    if (text.front() != '\n') characters.insert(text.substr(0, length));
    text.remove_prefix(length);
  }
  return static_cast<int>(characters.size());
}

std::string quote_vocabulary(int vocabulary) { return "vocabulary " + std::to_string(vocabulary); }

}  // namespace

Tokenizer Tokenizer::bytes() {
  Tokenizer tokenizer;
  for (int byte = 0; byte < 256; ++byte) {
    tokenizer.byte_token_[static_cast<std::size_t>(byte)] = byte;
    tokenizer.piece_bytes_.emplace_back(1, static_cast<char>(byte));
  }
  return tokenizer;
}

Tokenizer Tokenizer::train_bpe(std::string_view text, int vocabulary) {
  const int characters = distinct_characters(text);
  if (characters == 0) throw InputError("the text to learn a vocabulary from is empty");
  const int least = kReservedTokens + characters;
  if (vocabulary < least)
    throw InputError(quote_vocabulary(vocabulary) + " is too small: 256 bytes, 1 unknown and the " +
                     std::to_string(characters) +
                     " characters of the training text need at least " + std::to_string(least));
  Lines lines(text);
  std::string model;
  const sentencepiece::util::Status status = sentencepiece::SentencePieceTrainer::Train(
      {{"model_type", "bpe"},
       {"vocab_size", std::to_string(vocabulary)},
       {"hard_vocab_limit", "false"},  // too large a vocabulary is reported below
       {"character_coverage", "1.0"},
       {"byte_fallback", "true"},
       {"normalization_rule_name", "identity"},
       {"add_dummy_prefix", "false"},
       {"remove_extra_whitespaces", "false"},
       {"unk_piece", kUnknownPiece},
       {"bos_id", "-1"},
       {"eos_id", "-1"},
       {"num_threads", "1"},
       {"max_sentence_length", std::to_string(line_limit(text))},
       {"minloglevel", "3"}},
      &lines, &model);
  if (!status.ok())
    throw InputError(quote_vocabulary(vocabulary) + ": cannot learn it: " + status.ToString());
  Tokenizer tokenizer = from_model(std::move(model));
  if (tokenizer.vocabulary_size() < vocabulary)
    throw InputError(quote_vocabulary(vocabulary) +
                     " is too large: the training text yields at most " +
                     std::to_string(tokenizer.vocabulary_size()) + " tokens");
  return tokenizer;
}

Tokenizer Tokenizer::from_model(std::string serialized) {
  if (serialized.empty()) return bytes();
  const auto processor = std::make_shared<sentencepiece::SentencePieceProcessor>();
  if (!processor->LoadFromSerializedProto(serialized).ok())
    throw InputError("tokenizer model is damaged: not a SentencePiece model");
  Tokenizer tokenizer;
  tokenizer.byte_token_.fill(-1);
  tokenizer.words_independent_ = true;
  const int space = processor->PieceToId({kSpaceMark.data(), kSpaceMark.size()});
  tokenizer.space_has_piece_ = !processor->IsUnknown(space);
  for (int token = 0; token < processor->GetPieceSize(); ++token) {
    std::string piece = processor->IdToPiece(token);
    if (processor->IsByte(token)) {  // "<0x0A>"
      const int byte = std::stoi(piece.substr(3, 2), nullptr, 16);
      tokenizer.byte_token_[static_cast<std::size_t>(byte)] = token;
      piece.assign(1, static_cast<char>(byte));
    } else if (processor->IsUnknown(token)) {
      piece = kReplacement;
    } else if (processor->IsControl(token)) {
      piece.clear();
    } else {
      for (std::size_t at; (at = piece.find(kSpaceMark)) != std::string::npos;)
        piece.replace(at, kSpaceMark.size(), " ");
      if (piece.find(' ', 1) != std::string::npos) tokenizer.words_independent_ = false;
    }
    tokenizer.piece_bytes_.push_back(std::move(piece));
  }
  const auto& byte_token = tokenizer.byte_token_;
  if (std::find(byte_token.begin(), byte_token.end(), -1) != byte_token.end())
    throw InputError("tokenizer model is damaged or foreign: it lacks byte tokens");
  tokenizer.processor_ = processor;
  tokenizer.model_ = std::move(serialized);
  constexpr std::string_view kProbe = "  a b  1,\xc3\xa9\xef\xac\x81 \n ";
  if (tokenizer.decode(tokenizer.encode(kProbe)) != kProbe)
    throw InputError("tokenizer model is damaged or foreign: it does not give back every text");
  return tokenizer;
}

void Tokenizer::encode_bytes(std::string_view text, std::vector<std::int32_t>& tokens) const {
  for (char byte : text) tokens.push_back(byte_token_[static_cast<unsigned char>(byte)]);
}

void Tokenizer::encode_plain(std::string_view text, WordCache& cache,
                             std::vector<std::int32_t>& tokens) const {
  while (!text.empty()) {
    // A merge that reached across a space would make a piece with a space inside. Without such
    // pieces words are encoded each by itself, and as most words return, once.
    const std::size_t end = words_independent_ ? text.find(' ', 1) : std::string_view::npos;
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(word.size());
    auto [found, is_new] = cache.try_emplace(word);
    if (is_new) {
      const auto status = processor_->Encode({word.data(), word.size()}, &found->second);
      if (!status.ok()) throw Error("tokenizer failed: " + status.ToString());
    }
    tokens.insert(tokens.end(), found->second.begin(), found->second.end());
  }
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> tokens;
  if (!processor_) {
    encode_bytes(text, tokens);
    return tokens;
  }
  // Line by line, and around what SentencePiece would not give back: newlines (it has no piece
  // for them), its own space mark, bytes that are not UTF-8, spaces if it never saw one.
  WordCache cache;
  std::size_t begin = 0, at = 0;
  while (at < text.size()) {
    const std::size_t length = character_length(text.substr(at));
    const std::string_view character = text.substr(at, std::max<std::size_t>(1, length));
    at += character.size();
    const bool special = length == 0 || character == "\n" || character == kSpaceMark ||
                         (character == " " && !space_has_piece_);
    if (!special) continue;
    encode_plain(text.substr(begin, at - character.size() - begin), cache, tokens);
    encode_bytes(character, tokens);
    begin = at;
  }
  encode_plain(text.substr(begin), cache, tokens);
  return tokens;
}

std::string Tokenizer::decode(std::span<const std::int32_t> tokens) const {
  std::string text;
  for (std::int32_t token : tokens) {
    if (token < 0 || token >= vocabulary_size())
      throw InputError("token " + std::to_string(token) + " is out of range: expected 0 to " +
                       std::to_string(vocabulary_size() - 1));
    text += piece_bytes_[static_cast<std::size_t>(token)];
  }
  return text;
}

std::uint64_t Tokenizer::hash() const { return hash_text(model_, 0x746f6b); }

Tokenizer train_bpe_cached(std::string_view text, int vocabulary,
                           const std::filesystem::path& cache_folder) {
  if (cache_folder.empty()) return Tokenizer::train_bpe(text, vocabulary);
  const std::uint64_t key = hash_text(text, static_cast<std::uint64_t>(vocabulary));
  const std::filesystem::path path = cache_folder / ("tokenizer-" + hex(key) + ".cache");
  try {
    if (std::filesystem::exists(path)) {
      std::string content = read_file(path);
      const std::size_t end = content.find('\n') + 1;  // 0 when there is none
      std::string model = content.substr(end);
      if (content.substr(0, end) == std::string(kCacheHeader) + hex(hash_text(model)) + "\n") {
        Tokenizer tokenizer = Tokenizer::from_model(std::move(model));
        if (tokenizer.vocabulary_size() == vocabulary) return tokenizer;
      }
    }
  } catch (const InputError&) {
    // Unreadable or damaged: learn it again.
  }
  Tokenizer tokenizer = Tokenizer::train_bpe(text, vocabulary);
  std::filesystem::create_directories(cache_folder);
  const std::string header = std::string(kCacheHeader) + hex(hash_text(tokenizer.model())) + "\n";
  write_file_atomic(path, {header, tokenizer.model()});
  return tokenizer;
}

}  // namespace paretoformer
