// The verb `profile`: the same numbers in every format, and clear refusals.
#include <gmock/gmock.h>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using Words = std::vector<std::string>;

class Profile : public ::testing::Test {
 protected:
  std::string profile(Words arguments) {
    arguments.insert(arguments.begin(), "profile");
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(result.err, "");
    return result.out;
  }

  void expect_refused(Words arguments, const std::string& part) {
    arguments.insert(arguments.begin(), "profile");
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(lines(result.err).size(), 1) << result.err;
    EXPECT_THAT(result.err, HasSubstr(part));
  }

  Sandbox box_;
};

TEST_F(Profile, TableNamesClassesAndLengths) {
  const std::string table = profile({"--lengths", "128,4096", "bert_base"});
  for (const char* part : {"length 128", "length 4096", "MHA projections", "MHA act-to-act",
                           "FFN projections", "other", "total", "159.68", "117.96"})
    EXPECT_THAT(table, HasSubstr(part));
}

TEST_F(Profile, JsonAddsUpAndAgreesWithCsv) {
  const Json json = parse(profile({"bert_large", "--lengths", "256", "--json"}));
  EXPECT_EQ(json["model"], "bert_large");
  EXPECT_EQ(json["mode"], "prefill");
  ASSERT_EQ(json["profiles"].size(), 1);
  const Json& only = json["profiles"][0];
  EXPECT_EQ(only["length"], 256);
  std::int64_t flops = 0, mops = 0;
  std::string csv = "length,operator,flops,mops,intensity\n";
  const auto line = [&](const std::string& name, const Json& count) {
    csv += "256," + name + "," + count["flops"].dump() + "," + count["mops"].dump() + ",";
  };
  const std::vector<std::string> printed =
      lines(profile({"bert_large", "--lengths", "256", "--format", "csv"}));
  ASSERT_EQ(printed.size(), only["operators"].size() + 2);
  EXPECT_EQ(printed[0] + "\n", csv);
  for (std::size_t i = 0; i < only["operators"].size(); ++i) {
    const Json& row = only["operators"][i];
    flops += row["flops"].get<std::int64_t>();
    mops += row["mops"].get<std::int64_t>();
    csv.clear();
    line(row["name"], row);
    EXPECT_THAT(printed[i + 1], StartsWith(csv));
  }
  EXPECT_EQ(only["total"]["flops"], flops);
  EXPECT_EQ(only["total"]["mops"], mops);
  EXPECT_DOUBLE_EQ(only["total"]["intensity"],
                   static_cast<double>(flops) / static_cast<double>(mops));
}

TEST_F(Profile, Gpt2DecodesUnlessToldOtherwise) {
  const std::string decoded = profile({"gpt2", "--json"});
  EXPECT_EQ(parse(decoded)["mode"], "decode");
  EXPECT_EQ(profile({"gpt2", "--decode", "--json"}), decoded);
  EXPECT_EQ(parse(profile({"gpt2", "--prefill", "--json"}))["profiles"],
            parse(profile({"bert_base", "--json"}))["profiles"]);
  EXPECT_EQ(parse(profile({"bert_base", "--decode", "--json"}))["profiles"],
            parse(decoded)["profiles"]);
}

TEST_F(Profile, TakesFiles) {
  write(box_ / "network.json", R"({"model_width": 768, "layers": [{"heads": 4, "ffn_width": 8}]})");
  const Json json = parse(profile({"network.json", "--lengths", "16", "--fused", "--json"}));
  EXPECT_EQ(json["fused"], true);
  EXPECT_EQ(json["profiles"][0]["operators"][0]["flops"], 2 * 16 * 768 * 256 * 4);
}

TEST_F(Profile, OfImagesHasNoLengths) {
  const Json json = parse(profile({"resnet50", "--json"}));
  ASSERT_EQ(json["profiles"].size(), 1);
  EXPECT_FALSE(json["profiles"][0].contains("length"));
  EXPECT_EQ(json["profiles"][0]["operators"][0]["name"], "convolution");
  EXPECT_THAT(profile({"resnet50", "--fused"}), HasSubstr("one image"));
  expect_refused({"resnet50", "--lengths", "128"}, "--lengths");
  expect_refused({"resnet50", "--decode"}, "--decode");
}

TEST_F(Profile, WithHardwareEstimatesLatencies) {
  const Words model = {"bert_base", "--lengths", "512", "--hardware", "survey_analytical"};
  Words as_json = model, as_csv = model;
  as_json.push_back("--json");
  as_csv.insert(as_csv.end(), {"--format", "csv"});
  const Json json = parse(profile(as_json));
  EXPECT_EQ(json["hardware"], "survey_analytical");
  const Json& only = json["profiles"][0];
  std::int64_t cycles = 0;
  for (const Json& row : only["operators"]) cycles += row["cycles"].get<std::int64_t>();
  EXPECT_EQ(only["total"]["cycles"], cycles);
  EXPECT_NEAR(only["total"]["non_ideal_intensity"], 111.122, 0.001);
  EXPECT_THAT(profile(as_csv), HasSubstr("," + std::to_string(cycles) + "\n"));
  EXPECT_THAT(profile(model), HasSubstr("111.12"));
  expect_refused({"resnet50", "--hardware", "survey_analytica"}, "did you mean");
}

// Every element that is opened is closed, in order, and attributes are quoted.
void expect_valid_xml(const std::string& text) {
  std::vector<std::string> open;
  std::size_t at = 0;
  while ((at = text.find('<', at)) != std::string::npos) {
    const std::size_t end = text.find('>', at);
    ASSERT_NE(end, std::string::npos);
    const std::string tag = text.substr(at + 1, end - at - 1);
    EXPECT_EQ(std::count(tag.begin(), tag.end(), '"') % 2, 0) << tag;
    if (tag[0] == '/') {
      ASSERT_FALSE(open.empty());
      EXPECT_EQ(open.back(), tag.substr(1));
      open.pop_back();
    } else if (tag.back() != '/') {
      open.push_back(tag.substr(0, tag.find(' ')));
    }
    at = end;
  }
  EXPECT_TRUE(open.empty());
}

TEST_F(Profile, SvgIsValid) {
  write(box_ / "a<b&c.json", R"({"model_width": 8, "layers": [{"heads": 4, "ffn_width": 8}]})");
  for (const char* model : {"gpt2", "resnet50", "a<b&c.json"}) {
    const std::string svg = profile({model, "--format", "svg"});
    EXPECT_THAT(svg, StartsWith("<svg"));
    EXPECT_THAT(svg, HasSubstr("GMOPs above"));
    expect_valid_xml(svg);
  }
}

TEST_F(Profile, RefusesWhatItCannotProfile) {
  expect_refused({"bert_bass"}, "did you mean \"bert_base\"?");
  expect_refused({"bert_base", "--lengths", "128,0"}, "--lengths");
  expect_refused({"bert_base", "--lengths", "128,many"}, "--lengths");
  expect_refused({"bert_base", "--lengths", "1048577"}, "--lengths");
  expect_refused({"bert_base", "--format", "pdf"}, "--format");
  expect_refused({"bert_base", "--format", "csv", "--json"}, "--format");
  write(box_ / "broken.json", R"({"model_width": 768, "layer": []})");
  expect_refused({"broken.json"}, "layers");
}

}  // namespace
}  // namespace paretoformer::integration
