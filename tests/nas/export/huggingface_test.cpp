// A network as a Hugging Face folder: its config and model card, and that the `tokenizers` library
// gives the tokens with which it was trained.
#include "nas/export/huggingface.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "supernet/text/grammar.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::nas {
namespace {

using supernet::Tokenizer;
namespace fs = std::filesystem;

// Where scripts/test installs the library.
const fs::path kLibraries = fs::path(PARETOFORMER_SOURCE_DIR) / "build/node";

TEST(HuggingFaceConfig, HasWhatDiffersFromTheFirstLayer) {
  const Json config =
      huggingface_config({96, 32, 1024, {{3, 192}, {3, 64}, {1, 192}, {3, 192}}}, 64);
  EXPECT_EQ(config["hidden_size"], 96);
  EXPECT_EQ(config["head_dim"], 32);
  EXPECT_EQ(config["vocab_size"], 1024);
  EXPECT_EQ(config["max_position_embeddings"], 64);
  EXPECT_EQ(config["num_hidden_layers"], 4);
  EXPECT_EQ(config["num_attention_heads"], 3);
  EXPECT_EQ(config["intermediate_size"], 192);
  EXPECT_EQ(config["per_layer_config"],
            parse_json(R"({"1": {"intermediate_size": 64}, "2": {"num_attention_heads": 1}})", ""));
  EXPECT_FALSE(config.contains("weight_bits"));  // 8 in all layers
  EXPECT_EQ(huggingface_config({96, 32, 1024, {{3, 192, 4}, {3, 192}}}, 64)["per_layer_config"],
            parse_json(R"({"1": {"weight_bits": 8}})", ""));
}

// "ab" is the merge of one pair, "abc" of two: with "ab" and "c", and "a" and "bc".
TEST(HuggingFaceTokenizer, HasEveryPairThatMakesAPieceBestPieceFirst) {
  const Json model =
      huggingface_tokenizer(Tokenizer::train_bpe("abc abc ab bc abc\n", 265))["model"];
  const Json& vocabulary = model["vocab"];
  EXPECT_EQ(vocabulary.size(), 265u);
  EXPECT_EQ(vocabulary["<0x00>"], 1);  // after the unknown one
  std::size_t last = 0;
  Json made = Json::array();
  for (const Json& pair : model["merges"]) {
    const std::string piece = pair[0].get<std::string>() + pair[1].get<std::string>();
    ASSERT_TRUE(vocabulary.contains(piece)) << piece;
    ASSERT_GE(vocabulary[piece].get<std::size_t>(), last);  // pieces are numbered best first
    last = vocabulary[piece].get<std::size_t>();
    if (piece == "abc") made.push_back(pair);
  }
  EXPECT_EQ(made, parse_json(vocabulary.contains("bc") && vocabulary.contains("ab")
                                 ? R"([["a", "bc"], ["ab", "c"]])"
                             : vocabulary.contains("ab") ? R"([["ab", "c"]])"
                                                         : R"([["a", "bc"]])",
                             ""));
}

struct Encoded {
  std::vector<std::int32_t> tokens;
  std::string text;
};

// By the library.
Encoded encoded(const Tokenizer& tokenizer, const std::string& text) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "tokenizer.json", to_text(huggingface_tokenizer(tokenizer)));
  write_file_atomic(folder / "tokenizer_config.json", std::string("{}\n"));
  write_file_atomic(folder / "text", text);
  const std::string command = "cd '" + kLibraries.string() + "' && node '" +
                              PARETOFORMER_SOURCE_DIR + "/tests/nas/export/tokens.mjs' '" +
                              (folder / "").string() + "' '" + (folder / "text").string() +
                              "' > '" + (folder / "answer.json").string() + "'";
  EXPECT_EQ(std::system(command.c_str()), 0);
  const Json answer = read_json(folder / "answer.json");
  return {answer["tokens"].get<std::vector<std::int32_t>>(), answer["text"].get<std::string>()};
}

TEST(HuggingFaceTokenizer, GivesTheSameTokensInItsLibrary) {
  if (!fs::exists(kLibraries / "node_modules/@huggingface/tokenizers"))
    GTEST_SKIP() << "no library: npm install --prefix build/node @huggingface/tokenizers";
  const std::string learnt_from = supernet::generate_text(1, 40'000).text;
  const std::string other = supernet::generate_text(2, 6'000).text;
  // Spaces in a row, what has no piece, what pieces are called, four bytes of UTF-8.
  const std::string odd =
      "  two  spaces, \u00e9t\u00e9 \u4e2d\u6587 <0x0A> <unk>\n\tthe \U0001f600 "
      "<paretoformer:unknown> end ";
  for (const Tokenizer& tokenizer : {Tokenizer::train_bpe(learnt_from, 700), Tokenizer::bytes()})
    for (const std::string& text : {other, odd}) {
      const Encoded there = encoded(tokenizer, text);
      EXPECT_EQ(there.tokens, tokenizer.encode(text));
      EXPECT_EQ(there.text, text);
    }
}

}  // namespace
}  // namespace paretoformer::nas
