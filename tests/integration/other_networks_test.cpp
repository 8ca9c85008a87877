// Networks of other programs, config.json and ONNX, through the verbs that read them.
#include <gmock/gmock.h>

#include "nas/export/onnx_model.hpp"
#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using nas::OnnxModel;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

constexpr const char* kLlama = R"({
  "model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
  "num_key_value_heads": 2, "intermediate_size": 96, "hidden_act": "silu", "vocab_size": 100
})";

// A projection of sequences, or of a fixed number of rows.
std::string projection(const std::vector<OnnxModel::Dimension>& shape) {
  OnnxModel model;
  model.input("x", OnnxModel::Type::float32, shape);
  model.constant("w", {64, 32}, std::vector<float>(64 * 32));
  model.node("MatMul", {"x", "w"}, "y");
  return model.bytes("graph", {});
}

class OtherNetworks : public ::testing::Test {
 protected:
  void SetUp() override {
    write(box_.path() / "config.json", kLlama);
    write(box_.path() / "net.onnx", projection({"batch", "sequence", std::int64_t{64}}));
    write(box_.path() / "fixed.onnx", projection({std::int64_t{24}, std::int64_t{64}}));
  }

  Json answer(Words arguments) {
    arguments.push_back("--json");
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    return result.status == 0 ? parse(result.out) : Json();
  }

  void expect_refused(const Words& arguments, const std::string& part) {
    SCOPED_TRACE(::testing::PrintToString(arguments));
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(lines(result.err).size(), 1);
    EXPECT_THAT(result.err, HasSubstr(part));
  }

  Sandbox box_;
};

TEST_F(OtherNetworks, PredictAndSimulateGiveOnePrice) {
  for (const Words& words : {Words{"config.json", "--length", "16"},
                             Words{"config.json", "--length", "16", "--mode", "decode"},
                             Words{"net.onnx", "--length", "16", "--batch", "3"}}) {
    Words predict{"predict"}, simulate{"simulate"};
    predict.insert(predict.end(), words.begin(), words.end());
    simulate.insert(simulate.end(), words.begin(), words.end());
    const Json predicted = answer(predict), simulated = answer(simulate);
    EXPECT_GT(predicted["cycles"], 0);
    EXPECT_EQ(predicted["cycles"], simulated["cycles"]);
    EXPECT_EQ(predicted["energy_pj"], simulated["energy_pj"]);
    EXPECT_THAT(predicted["note"].get<std::string>(), HasSubstr("from cold caches"));
  }
}

TEST_F(OtherNetworks, ProfileAndMapCountTheirMatmuls) {
  const Json profile = answer({"profile", "config.json", "--lengths", "16"});
  const std::int64_t layer = 64 * (64 + 2 * 32) + 64 * 64 + 3 * 64 * 96 + 2 * 64;
  EXPECT_EQ(profile["parameters"], 2 * layer + 2 * 100 * 64 + 64);
  const Json graph = answer({"profile", "net.onnx", "--lengths", "16", "--batch", "3"});
  EXPECT_EQ(graph["profiles"][0]["total"]["flops"], 2 * 3 * 16 * 64 * 32);
  const Json fixed = answer({"profile", "fixed.onnx"});
  ASSERT_EQ(fixed["profiles"].size(), 1);
  EXPECT_FALSE(fixed["profiles"][0].contains("length"));
  EXPECT_EQ(fixed["profiles"][0]["total"]["flops"], 2 * 24 * 64 * 32);
  std::int64_t macs = 0;
  const Json mapped = answer({"map", "config.json", "--length", "16"});
  for (const Json& each : mapped["matmuls"]) {
    macs += each["runs"].get<std::int64_t>() * each["m"].get<std::int64_t>() *
            each["k"].get<std::int64_t>() * each["n"].get<std::int64_t>();
    EXPECT_GE(each["greedy_over_best"], 1);
  }
  const std::int64_t matrices = 2 * (layer - 2 * 64) + 64 * 100;
  EXPECT_EQ(macs, 16 * matrices + 2 * 4 * 2 * 16 * 16 * 16);
}

TEST_F(OtherNetworks, Refusals) {
  expect_refused({"simulate", "config.json", "--functional", "--length", "4"}, "--functional");
  expect_refused({"predict", "net.onnx", "--mode", "decode"}, "--mode");
  expect_refused({"predict", "net.onnx", "--mask", "causal"}, "--mask");
  expect_refused({"predict", "fixed.onnx", "--length", "16"}, "--length");
  expect_refused({"map", "fixed.onnx", "--batch", "2"}, "--batch");
  expect_refused({"profile", "fixed.onnx", "--lengths", "16"}, "--lengths");
  expect_refused({"profile", "net.onnx", "--decode"}, "--decode");
  expect_refused({"predict", "config.json", "--batch", "65536", "--length", "512"}, "a batch of");
  write(box_.path() / "bart.json", R"({"model_type": "bart"})");
  for (const char* verb : {"predict", "simulate", "profile", "map"})
    expect_refused({verb, "bart.json"}, "bart.json: /model_type: \"bart\"");
  write(box_.path() / "half.onnx", projection({std::int64_t{24}, std::int64_t{64}}).substr(0, 90));
  for (const char* verb : {"predict", "simulate", "profile", "map"})
    expect_refused({verb, "half.onnx"}, "half.onnx: byte");
}

}  // namespace
}  // namespace paretoformer::integration
