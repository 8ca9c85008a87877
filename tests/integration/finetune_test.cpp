// One network of a run, trained on alone.
#include <gmock/gmock.h>

#include <algorithm>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using Words = std::vector<std::string>;

class Finetune : public ::testing::Test {
 protected:
  void SetUp() override {
    Json config = tiny_config();
    config["training"]["checkpoint_seconds"] = 0;
    config["search"]["evaluations"] = 24;
    write(box_ / "config.json", config.dump());
    const Result run = box_.run({"search", "config.json", "--quiet", "--json"});
    ASSERT_EQ(run.status, 0) << run.err;
    member_ = parse(run.out)["front"].front();
  }

  std::string id() const { return member_["id"].get<std::string>(); }

  Result finetune(const Words& more, const std::string& member) const {
    Words arguments{"finetune", "run", "--id", member, "--quiet"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return box_.run(arguments);
  }

  Sandbox box_;
  Json member_;
};

TEST_F(Finetune, GainsAndIsReadByEvaluate) {
  const Result tuned =
      finetune({"--steps", "200", "--learning-rate", "3e-3", "--format", "gemmini-c", "--json"},
               id().substr(0, 10));
  ASSERT_EQ(tuned.status, 0) << tuned.err;
  const Json answer = parse(tuned.out);
  EXPECT_EQ(answer["id"], id());
  EXPECT_EQ(answer["architecture"], member_["architecture"]);
  EXPECT_EQ(answer["steps"], 200);
  const auto perplexity = [&](const char* text, const char* when) {
    return answer[text][when].get<double>();
  };
  EXPECT_NEAR(perplexity("perplexity", "before"), member_["objectives"]["perplexity"].get<double>(),
              1e-3);
  for (const char* text : {"perplexity", "perplexity_of_validation_text"})
    EXPECT_LT(perplexity(text, "after"), perplexity(text, "before"));
  const std::string stem = "run/finetune/" + id();
  EXPECT_EQ(answer["weights"], stem + ".safetensors");
  EXPECT_NE(content(box_ / (stem + ".c")).find("int main(void)"), std::string::npos);
  ASSERT_EQ(box_.run({"export", "run", "--quiet"}).status, 0);
  for (const std::string& file : {stem, "run/export/" + id()}) {
    const Result evaluated =
        box_.run({"evaluate", "run", file + ".json", "--weights", stem + ".safetensors", "--json"});
    ASSERT_EQ(evaluated.status, 0) << evaluated.err;
    EXPECT_EQ(parse(evaluated.out)["perplexity"], answer["perplexity"]["after"]);
  }
  // The run itself stays as it is.
  EXPECT_EQ(box_.run({"search", "run", "--resume", "--quiet"}).status, 0);
}

TEST_F(Finetune, InterruptedAndResumedEndsWithTheSameBytes) {
  const Words whole{"--steps", "300", "--output", "whole.safetensors"};
  const Result text = finetune(whole, id());
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("whole validation text"), HasSubstr(id())));
  Words parts{"--steps", "300", "--output", "new/parts.safetensors"};
  bool resume = false;
  for (const int signal : {SIGKILL, SIGINT}) {
    Words arguments{"finetune", "run", "--id", id(), "--quiet"};
    arguments.insert(arguments.end(), parts.begin(), parts.end());
    if (resume) arguments.emplace_back("--resume");
    const std::size_t from =
        fs::exists(box_ / "new/parts.jsonl") ? line_count(box_ / "new/parts.jsonl") : 0;
    const Result stopped = box_.run_and_signal(arguments, signal, [&] {
      return line_count(box_ / "new/parts.jsonl") >= from + 20 &&
             fs::exists(box_ / "new/parts.checkpoint");
    });
    EXPECT_EQ(stopped.status, signal == SIGKILL ? -SIGKILL : 130) << stopped.err;
    EXPECT_FALSE(fs::exists(box_ / "new/parts.safetensors"));
    resume = true;
  }
  const Result refused = finetune(parts, id());
  EXPECT_EQ(refused.status, 2);
  EXPECT_THAT(refused.err, HasSubstr("continue with --resume"));
  parts.emplace_back("--resume");
  const Result resumed = finetune(parts, id());
  ASSERT_EQ(resumed.status, 0) << resumed.err;
  for (const char* name : {".safetensors", ".jsonl", ".checkpoint"})
    EXPECT_TRUE(content(box_ / ("new/parts" + std::string(name))) ==
                content(box_ / ("whole" + std::string(name))))
        << name;
}

TEST_F(Finetune, InInt8) {
  Words options{"--steps", "120", "--learning-rate", "3e-3", "--output", "int8.safetensors"};
  options.emplace_back("--int8");
  const Result text = finetune(options, id());
  ASSERT_EQ(text.status, 0) << text.err;
  EXPECT_THAT(text.out, AllOf(HasSubstr("\n  in int8 "), HasSubstr("\n    above fp32 ")));
  options.insert(options.end(), {"--resume", "--json"});
  const Result again = finetune(options, id());  // it is finished
  ASSERT_EQ(again.status, 0) << again.err;
  const Json answer = parse(again.out);
  EXPECT_EQ(answer["int8"], true);
  const Json& int8 = answer["perplexity_of_validation_text_int8"];
  EXPECT_LT(int8["after"].get<double>(), int8["before"].get<double>());
  const Result evaluated = box_.run(
      {"evaluate", "run", "int8.json", "--weights", "int8.safetensors", "--int8", "--json"});
  EXPECT_EQ(evaluated.status, 0) << evaluated.err;
  EXPECT_EQ(parse(evaluated.out)["perplexity"], answer["perplexity"]["after"]);
  options.erase(std::find(options.begin(), options.end(), "--int8"));
  const Result refused = finetune(options, id());
  EXPECT_EQ(refused.status, 2);
  EXPECT_EQ(lines(refused.err).size(), 1u) << refused.err;
  EXPECT_THAT(refused.err,
              HasSubstr("int8.checkpoint: was trained in int8, expected a training in fp32"));
}

TEST_F(Finetune, BadInputIsOneLine) {
  const auto expect_refused = [&](const Words& more, const std::string& member,
                                  const std::string& part) {
    const auto before = box_.files();
    const Result result = finetune(more, member);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
    EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_EQ(box_.files(), before);
  };
  expect_refused({}, "0123", "run/history.jsonl: none of the ids of 24 candidates begins with");
  expect_refused({"--output", "tuned.json"}, id(), "expected a name that ends in .safetensors");
  expect_refused({"--steps", "0"}, id(), "--steps");
  expect_refused({"--learning-rate", "-1"}, id(), "--learning-rate");
  expect_refused({"--resume"}, id(), "there is nothing to resume");
  fs::remove(box_ / "run/history.jsonl");
  expect_refused({}, id(), "the run has no evaluated networks yet");
}

}  // namespace
}  // namespace paretoformer::integration
