#include "supernet/text/tokenizer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>

#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "supernet/text/grammar.hpp"
#include "support/files.hpp"
#include "support/random.hpp"
#include "tests/captured_log.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::supernet {
namespace {

namespace fs = std::filesystem;

const std::string& sample_text() {
  static const std::string text = generate_text(1, 200'000).text;
  return text;
}

const Tokenizer& sample_tokenizer() {
  static const Tokenizer tokenizer = Tokenizer::train_bpe(sample_text(), 512);
  return tokenizer;
}

const std::vector<std::string>& difficult_texts() {
  static const std::vector<std::string> texts = {
      "",
      "\n",
      " ",
      "   two  spaces   and a tab\tat  the end  ",
      "\n\nlines\n \n\r\n  indented\n",
      "Gr\u00fc\u00dfe, \u010desk\u00fd, \u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac",
      "\u4e2d\u6587 \U0001f600 e\u0301 \ufb01 \u2581 \u2581\u2581",
      "= <unk> <s> </s> <0x0A> <paretoformer:unknown> =",
      std::string("a\0b", 3),
      "not UTF-8: \xff\xc0\x80 \xed\xa0\x80 \xe2\x96"};
  return texts;
}

// What a learnt vocabulary gives back: U+2581 as the space that it is to SentencePiece, and U+FFFD
// for what is not UTF-8.
std::string given_back(std::string text) {
  for (std::size_t at; (at = valid_utf8_prefix(text)) < text.size();)
    text.replace(at, 1, "\xef\xbf\xbd");
  for (std::size_t at; (at = text.find("\u2581")) != std::string::npos;) text.replace(at, 3, " ");
  return text;
}

std::vector<std::int32_t> encoded_by_the_library(const Tokenizer& tokenizer,
                                                 const std::string& text) {
  sentencepiece::SentencePieceProcessor processor;
  EXPECT_TRUE(processor.LoadFromSerializedProto(tokenizer.model()).ok());
  std::vector<int> tokens;
  EXPECT_TRUE(processor.Encode(text, &tokens).ok());
  return {tokens.begin(), tokens.end()};
}

// `count` characters drawn from `alphabet`.
std::string random_text(const std::vector<std::string>& alphabet, std::size_t count,
                        std::uint64_t seed) {
  Random random(seed);
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += alphabet[random.below(alphabet.size())];
  return text;
}

const std::vector<std::string> kBases = {"A", "C", "G", "T"};
const std::vector<std::string> kHan = {"\u4e2d", "\u6587", "\u7684", "\u4e00", "\u662f",
                                       "\u4e0d", "\u4e86", "\u5728", "\u4eba", "\u6709"};

TEST(Tokenizer, GivesBackEveryText) {
  for (const std::string& text : difficult_texts())
    EXPECT_EQ(Tokenizer::bytes().decode(Tokenizer::bytes().encode(text)), text);
  const Tokenizer& tokenizer = sample_tokenizer();
  for (const std::string& text : difficult_texts()) {
    const std::vector<std::int32_t> tokens = tokenizer.encode(text);
    EXPECT_EQ(tokenizer.decode(tokens), given_back(text));
    for (std::int32_t token : tokens) {
      EXPECT_GE(token, 0);
      EXPECT_LT(token, tokenizer.vocabulary_size());
    }
  }
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(sample_text())), sample_text());
}

TEST(Tokenizer, GivesBackWhatItWasTrainedOn) {
  std::string text;
  for (int i = 0; i < 40; ++i)
    for (const std::string& part : difficult_texts())
      text += part.substr(0, valid_utf8_prefix(part)) + "\n" + std::to_string(i * 7919) + " ";
  const Tokenizer tokenizer = Tokenizer::train_bpe(text, 400);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), given_back(text));
}

TEST(Tokenizer, GivesBackSpacesItNeverSaw) {
  const Tokenizer tokenizer = Tokenizer::train_bpe("abc\nabd\n", 262);
  for (const std::string& text : difficult_texts())
    EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), given_back(text));
}

// Who takes the exported model away gets the tokens that were scored.
TEST(Tokenizer, EncodesAsTheLibraryDoes) {
  const std::vector<std::string> alphabet = {" ",
                                             " ",
                                             "  ",
                                             "\u2581",
                                             "\n",
                                             "\t",
                                             "\r\n",
                                             "a",
                                             "b",
                                             "e",
                                             "\u00e9",
                                             "\u4e2d",
                                             "\u2585",
                                             "\ufffd",
                                             "\U0001f600",
                                             "these",
                                             ".",
                                             " those",
                                             "\xff",
                                             "\xe2",
                                             "\x96",
                                             "\xc0",
                                             "\xed\xa0\x80",
                                             "<0x0A>",
                                             std::string(1, '\0')};
  const Tokenizer spaceless = Tokenizer::train_bpe("abcab\nabdab\nthese\n", 270);
  const Tokenizer mixed =
      Tokenizer::train_bpe(given_back(random_text(alphabet, 3000, 1)) + "\u2581\u2581 ab\n", 290);
  for (const Tokenizer& tokenizer : {sample_tokenizer(), spaceless, mixed}) {
    for (const std::string& text : difficult_texts())
      EXPECT_EQ(tokenizer.encode(text), encoded_by_the_library(tokenizer, text)) << text;
    for (std::uint64_t seed = 0; seed < 300; ++seed) {
      const std::string text = random_text(alphabet, 1 + seed % 40, seed);
      EXPECT_EQ(tokenizer.encode(text), encoded_by_the_library(tokenizer, text)) << text;
      EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), given_back(text));
    }
  }
}

TEST(Tokenizer, LearnsFromTextsWithoutSpaces) {
  const std::string base = random_text(kBases, 100'000, 1);
  const std::vector<std::string> emoji = {"\U0001f600", "\U0001f601", "\U0001f680", "\u2764\ufe0f"};
  const std::vector<std::pair<std::string, int>> texts = {
      {base, 300},
      {base + "\n" + base, 300},
      {base.substr(0, 40'000) + " " + base, 300},
      {random_text(kHan, 70'000, 2), 300},
      {random_text(emoji, 70'000, 3) + "\r\n", 300},
      {std::string(100'000, 'a') + std::string(70'000, 'b'), 266},
      {std::string(70'000, ' ') + base, 300}};
  for (const auto& [text, vocabulary] : texts) {
    const Tokenizer tokenizer = Tokenizer::train_bpe(text, vocabulary);
    const std::vector<std::int32_t> tokens = tokenizer.encode(text);
    EXPECT_LT(tokens.size(), text.size());
    EXPECT_EQ(tokenizer.decode(tokens), text);
    EXPECT_EQ(tokens, encoded_by_the_library(tokenizer, text));
  }
}

TEST(Tokenizer, CutsWordsThatAreTooLong) {
  const std::string word = random_text(kBases, 3 << 14, 1);  // 1.5 times the longest
  const auto cut_at = [&](std::size_t at) {
    return Tokenizer::train_bpe(word.substr(0, at) + "\n" + word.substr(at), 300).encode(word);
  };
  EXPECT_EQ(Tokenizer::train_bpe(word, 300).encode(word), cut_at(1 << 15));
}

TEST(Tokenizer, LearnsAroundCharactersThatGetNoPiece) {
  // SentencePiece drops lines with U+2585, and zeros and tabs are in no piece.
  const std::string zero(1, '\0');
  const std::string text = "ab\u2585ab ab" + zero + "ab\tab\u2585\n\u2585\n\tab\u2585";
  const Tokenizer tokenizer = Tokenizer::train_bpe(text, 261);
  EXPECT_EQ(tokenizer.vocabulary_size(), 261);  // 257, the space, a, b, ab
  EXPECT_EQ(tokenizer.encode("ab").size(), 1u);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode(text)), text);
  EXPECT_EQ(tokenizer.encode(text), encoded_by_the_library(tokenizer, text));
  for (const std::string& none : {std::string(), std::string("\n\n"), std::string("\t\n"), zero,
                                  std::string("\u2585\u2585\n")})
    EXPECT_EQ(error_of([&] { Tokenizer::train_bpe(none, 500); }),
              "the text to learn a vocabulary from has no characters that can be in one");
}

TEST(Tokenizer, ShortensText) {
  EXPECT_EQ(sample_tokenizer().vocabulary_size(), 512);
  EXPECT_LT(2 * sample_tokenizer().encode(sample_text()).size(), sample_text().size());
  // A merge never reaches across a space, so a word is encoded the same everywhere.
  const auto word = sample_tokenizer().encode(" these");
  auto twice = word;
  twice.insert(twice.end(), word.begin(), word.end());
  EXPECT_EQ(sample_tokenizer().encode(" these these"), twice);
}

TEST(Tokenizer, IsDeterministicAndRestoredFromItsModel) {
  const Tokenizer again = Tokenizer::train_bpe(sample_text(), 512);
  EXPECT_EQ(again.model(), sample_tokenizer().model());
  const Tokenizer restored = Tokenizer::from_model(again.model());
  EXPECT_EQ(restored.hash(), again.hash());
  EXPECT_EQ(restored.encode(sample_text()), again.encode(sample_text()));
  EXPECT_NE(restored.hash(), Tokenizer::bytes().hash());
  EXPECT_NE(restored.hash(), Tokenizer::train_bpe(sample_text(), 513).hash());
  EXPECT_EQ(Tokenizer::from_model(Tokenizer::bytes().model()).hash(), Tokenizer::bytes().hash());
}

TEST(Tokenizer, NamesTheLimitsOfTheVocabulary) {
  const std::string text = "ab ab ab\nabc\n";  // four characters
  EXPECT_EQ(error_of([&] { Tokenizer::train_bpe(text, 260); }),
            "vocabulary 260 is too small: 256 bytes, 1 unknown and the 4 characters of the "
            "training text need at least 261");
  EXPECT_EQ(Tokenizer::train_bpe(text, 261).vocabulary_size(), 261);
  EXPECT_THAT(error_of([&] { Tokenizer::train_bpe(text, 500); }),
              testing::MatchesRegex("vocabulary 500 is too large: the training text yields at "
                                    "most 26[0-9] tokens"));
  EXPECT_EQ(error_of([] { Tokenizer::train_bpe("\n\n", 500); }),
            "the text to learn a vocabulary from has no characters that can be in one");
}

TEST(Tokenizer, RejectsDamagedModelsAndForeignTokens) {
  const std::string& model = sample_tokenizer().model();
  EXPECT_THAT(error_of([] { Tokenizer::from_model("no model"); }),
              testing::HasSubstr("is damaged"));
  EXPECT_THAT(error_of([&] { Tokenizer::from_model(model.substr(0, model.size() / 4)); }),
              testing::HasSubstr("is damaged"));
  // An unknown piece, and one that begins with a zero byte: SentencePiece throws instead of
  // answering.
  const std::string zero = {"\x0a\x09\x0a\x05<unk>\x18\x02\x0a\x08\x0a\x06\x00x000>", 21};
  EXPECT_THAT(error_of([&] { Tokenizer::from_model(zero); }), testing::HasSubstr("is damaged"));
  EXPECT_EQ(error_of([] {
              const std::int32_t tokens[] = {65, 256};
              Tokenizer::bytes().decode(tokens);
            }),
            "token 256 is out of range: expected 0 to 255");
}

TEST(Tokenizer, ValidUtf8Prefix) {
  EXPECT_EQ(valid_utf8_prefix("a\u00e9\u4e2d\U0001f600"), 10u);
  for (const char* bad : {"\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80", "\xe4\xb8",
                          "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xff"})
    EXPECT_EQ(valid_utf8_prefix(std::string("ab") + bad), 2u);
}

TEST(TokenizerCache, IsUsedAndADamagedFileReplaced) {
  const TemporaryFolder temporary;
  const fs::path folder = temporary / "cache";
  const Tokenizer trained = train_bpe_cached(sample_text(), 512, folder);
  EXPECT_EQ(trained.model(), sample_tokenizer().model());
  ASSERT_EQ(std::distance(fs::directory_iterator(folder), {}), 1);
  const fs::path file = fs::directory_iterator(folder)->path();
  const std::string content = read_file(file);

  // Used: a time stamp of long ago stays.
  const auto long_ago = fs::last_write_time(file) - std::chrono::hours(1000);
  fs::last_write_time(file, long_ago);
  {
    CapturedLog said;
    EXPECT_EQ(train_bpe_cached(sample_text(), 512, folder).hash(), trained.hash());
    EXPECT_EQ(said.text(), "tokeniser taken from " + file.string() + "\n");
  }
  EXPECT_EQ(fs::last_write_time(file), long_ago);

  std::string damaged = content;
  damaged[content.size() / 2] = static_cast<char>(damaged[content.size() / 2] ^ 1);
  for (const std::string& bad : {damaged, content.substr(0, content.size() - 1), std::string()}) {
    write_file_atomic(file, bad);
    CapturedLog said;
    EXPECT_EQ(train_bpe_cached(sample_text(), 512, folder).hash(), trained.hash());
    EXPECT_EQ(said.text(), "paretoformer: warning: " + file.string() +
                               ": is damaged; the tokeniser is learnt again\n");
    EXPECT_EQ(read_file(file), content);
  }
  // Another text or vocabulary is another file.
  train_bpe_cached(sample_text(), 513, folder);
  train_bpe_cached(sample_text() + "x\n", 512, folder);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder), {}), 3);
}

}  // namespace
}  // namespace paretoformer::supernet
