#include "supernet/text/corpus.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "supernet/text/grammar.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/error_of.hpp"
#include "tests/supernet/text/reader.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::supernet {
namespace {

namespace fs = std::filesystem;

CorpusConfig config_of(const std::string& json) {
  const Json parsed = parse_json(json, "run.json");
  return corpus_config_from_json(JsonNode(parsed, "run.json", "/corpus"), "/base");
}

class CorpusTest : public testing::Test {
 protected:
  CorpusConfig files(const std::string& train, const std::string& validation) const {
    write_file_atomic(folder_ / "train.txt", train);
    write_file_atomic(folder_ / "validation.txt", validation);
    CorpusConfig config;
    config.generated = false;
    config.train = folder_ / "train.txt";
    config.validation = folder_ / "validation.txt";
    config.tokenizer = TokenizerKind::kBytes;
    config.vocabulary = 256;
    return config;
  }

  TemporaryFolder temporary_;
  fs::path folder_ = temporary_.path();
};

TEST(CorpusConfig, DefaultsToGeneratedText) {
  EXPECT_EQ(config_of("{}"), CorpusConfig{});
  const CorpusConfig config = config_of(
      R"({"text": "generated", "train_bytes": 5000, "validation_bytes": 600, "seed": 9,
          "tokenizer": "bytes"})");
  EXPECT_TRUE(config.generated);
  EXPECT_EQ(config.train_bytes, 5000);
  EXPECT_EQ(config.validation_bytes, 600);
  EXPECT_EQ(config.seed, 9);
  EXPECT_EQ(config.tokenizer, TokenizerKind::kBytes);
  EXPECT_EQ(config.vocabulary, 256);
}

TEST(CorpusConfig, ResolvesPathsAgainstTheConfigFile) {
  const CorpusConfig config =
      config_of(R"({"train": "../a.txt", "validation": "/data/b.txt", "vocabulary": 2048})");
  EXPECT_FALSE(config.generated);
  EXPECT_EQ(config.train, "/a.txt");
  EXPECT_EQ(config.validation, "/data/b.txt");
  EXPECT_EQ(config.vocabulary, 2048);
}

TEST(CorpusConfig, WrittenAndReadAgain) {
  for (const char* json :
       {"{}", R"({"train": "a", "validation": "b"})", R"({"tokenizer": "bytes", "seed": 4})"}) {
    const CorpusConfig config = config_of(json);
    EXPECT_EQ(config_of(to_text(to_json(config))), config) << json;
  }
}

TEST(CorpusConfig, NamesWhatIsWrong) {
  EXPECT_EQ(error_of([] { config_of(R"({"train": "a"})"); }),
            "run.json: /corpus: key \"validation\" is missing");
  EXPECT_EQ(error_of([] { config_of(R"({"trian_bytes": 3})"); }),
            "run.json: /corpus/trian_bytes: unknown key (did you mean \"train_bytes\"?)");
  EXPECT_THAT(error_of([] { config_of(R"({"text": "generated", "train": "a"})"); }),
              testing::HasSubstr("/corpus/train: "));
  EXPECT_THAT(error_of([] { config_of(R"({"text": "wikipedia"})"); }),
              testing::HasSubstr("/corpus/text: \"wikipedia\""));
  EXPECT_THAT(error_of([] { config_of(R"({"train": "", "validation": "b"})"); }),
              testing::HasSubstr("/corpus/train: "));
  EXPECT_THAT(error_of([] { config_of(R"({"tokenizer": "bytes", "vocabulary": 1024})"); }),
              testing::HasSubstr("/corpus/vocabulary: 1024 is out of range"));
  EXPECT_THAT(error_of([] { config_of(R"({"train_bytes": 0})"); }),
              testing::HasSubstr("/corpus/train_bytes: 0 is out of range"));
}

TEST_F(CorpusTest, GeneratedTextComesWithItsOracle) {
  CorpusConfig config;
  config.train_bytes = 300'000;
  config.validation_bytes = 30'000;
  config.vocabulary = 512;
  const Corpus corpus = load_corpus(config, folder_);
  const std::string validation = corpus.tokenizer.decode(corpus.validation);
  const auto tokens = static_cast<double>(corpus.validation.size());
  EXPECT_DOUBLE_EQ(corpus.bytes_per_token, static_cast<double>(validation.size()) / tokens);
  ASSERT_TRUE(corpus.oracle_perplexity.has_value());
  EXPECT_NEAR(std::log2(*corpus.oracle_perplexity) * tokens, information_bits(validation), 1e-6);
  EXPECT_LT(*corpus.oracle_perplexity, 0.1 * corpus.unigram_perplexity);
  EXPECT_LT(corpus.unigram_perplexity, 512);
  // No document of the one text begins the other.
  EXPECT_NE(validation.substr(0, 100), corpus.tokenizer.decode(corpus.train).substr(0, 100));

  EXPECT_EQ(load_corpus(config, "").hash, corpus.hash);
  config.seed = 2;
  EXPECT_NE(load_corpus(config, "").hash, corpus.hash);
}

TEST_F(CorpusTest, UnigramPerplexityOfFiles) {
  // 3 a + 1 b, plus one each of 256: p(a) = 4/260, p(b) = 2/260, p(c) = 1/260.
  const Corpus corpus = load_corpus(files("aaab", "abc"), "");
  EXPECT_EQ(corpus.train, (std::vector<std::int32_t>{'a', 'a', 'a', 'b'}));
  EXPECT_NEAR(corpus.unigram_perplexity, 260 / std::cbrt(4.0 * 2.0 * 1.0), 1e-9);
  EXPECT_EQ(corpus.bytes_per_token, 1);
  EXPECT_FALSE(corpus.oracle_perplexity.has_value());
}

TEST_F(CorpusTest, WordsAreCountedWithTheEndOfEveryLine) {
  const auto words = [&](const std::string& text) {
    return load_corpus(files("a", text), "").words;
  };
  EXPECT_EQ(words("one"), 2);
  EXPECT_EQ(words("one\n"), 2);
  EXPECT_EQ(words("a b\n\n  c\t d"), 4 + 3);
  EXPECT_EQ(words(" a  b \r\nc\r\n"), 3 + 2);
  EXPECT_EQ(words("\n \n"), 2);
  EXPECT_EQ(words(" = Title = \n <unk> @-@ word . \n"), 3 + 4 + 2);
}

TEST_F(CorpusTest, LossesPerWordAndByte) {
  const std::string text = "ab cd\nefg hij\n";  // 14 bytes, 4 words and 2 ends
  CorpusConfig config = files(text + text, text);
  Corpus corpus = load_corpus(config, "");
  EXPECT_EQ(corpus.bytes, 14);
  // ln 4 per byte: 2 bits; 14 tokens on 6 words.
  EXPECT_NEAR(*corpus.bits_per_byte(std::log(4.0)), 2, 1e-12);
  EXPECT_NEAR(*corpus.perplexity_per_word(std::log(4.0)), std::pow(4, 14 / 6.0), 1e-9);

  // The same probability of the text is the same per word and byte for any tokenizer.
  config.tokenizer = TokenizerKind::kBpe;
  config.vocabulary = 272;
  const Corpus pieces = load_corpus(config, "");
  const auto tokens = static_cast<double>(pieces.validation.size());
  ASSERT_LT(tokens, 14);
  const double loss = 14 * std::log(4.0) / tokens;
  EXPECT_NEAR(*pieces.bits_per_byte(loss), 2, 1e-12);
  EXPECT_NEAR(*pieces.perplexity_per_word(loss), std::pow(4, 14 / 6.0), 1e-9);
}

TEST_F(CorpusTest, NoPerplexityPerWordWhereThereAreNone) {
  const Corpus one_word = load_corpus(files("a", std::string(10'000, 'a')), "");
  EXPECT_EQ(one_word.perplexity_per_word(3), std::nullopt);  // e^15000
  EXPECT_NEAR(*one_word.bits_per_byte(std::log(8.0)), 3, 1e-12);
  CorpusConfig generated;
  generated.train_bytes = generated.validation_bytes = 5000;
  generated.tokenizer = TokenizerKind::kBytes;
  generated.vocabulary = 256;
  const Corpus corpus = load_corpus(generated, "");
  EXPECT_EQ(corpus.perplexity_per_word(3), std::nullopt);
  EXPECT_EQ(corpus.bits_per_byte(3), std::nullopt);
}

TEST_F(CorpusTest, NamesTheFileThatCannotBeUsed) {
  const std::string train = (folder_ / "train.txt").string();
  const std::string validation = (folder_ / "validation.txt").string();
  EXPECT_EQ(error_of([&] { load_corpus(files("", "b"), ""); }),
            train + ": is empty: expected text");
  EXPECT_EQ(error_of([&] { load_corpus(files("a", "b\xc3\xa9\xff"), ""); }),
            validation + ": byte 3 is not valid UTF-8");
  CorpusConfig config = files("a", "b");
  config.tokenizer = TokenizerKind::kBpe;
  config.vocabulary = 1024;
  EXPECT_THAT(error_of([&] { load_corpus(config, ""); }),
              testing::StartsWith(train + ": vocabulary 1024 is too large: "));
  config.validation = folder_ / "none.txt";
  EXPECT_THAT(error_of([&] { load_corpus(config, ""); }),
              testing::StartsWith((folder_ / "none.txt").string() + ": cannot open file"));
}

TEST_F(CorpusTest, RequiresOneBatchAndOneWindow) {
  const Corpus corpus = load_corpus(files(std::string(36, 'a'), "abcdefgh"), "");
  EXPECT_NO_THROW(require_tokens(corpus, 4, 7));
  EXPECT_EQ(
      error_of([&] { require_tokens(corpus, 5, 7); }),
      "the training text is too short: it has 36 tokens, but a batch of 5 x (7 + 1) takes 40");
  EXPECT_EQ(error_of([&] { require_tokens(corpus, 1, 8); }),
            "the validation text is too short: it has 8 tokens, but a window of 8 + 1 takes 9");
}

TEST_F(CorpusTest, WikiText) {
  const fs::path data = fs::path(PARETOFORMER_SOURCE_DIR) / ".." / "shared" / "data" / "wikitext-2";
  if (!fs::exists(data / "test.txt")) GTEST_SKIP() << "no WikiText-2 in " << data;
  CorpusConfig config;
  config.generated = false;
  config.train = data / "test.txt";
  config.validation = data / "valid.txt";
  const Corpus corpus = load_corpus(config, folder_);
  EXPECT_EQ(corpus.tokenizer.decode(corpus.validation), read_file(config.validation));
  EXPECT_EQ(corpus.words, 217'646);  // as published
  EXPECT_GT(corpus.bytes_per_token, 2.4);
  EXPECT_LT(corpus.unigram_perplexity, 400);
}

}  // namespace
}  // namespace paretoformer::supernet
