#include "supernet/text/grammar.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "supernet/text/language.hpp"
#include "support/hash.hpp"
#include "tests/error_of.hpp"
#include "tests/supernet/text/language_entropy.hpp"
#include "tests/supernet/text/reader.hpp"

namespace paretoformer::supernet {
namespace {

std::vector<std::string_view> documents(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const std::size_t end = text.find('\n') + 1;
    lines.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return lines;
}

std::string message_of(const std::string& text) {
  return error_of([&] { information_bits(text); });
}

TEST(Grammar, SameSeedSameTextOnEveryMachine) {
  const std::string text = generate_text(1, 1000).text;
  EXPECT_EQ(hex(hash_text(text.substr(0, 1000))), "7c02d481e733556c");
  EXPECT_EQ(text, generate_text(1, 1000).text);
  EXPECT_NE(text, generate_text(2, 1000).text);
}

TEST(Grammar, WholeDocumentsOfLowerCaseAscii) {
  const std::string text = generate_text(3, 50'000).text;
  EXPECT_GE(text.size(), 50'000u);
  EXPECT_EQ(text.back(), '\n');
  EXPECT_EQ(text.find_first_not_of("abcdefghijklmnopqrstuvwxyz ,:.\n"), std::string::npos);
  EXPECT_EQ(text.find("  "), std::string::npos);
  // A longer text goes on where a shorter one stops.
  EXPECT_THAT(generate_text(3, 60'000).text, testing::StartsWith(text));
  EXPECT_EQ(generate_text(3, 0).text, "");
}

// The derivation is recovered from the text alone, so the language is unambiguous and the
// probability of the derivation is that of the text.
TEST(Grammar, ReaderRecoversTheInformationOfTheGenerator) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    const GeneratedText generated = generate_text(seed, 100'000);
    EXPECT_DOUBLE_EQ(information_bits(generated.text), generated.information_bits) << seed;
  }
}

TEST(Grammar, ReaderNamesTheByteThatTheLanguageDoesNotAllow) {
  const std::string text = generate_text(1, 1000).text;
  EXPECT_THAT(message_of("zebra" + text),
              testing::StartsWith("generated text: byte 0: \"zebraforest\" is not possible here"));
  EXPECT_EQ(message_of(text.substr(0, text.size() - 1)), "generated text: byte " +
                                                             std::to_string(text.size() - 1) +
                                                             ": end of text is not possible here");
  // The first verb with the number of another subject.
  std::size_t begin = text.find("says:") + 6;
  Word verb;
  while (verb.kind != Kind::kVerb) {
    begin = text.find(' ', begin) + 1;
    verb = Language::get().look_up(text.substr(begin, text.find_first_of(" ,.", begin) - begin));
  }
  const auto& right = Language::get().spelling(Kind::kVerb, verb.index, verb.form);
  const auto& wrong = Language::get().spelling(Kind::kVerb, verb.index, verb.form ^ 2);
  std::string broken = text;
  broken.replace(begin, right.size(), wrong);
  EXPECT_EQ(message_of(broken), "generated text: byte " + std::to_string(begin) + ": \"" + wrong +
                                    "\" is not possible here");
  // A changed word of a repeated passage.
  const std::size_t echo = text.find("again");
  ASSERT_NE(echo, std::string::npos);
  const std::size_t clause = text.find(": ", echo) + 2;
  broken = text;
  broken.replace(clause, text.find(' ', clause) - clause, "paretoformer");
  EXPECT_THAT(message_of(broken), testing::HasSubstr("byte " + std::to_string(clause - 1)));
}

// The closed form against a sample of whole documents, within four standard errors.
TEST(Grammar, ExpectedEntropyAgreesWithASample) {
  const LanguageEntropy expected = language_entropy();
  const GeneratedText generated = generate_text(5, 6'000'000);
  const std::vector<std::string_view> sample = documents(generated.text);
  const auto n = static_cast<double>(sample.size());
  const double mean_bits = generated.information_bits / n;
  const double mean_bytes = static_cast<double>(generated.text.size()) / n;
  const double rate = mean_bits / mean_bytes;
  double bits_variance = 0, bytes_variance = 0, rate_variance = 0;
  for (std::string_view document : sample) {
    const double bits = information_bits(document);
    const auto bytes = static_cast<double>(document.size());
    bits_variance += (bits - mean_bits) * (bits - mean_bits) / n / n;
    bytes_variance += (bytes - mean_bytes) * (bytes - mean_bytes) / n / n;
    rate_variance += std::pow((bits - rate * bytes) / mean_bytes, 2) / n / n;
  }
  EXPECT_NEAR(mean_bits, expected.bits_per_document, 4 * std::sqrt(bits_variance));
  EXPECT_NEAR(mean_bytes, expected.bytes_per_document, 4 * std::sqrt(bytes_variance));
  EXPECT_NEAR(rate, expected.bits_per_byte(), 4 * std::sqrt(rate_variance));
  EXPECT_LT(std::sqrt(rate_variance), 0.002 * rate);  // the sample is large enough to tell
}

// What the network learns on the training text must hold on a validation text of another seed.
TEST(Grammar, SeedsShareOneLanguage) {
  const auto information_rate = [](std::uint64_t seed) {
    const GeneratedText generated = generate_text(seed, 500'000);
    return generated.information_bits / static_cast<double>(generated.text.size());
  };
  const double expected = language_entropy().bits_per_byte();
  EXPECT_NEAR(information_rate(100), expected, 0.02 * expected);
  EXPECT_NEAR(information_rate(101), expected, 0.02 * expected);
}

}  // namespace
}  // namespace paretoformer::supernet
