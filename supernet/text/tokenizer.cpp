#include "supernet/text/tokenizer.hpp"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <algorithm>
#include <new>
#include <unordered_map>
#include <unordered_set>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/hash.hpp"
#include "support/log.hpp"

namespace paretoformer::supernet {
namespace {

// How SentencePiece writes a space, so that it takes the character itself (U+2581) for one.
constexpr std::string_view kSpaceMark = "\xe2\x96\x81";
// Its trainer leaves out sentences with this character (U+2585), which gets no piece, nor do tabs
// and zeros.
constexpr std::string_view kUnknownMark = "\xe2\x96\x85";
constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD, for what is not UTF-8
// Its trainer fails on longer words, numbering their characters with 15 bits, and on longer lines.
constexpr std::size_t kLongestWord = 1 << 15;
constexpr std::size_t kLongestLine = 1 << 30;
// The unknown token must not look like anything in a text: "<unk>" is a word of WikiText.
constexpr const char* kUnknownPiece = "<paretoformer:unknown>";
constexpr int kReservedTokens = 257;  // unknown and the bytes
constexpr std::string_view kCacheHeader = "paretoformer tokenizer 2 ";

// The first character of non-empty `text`, or its first byte if that is none.
std::string_view first_character(std::string_view text) {
  return text.substr(0, std::max<std::size_t>(1, character_length(text)));
}

// A number for two neighbours as SentencePiece sees them.
std::uint64_t pair_of(std::string_view left, std::string_view right) {
  std::uint64_t number = 0;
  for (std::string_view character : {left, right}) {
    if (character_length(character) == 0) character = kReplacement;
    if (character == " ") character = kSpaceMark;
    std::uint32_t bytes = 0;
    for (char byte : character) bytes = bytes << 8 | static_cast<unsigned char>(byte);
    number = number << 32 | bytes;
  }
  return number;
}

// The non-empty lines of a text, cut where SentencePiece's trainer could not take them whole: in
// words too long for it, and around the character it does not like.
class Lines : public sentencepiece::SentenceIterator {
 public:
  explicit Lines(std::string_view text) : rest_(text) { Next(); }
  bool done() const override { return done_; }
  void Next() override {
    do {
      done_ = rest_.empty();
      if (done_) return;
      take_line();
    } while (line_.empty());
  }
  const std::string& value() const override { return line_; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  void take_line() {
    std::size_t end = 0, word = 0, separator = 0;
    while (end < rest_.size() && word < kLongestWord && end < kLongestLine - 4) {
      const std::string_view character = first_character(rest_.substr(end));
      if (character == "\n" || character == kUnknownMark) {
        separator = character.size();
        break;
      }
      word = character == " " || character == kSpaceMark ? 1 : word + 1;
      end += character.size();
    }
    line_ = rest_.substr(0, end);
    rest_.remove_prefix(end + separator);
  }

  std::string_view rest_;
  std::string line_;
  bool done_ = false;
};

// SentencePiece skips longer lines than it is told, and takes no limit below 10.
std::size_t longest_line(std::string_view text) {
  std::size_t longest = 10;
  for (Lines lines(text); !lines.done(); lines.Next())
    longest = std::max(longest, lines.value().size());
  return longest;
}

// Those that get a piece.
int distinct_characters(std::string_view text) {
  std::unordered_set<std::string_view> characters;
  while (!text.empty()) {
    characters.insert(first_character(text));
    text.remove_prefix(first_character(text).size());
  }
  for (const std::string_view none :
       {std::string_view("\n"), std::string_view("\t"), std::string_view("\0", 1), kUnknownMark})
    characters.erase(none);
  if (characters.contains(" ")) characters.erase(kSpaceMark);
  return static_cast<int>(characters.size());
}

void marks_to_spaces(std::string& text) {
  std::size_t at = text.find(kSpaceMark);
  if (at == std::string::npos) return;
  std::string result = text.substr(0, at);
  while (at < text.size()) {
    const bool mark = text.compare(at, kSpaceMark.size(), kSpaceMark) == 0;
    result += mark ? ' ' : text[at];
    at += mark ? kSpaceMark.size() : 1;
  }
  text = std::move(result);
}

std::string quote_vocabulary(int vocabulary) { return "vocabulary " + std::to_string(vocabulary); }

// Most of what is wrong with a model is a status; pieces of which SentencePiece cannot make its
// index (one that begins with a zero byte) are an exception of the library below.
bool is_loaded(sentencepiece::SentencePieceProcessor& processor, const std::string& model) {
  try {
    return processor.LoadFromSerializedProto(model).ok();
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
    return false;
  }
}

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
  if (characters == 0)
    throw InputError("the text to learn a vocabulary from has no characters that can be in one");
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
       {"max_sentence_length", std::to_string(longest_line(text))},
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
  if (!is_loaded(*processor, serialized))
    throw InputError("tokenizer model is damaged: not a SentencePiece model");
  Tokenizer tokenizer;
  tokenizer.byte_token_.fill(-1);
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
      tokenizer.add_pairs(piece);
      marks_to_spaces(piece);
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

std::vector<Tokenizer::Piece> Tokenizer::pieces() const {
  std::vector<Piece> pieces;
  for (int token = 0; processor_ && token < vocabulary_size(); ++token) {
    using Kind = Piece::Kind;
    const Kind kind = processor_->IsByte(token)      ? Kind::byte
                      : processor_->IsUnknown(token) ? Kind::unknown
                      : processor_->IsControl(token) ? Kind::control
                                                     : Kind::normal;
    pieces.push_back({processor_->IdToPiece(token), processor_->GetScore(token), kind});
  }
  return pieces;
}

void Tokenizer::add_pairs(std::string_view piece) {
  std::string_view left;
  for (; !piece.empty(); piece.remove_prefix(left.size())) {
    const std::string_view right = first_character(piece);
    if (!left.empty()) pairs_.insert(pair_of(left, right));
    left = right;
  }
}

std::vector<std::int32_t> Tokenizer::encode(std::string_view text) const {
  std::vector<std::int32_t> tokens;
  if (!processor_) {
    for (char byte : text) tokens.push_back(byte_token_[static_cast<unsigned char>(byte)]);
    return tokens;
  }
  // No merge reaches across two neighbours that no piece has: what lies between such places is
  // encoded by itself, and, as most of it returns, once.
  std::unordered_map<std::string_view, std::vector<int>> known;
  const auto encode_part = [&](std::string_view part) {
    auto [found, is_new] = known.try_emplace(part);
    if (is_new) {
      const auto status = processor_->Encode({part.data(), part.size()}, &found->second);
      if (!status.ok()) throw Error("tokenizer failed: " + status.ToString());
    }
    tokens.insert(tokens.end(), found->second.begin(), found->second.end());
  };
  std::size_t begin = 0, at = 0;
  std::string_view left;
  while (at < text.size()) {
    const std::string_view right = first_character(text.substr(at));
    if (at > begin && !pairs_.contains(pair_of(left, right))) {
      encode_part(text.substr(begin, at - begin));
      begin = at;
    }
    at += right.size();
    left = right;
  }
  if (begin < at) encode_part(text.substr(begin));
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
  if (processor_) marks_to_spaces(text);  // spaces spelt in bytes, for want of a piece
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
        if (tokenizer.vocabulary_size() == vocabulary) {
          log_info("tokeniser taken from " + path.string());
          return tokenizer;
        }
      }
      log_warning(path.string() + ": is damaged; the tokeniser is learnt again");
    }
  } catch (const InputError& error) {
    log_warning(std::string(error.what()) + "; the tokeniser is learnt again");
  }
  Tokenizer tokenizer = Tokenizer::train_bpe(text, vocabulary);
  create_folder(cache_folder);
  const std::string header = std::string(kCacheHeader) + hex(hash_text(tokenizer.model())) + "\n";
  write_file_atomic(path, {header, tokenizer.model()});
  return tokenizer;
}

}  // namespace paretoformer::supernet
