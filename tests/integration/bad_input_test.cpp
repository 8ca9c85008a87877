// Whatever is wrong with the input: one line that says what, exit status 2, and nothing written.
#include <gmock/gmock.h>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class BadInput : public ::testing::Test {
 protected:
  void SetUp() override { write(box_ / "config.json", tiny_config().dump(2)); }

  // Runs, expecting one line on standard error that contains all of `parts`, nothing on standard
  // output, and no file created, removed or changed.
  void expect_refused(const Words& arguments, const Words& parts, int status = 2) {
    std::string command;
    for (const std::string& argument : arguments) command += " " + argument;
    SCOPED_TRACE(command);
    const auto before = snapshot();
    const Result result = box_.run(arguments);
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(result.out, "");
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
    EXPECT_THAT(result.err, ::testing::StartsWith("paretoformer: "));
    for (const std::string& part : parts) EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_EQ(result.err.find("std::"), std::string::npos) << result.err;
    EXPECT_EQ(result.err.find("json.exception"), std::string::npos) << result.err;
    EXPECT_TRUE(snapshot() == before)
        << "files changed: " << ::testing::PrintToString(box_.files());
  }

  void expect_config_refused(const Json& config, const Words& parts) {
    write(box_ / "wrong.json", config.dump());
    expect_refused({"search", "wrong.json"}, parts);
    fs::remove(box_ / "wrong.json");
  }

  std::vector<std::pair<std::string, std::string>> snapshot() {
    std::vector<std::pair<std::string, std::string>> files;
    for (const std::string& name : box_.files())
      if (!name.ends_with("run.log"))  // in which every run writes
        files.emplace_back(name, fs::is_directory(box_ / name) ? "" : content(box_ / name));
    return files;
  }

  Sandbox box_;
};

TEST_F(BadInput, CommandLine) {
  expect_refused({}, {"subcommand"});
  expect_refused({"serach", "config.json"},
                 {"unknown verb \"serach\"", "did you mean \"search\"?"});
  expect_refused({"search"}, {"CONFIG"});
  expect_refused({"search", "config.json", "--thread", "2"}, {"--thread"});
  expect_refused({"search", "config.json", "--threads", "0"}, {"--threads", "0"});
  expect_refused({"search", "config.json", "--threads", "many"}, {"--threads", "many"});
  expect_refused({"search", "config.json", "--algorithm", "evolutoin"},
                 {"/search/algorithm", "evolutoin", "did you mean \"evolution\"?"});
  expect_refused({"predict", "config.json", "--mode", "train"}, {"--mode", "train"});
  expect_refused({"search", "quickstrat"}, {"quickstrat", "did you mean \"quickstart\"?"});
  expect_refused({"search", "missing.json"}, {"missing.json", "nor a file"});
  expect_refused({"search", "config.json", "--set", "seed"}, {"--set seed", "KEY=VALUE"});
  expect_refused({"search", "config.json", "--set", "training.stepz=5"},
                 {"config.json", "/training/stepz", "did you mean \"steps\"?"});
  expect_refused({"search", "config.json", "--run", "caf\xe9"}, {"--run: is not valid UTF-8"});
  expect_refused({"search", "config.json", "--set", "run=caf\xe9"}, {"--set run: is not valid"});
  EXPECT_EQ(box_.run({"--help"}).status, 0);
  EXPECT_EQ(box_.run({"search", "--help"}).status, 0);
  EXPECT_EQ(box_.run({"--version"}).status, 0);
}

TEST_F(BadInput, Configuration) {
  write(box_ / "broken.json", "{\n  \"search_space\": \"quickstart\",\n  \"seed\": ,\n}\n");
  expect_refused({"search", "broken.json"}, {"broken.json:3:", "not valid JSON"});
  write(box_ / "broken.json", "{\"search_space\": \"quickstart\", \"seed\": 1e999}");
  expect_refused({"search", "broken.json"}, {"broken.json", "not valid JSON", "1e999"});
  write(box_ / "broken.json", "{\"seed\": 1, \"seed\": 2}");
  expect_refused({"search", "broken.json"}, {"broken.json", "\"seed\" appears twice"});
  write(box_ / "broken.json", "");
  expect_refused({"search", "broken.json"}, {"broken.json:1:1", "not valid JSON"});
  write(box_ / "broken.json", "[]");
  expect_refused({"search", "broken.json", "--set", "seed=1"},
                 {"broken.json", "expected an object"});
  write(box_ / "broken.json", "\xff\xfe{}");
  expect_refused({"search", "broken.json"}, {"broken.json:1:1", "not valid JSON"});

  Json config = tiny_config();
  config["trainig"] = Json::object();
  expect_config_refused(config, {"wrong.json: /trainig", "did you mean \"training\"?"});
  config = tiny_config();
  config.erase("search_space");
  expect_config_refused(config, {"wrong.json: /: key \"search_space\" is missing"});
  config = tiny_config();
  config["training"]["steps"] = "many";
  expect_config_refused(config, {"wrong.json: /training/steps: \"many\" has the wrong type"});
  config = tiny_config();
  config["training"]["batch"] = 0;
  expect_config_refused(config, {"wrong.json: /training/batch: 0 is out of range", "1 to 65536"});
  config = tiny_config();
  config["search_space"]["heads"] = {2, 1};
  expect_config_refused(config, {"wrong.json: /search_space/heads"});
  config = tiny_config();
  config["hardware"] = "gemini_transformer";
  expect_config_refused(config, {"gemini_transformer", "did you mean \"gemmini_transformer\"?"});
  config = tiny_config();
  config["objectives"] = {"perplexity"};
  expect_config_refused(config, {"wrong.json: /objectives", "two or more"});
  config = tiny_config();
  config["limits"]["latency"] = -5;
  expect_config_refused(config, {"wrong.json: /limits/latency: -5"});
}

TEST_F(BadInput, LimitThatNothingMeets) {
  expect_refused({"search", "config.json", "--set", "limits.latency=10"},
                 {"no network of the space meets the limit latency <= 10", "the smallest"});
  expect_refused({"train", "config.json", "--set", "limits.parameters=10"}, {"parameters <= 10"});
  expect_refused({"search", "config.json", "--set", "limits.perplexity=1"},
                 {"perplexity <= 1: no model of this text is below"});
  // One that is known only after training.
  const Result late = box_.run({"search", "config.json", "--quiet", "--set", "limits.perplexity=2",
                                "--set", "training.steps=2", "--json"});
  EXPECT_EQ(late.status, 1);
  EXPECT_EQ(late.out, "");
  EXPECT_EQ(lines(late.err).size(), 1u) << late.err;
  EXPECT_THAT(late.err, AllOf(HasSubstr("of 96 evaluated meets all limits: perplexity <= 2"),
                              HasSubstr("the lowest found is")));
  EXPECT_FALSE(fs::exists(box_ / "run/front.json"));
}

TEST_F(BadInput, Text) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "word" + std::to_string(i % 97) + " ";
  write(box_ / "text.txt", text);
  write(box_ / "short.txt", "only a few words");
  write(box_ / "empty.txt", "");
  write(box_ / "latin1.txt", "caf\xe9 " + text);
  const auto corpus = [](const std::string& train, const std::string& validation, int vocabulary) {
    Json config = tiny_config();
    config["corpus"] = {{"train", train}, {"validation", validation}, {"vocabulary", vocabulary}};
    return config;
  };
  expect_config_refused(corpus("missing.txt", "text.txt", 300), {"missing.txt", "No such file"});
  expect_config_refused(corpus("text.txt", "empty.txt", 300), {"empty.txt: is empty"});
  expect_config_refused(corpus("latin1.txt", "text.txt", 300),
                        {"latin1.txt: byte 3 is not valid UTF-8"});
  expect_config_refused(corpus("text.txt", "text.txt", 9000),
                        {"text.txt: vocabulary 9000 is too large"});
  expect_config_refused(corpus("text.txt", "text.txt", 258),
                        {"text.txt: vocabulary 258 is too small"});
  expect_config_refused(corpus("text.txt", "short.txt", 300), {"the validation text is too short"});
  Json config = corpus("short.txt", "text.txt", 270);
  expect_config_refused(config, {"the training text is too short", "4 x (32 + 1)"});
  config["corpus"].erase("validation");
  expect_config_refused(config, {"wrong.json: /corpus: key \"validation\" is missing"});
}

TEST_F(BadInput, RunFolder) {
  expect_refused({"search", "config.json", "--resume"}, {"run: there is no run to resume"});
  expect_refused({"evaluate", "run", "config.json"}, {"run: is not a run folder"});
  expect_refused({"export", "run"}, {"run: is not a run folder"});
  expect_refused({"export", "run", "--format", "safetensor"},
                 {"--format: \"safetensor\" is not known", "did you mean \"safetensors\"?"});
  expect_refused({"report", "run"}, {"run: is not a run folder"});
  write(box_ / "file", "in the way");
  expect_refused({"search", "config.json", "--run", "file"}, {"file: cannot create folder"}, 1);
  expect_refused({"search", "config.json", "--run", "file/run"}, {"cannot create folder"}, 1);

  ASSERT_EQ(box_.run({"search", "config.json", "--quiet", "--set", "training.steps=8"}).status, 0);
  const Words resume{"search", "run", "--quiet", "--resume"};
  expect_refused({"search", "config.json"}, {"run: holds a run already", "--resume"});
  expect_refused({"train", "config.json"}, {"run: holds a run already"});
  expect_refused({"search", "config.json", "--resume"},
                 {"run/config.json", "/training/steps: 160, was 8"});

  write(box_ / "outside.json", R"({"model_width": 40, "layers": [{"heads": 1, "ffn_width": 32}]})");
  expect_refused({"evaluate", "run", "outside.json"},
                 {"outside.json", "model_width 40 is not a choice"});
  write(box_ / "outside.json", R"({"model_width": 48, "layers": [{"heads": 1, "ffnwidth": 32}]})");
  expect_refused({"evaluate", "run", "outside.json"}, {"outside.json: /layers/0", "ffn_width"});
  expect_refused({"predict", "outside.json"}, {"outside.json: /layers/0"});
  expect_refused({"predict", "missing.json"}, {"missing.json"});

  const std::string history = content(box_ / "run/history.jsonl");
  const std::vector<std::string> all = lines(history);
  const auto with_line = [&](std::size_t index, const std::string& line) {
    std::string text;
    for (std::size_t i = 0; i < all.size(); ++i) text += (i == index ? line : all[i]) + "\n";
    write(box_ / "run/history.jsonl", text);
  };
  const auto edited = [&](const std::string& from, const std::string& to) {
    std::string line = all[2];
    const std::size_t at = line.find(from);
    EXPECT_NE(at, std::string::npos);
    return line.replace(at, from.size(), to);
  };
  with_line(2, edited("\"latency_cycles\":", "\"latency_cycles\":1"));
  expect_refused({"export", "run"}, {"run/history.jsonl:3: /objectives/edp"});
  with_line(2, edited("\"model_width\":", "\"model_width\":1"));
  expect_refused({"export", "run"}, {"run/history.jsonl:3: /id"});
  // What fits everything else, too.
  for (const auto& [from, to] : {std::pair{"\"generation\":", "\"generation\":1"},
                                 {"\"parents\":[", "\"parents\":[\"0123456789abcdef\""}}) {
    with_line(2, edited(from, to));
    for (const Words& words : {resume, Words{"export", "run"}, Words{"report", "run"}}) {
      const Result result = box_.run(words);
      EXPECT_EQ(result.status, 2);
      EXPECT_THAT(result.err, HasSubstr("run/history.jsonl:3: was changed after it was written"));
    }
  }
  with_line(2, all[1]);
  expect_refused({"export", "run"}, {"run/history.jsonl:3:", "appears a second time"});
  with_line(2, all[2].substr(0, 40));
  expect_refused({"export", "run"}, {"run/history.jsonl:3:1:", "not valid JSON"});
  const Result broken = box_.run(resume);
  EXPECT_EQ(broken.status, 2);
  EXPECT_THAT(broken.err, HasSubstr("run/history.jsonl:3:"));
  write(box_ / "run/history.jsonl", "");
  expect_refused({"export", "run"}, {"run/history.jsonl", "no evaluated networks yet"});
  write(box_ / "run/history.jsonl", history);
  for (const std::string name : {"training.jsonl", "convergence.jsonl", "confirmed.jsonl"}) {
    const std::string log = content(box_ / "run" / name);
    std::string changed = log;
    char& digit = changed.at(changed.find('.') + 1);
    digit = digit == '1' ? '2' : '1';
    write(box_ / "run" / name, changed);
    const Result result = box_.run(resume);
    EXPECT_EQ(result.status, 2);
    EXPECT_THAT(result.err, HasSubstr("run/" + name + ":1: was changed after it was written"));
    EXPECT_TRUE(content(box_ / "run" / name) == changed);
    write(box_ / "run" / name, log);
  }

  const std::string weights = content(box_ / "run/supernet.safetensors");
  write(box_ / "run/supernet.safetensors", weights.substr(0, weights.size() / 2));
  for (const Words& arguments : {resume, Words{"export", "run"}}) {
    const Result cut = box_.run(arguments);
    EXPECT_EQ(cut.status, 2);
    EXPECT_EQ(lines(cut.err).size(), 1u) << cut.err;
    EXPECT_THAT(cut.err, HasSubstr("run/supernet.safetensors: not a whole safetensors file"));
  }
  std::string flipped = weights;
  flipped[flipped.size() - 100] ^= 1;
  write(box_ / "run/supernet.safetensors", flipped);
  expect_refused({"export", "run"}, {"run/supernet.safetensors", "checksum"});
  fs::remove(box_ / "run/supernet.safetensors");
  expect_refused({"export", "run"}, {"run/supernet.safetensors", "there is no trained supernet"});

  // Nothing above has spoilt the run: the weights are trained again, to the same bits.
  EXPECT_EQ(box_.run(resume).status, 0);
  EXPECT_TRUE(content(box_ / "run/supernet.safetensors") == weights);
  EXPECT_TRUE(content(box_ / "run/history.jsonl") == history);

  std::string config = content(box_ / "run/config.json");
  write(box_ / "run/config.json", config.substr(0, config.size() / 2));
  expect_refused(resume, {"run/config.json:", "not valid JSON"});
}

TEST_F(BadInput, RefusedRunsAreNotInTheWayOfTheCorrectedOne) {
  expect_refused({"search", "config.json", "--run", "new", "--set", "limits.latency=10"},
                 {"latency <= 10"});
  EXPECT_EQ(
      box_.run({"train", "config.json", "--quiet", "--run", "new", "--set", "training.steps=2"})
          .status,
      0);
}

TEST_F(BadInput, OneProcessPerRun) {
  const Words arguments{"train", "config.json", "--quiet", "--set", "training.steps=30000"};
  Words resume = arguments;
  resume.emplace_back("--resume");
  Result second;
  Limits limits;
  limits.meanwhile = [&](pid_t first) {
    while (!fs::exists(box_ / "run/supernet.safetensors"))
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    second = box_.run(resume);
    ::kill(first, SIGINT);
  };
  EXPECT_EQ(box_.run(arguments, limits).status, 130);
  EXPECT_EQ(second.status, 2);
  EXPECT_THAT(second.err, HasSubstr("run: another process is working on this run"));
}

TEST_F(BadInput, AFullDisk) {
  // Not even the configuration fits.
  Limits limits;
  limits.file_bytes = 100;
  const Result nothing = box_.run({"search", "config.json", "--quiet"}, limits);
  EXPECT_EQ(nothing.status, 1);
  EXPECT_EQ(lines(nothing.err).size(), 1u) << nothing.err;
  EXPECT_THAT(nothing.err, HasSubstr("File too large"));
  EXPECT_FALSE(fs::exists(box_ / "run"));
  // An answer that cannot be written is a failure, not a success.
  Limits full;
  full.standard_output = "/dev/full";
  const Result answer = box_.run({"validate", "config.json"}, full);
  EXPECT_EQ(answer.status, 1);
  EXPECT_THAT(answer.err, HasSubstr("cannot write to standard output: No space left on device"));
}

}  // namespace
}  // namespace paretoformer::integration
