// What is in a file or an argument reaches a terminal only as text, and takes one line.
#include <gmock/gmock.h>

#include "support/text.hpp"
#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

const std::string kRed = "\x1b[31mred\x1b[0m\n\u202e\u009b";
const std::string kEscaped = "\\u001b[31mred\\u001b[0m\\n\\u202e\\u009b";

class Messages : public ::testing::Test {
 protected:
  void expect_refused(const Words& arguments, const std::string& part = kEscaped) const {
    const Result result = box_.run(arguments);
    SCOPED_TRACE(printable_lines(result.err));
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(lines(result.err).size(), 1u);
    EXPECT_EQ(printable_lines(result.err), result.err);
    EXPECT_THAT(result.err, HasSubstr(part));
  }

  void expect_config_refused(const Json& config, const std::string& part = kEscaped) const {
    write(box_ / "wrong.json", config.dump());
    expect_refused({"validate", "wrong.json"}, part);
  }

  Sandbox box_;
};

TEST_F(Messages, KeysValuesAndNamesOfFiles) {
  Json config = tiny_config();
  config[kRed] = 1;
  expect_config_refused(config);
  config = tiny_config();
  config["search_space"] = kRed;
  expect_config_refused(config);
  config = tiny_config();
  config["search_space"][kRed] = 1;
  expect_config_refused(config);
  config = tiny_config();
  config["hardware"] = kRed;
  expect_config_refused(config);
  config = tiny_config();
  config["search"]["algorithm"] = kRed;  // a value is shown as JSON
  expect_config_refused(config, "\\u001b[31mred");
  config = tiny_config();
  config["search_space"]["name"] = kRed;
  expect_config_refused(config, "/search_space/name: \"\\u001b[31mred");
  write(box_ / "wrong.json", "{\"a\": \x1b[31m}");
  expect_refused({"validate", "wrong.json"}, "wrong.json:1:7: not valid JSON");
  write(box_ / (kRed + ".json"), "[]");
  expect_refused({"validate", kRed + ".json"});
  write(box_ / "wrong.csv", "operator,latency_us,energy_uj\n\x1b[31mmatmul,1,1\n");
  expect_refused({"predictor", "import", "wrong.csv", "--device", "d", "--output", "p.txt"},
                 "wrong.csv:2: ");
}

TEST_F(Messages, Arguments) {
  write(box_ / "config.json", tiny_config().dump());
  expect_refused({kRed});
  expect_refused({"validate", kRed});
  expect_refused({"validate", "config.json", "--" + kRed});
  expect_refused({"validate", "config.json", "--set", "training." + kRed + "=1"});
  expect_refused({"validate", "config.json", "--set", "caf\xe9"}, "caf\\xe9");
  expect_refused({"search", "config.json", "--threads", kRed});
  write(box_ / "empty.csv", "operator,latency_us,energy_uj\n");
  expect_refused({"predictor", "import", "empty.csv", "--device", kRed, "--output", "p.txt"});
}

TEST_F(Messages, AnswersHoldNoControlCharacters) {
  write(box_ / "net.json", R"({"model_width": 32, "head_width": 16,
                               "layers": [{"heads": 2, "ffn_width": 64}]})");
  write(box_ / kRed, R"({"array_size": 8})");
  for (const Words& more : {Words{}, Words{"--json"}}) {
    Words arguments{"predict", "net.json", "--hardware", kRed};
    arguments.insert(arguments.end(), more.begin(), more.end());
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, 0) << result.err;
    EXPECT_EQ(printable_lines(result.out), result.out);
  }
  // JSON keeps the name.
  const Result mapped = box_.run({"map", "--m", "16", "--k", "16", "--n", "16", "--samples", "10",
                                  "--quiet", "--json", "--hardware", kRed});
  EXPECT_EQ(mapped.status, 0) << mapped.err;
  EXPECT_EQ(printable_lines(mapped.out), mapped.out);
  EXPECT_THAT(parse(mapped.out).dump(), HasSubstr(Json(kRed).dump()));
}

TEST_F(Messages, JsonOnTheCommandLineIsThatOfAFile) {
  write(box_ / "config.json", tiny_config().dump());
  expect_refused({"validate", "config.json", "--set", R"(training={"steps": 40, "steps": 7})"},
                 "--set training:1:21: key \"steps\" appears twice in one object");
  const std::string deep = std::string(80000, '[') + std::string(80000, ']');
  write(box_ / "deep.json", R"({"model_width": )" + deep + "}");
  for (const Words& arguments :
       {Words{"validate", "deep.json"}, Words{"predict", "deep.json"},
        Words{"search", "config.json", "--seed-architectures", "deep.json"},
        Words{"simulate", "--gemm", "16,16,16", "--hardware", "deep.json"}})
    expect_refused(arguments, "deep.json:1:272: is nested too deeply");
  expect_refused({"validate", "config.json", "--set",
                  "seed=" + std::string(50000, '[') + std::string(50000, ']')},
                 "--set seed:1:257: is nested too deeply");
  std::string path = "seed";
  for (int i = 0; i < 50000; ++i) path += ".a";
  expect_refused({"validate", "config.json", "--set", path + "=1"}, "has too many parts");
  write(box_ / "zero.json", std::string("{}\0{}", 5));
  expect_refused({"predict", "zero.json"}, "zero.json:1:3: not valid JSON: a zero byte");
}

}  // namespace
}  // namespace paretoformer::integration
