// evaluate --int8: the network in the accelerator's integers.
#include <gmock/gmock.h>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

class Int8 : public TrainedFolder {
 protected:
  void SetUp() override {
    TrainedFolder::SetUp();
    write(box_ / "network.json", R"({"model_width": 32, "head_width": 16, "layers": [
        {"heads": 2, "ffn_width": 64}, {"heads": 1, "ffn_width": 32}]})");
  }
  Result evaluate(const Words& more) {
    Words words{"evaluate", "base", "network.json", "--quiet"};
    words.insert(words.end(), more.begin(), more.end());
    return box_.run(words);
  }
};

TEST_F(Int8, PerplexityStandsBesideThatOfFp32) {
  const Result result = evaluate({"--int8", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  const Json answer = parse(result.out);
  const double exact = answer["perplexity"];
  // The bound that docs/results.md has for trained networks; these are hardly trained.
  EXPECT_NEAR(answer["perplexity_int8"].get<double>(), exact, 0.02 * exact);
  EXPECT_NE(answer["perplexity_int8"], answer["perplexity"]);
  EXPECT_EQ(answer["perplexity_with_integer"].size(), 6u);
  for (const auto& [kind, perplexity] : answer["perplexity_with_integer"].items())
    EXPECT_NEAR(perplexity.get<double>(), exact, 0.02 * exact) << kind;
  // Without it the answer is the same but for these keys; with one thread all of it is.
  Json without = answer;
  for (const char* key : {"perplexity_int8", "validation_loss_int8", "perplexity_with_integer"})
    EXPECT_EQ(without.erase(key), 1u) << key;
  EXPECT_EQ(parse(evaluate({"--json"}).out), without);
  EXPECT_EQ(evaluate({"--int8", "--json", "--threads", "1"}).out, result.out);
  const std::string text = evaluate({"--int8"}).out;
  for (const char* part : {"\nperplexity in int8 ", "\n  with integer softmax alone ", " %)\n"})
    EXPECT_THAT(text, HasSubstr(part));
}

// Read once, a LayerNorm's rows are whole steps beside its mean and root; read 200 times, the sum
// of the squares of 32 columns could be 2^31 and more.
TEST_F(Int8, NormsReadTheirRowsSeveralTimes) {
  const Json four = parse(evaluate({"--int8", "--json"}).out);
  EXPECT_EQ(parse(evaluate({"--int8", "--json", "--norm-reads", "4"}).out), four);
  const Json once = parse(evaluate({"--int8", "--json", "--norm-reads", "1"}).out);
  EXPECT_NE(once["perplexity_with_integer"]["layer_norm"],
            four["perplexity_with_integer"]["layer_norm"]);
  EXPECT_EQ(once["perplexity_with_integer"]["products"],
            four["perplexity_with_integer"]["products"]);
  expect_refused({"evaluate", "base", "network.json", "--int8", "--norm-reads", "200"},
                 {"LayerNorm of rows of 32 columns that are read 200 times"});
}

TEST_F(Int8, ChannelsMayBeSmoothed) {
  const Json without = parse(evaluate({"--int8", "--json"}).out);
  const Json smoothed = parse(evaluate({"--int8", "--json", "--smoothing", "0.5"}).out);
  const double exact = without["perplexity"];
  EXPECT_EQ(smoothed["perplexity"], exact);
  EXPECT_NE(smoothed["perplexity_int8"], without["perplexity_int8"]);
  EXPECT_NEAR(smoothed["perplexity_int8"].get<double>(), exact, 0.02 * exact);
  expect_refused({"evaluate", "base", "network.json", "--int8", "--smoothing", "1.5"},
                 {"--smoothing", "1.5"});
}

// What a search by the perplexity in integers finds is on its front, in its table and its exports.
TEST_F(Int8, ASearchMayGoByIt) {
  const Result result = box_.run(
      {"search", "config.json", "--run", "by_int8", "--set", "supernet=base", "--set",
       R"(objectives=["perplexity_int8","edp"])", "--set", "search.evaluations=12", "--quiet"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr(" int8 "));
  const Json front = parse(file("by_int8", "front.json"));
  EXPECT_EQ(front["objectives"], (Json{"perplexity_int8", "edp"}));
  ASSERT_FALSE(front["front"].empty());
  for (const Json& member : front["front"]) {
    EXPECT_TRUE(member["objectives"].contains("perplexity_int8"));
    const double exact = member["confirmed"]["perplexity"];
    EXPECT_NEAR(member["confirmed"]["perplexity_int8"].get<double>(), exact, 0.02 * exact);
  }
}

TEST_F(Int8, CalibrationIsChosenByName) {
  const Result one = evaluate({"--int8", "--json"});
  EXPECT_EQ(evaluate({"--int8", "--json", "--calibration", "mean_square"}).out, one.out);
  const Result other = evaluate({"--int8", "--json", "--calibration", "percentile_99.9"});
  ASSERT_EQ(other.status, 0) << other.err;
  EXPECT_NE(other.out, one.out);
  expect_refused({"evaluate", "base", "network.json", "--int8", "--calibration", "mean_sqare"},
                 {"--calibration", "mean_sqare", "did you mean \"mean_square\"?"});
  expect_refused({"evaluate", "base", "network.json", "--calibration", "min_max"}, {"--int8"});
}

}  // namespace
}  // namespace paretoformer::integration
