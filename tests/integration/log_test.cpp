// What a run says beside its answer: on standard error as much as is asked for, in run.log all of
// it.
#include <gmock/gmock.h>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

const char* const kSummary = "252 networks";
const char* const kFromCache = "tokeniser taken from base/cache/tokenizer-";
const char* const kTrained = "base/supernet.safetensors: trained for 24 of 24 steps already";
const char* const kGoesOn = "base/history.jsonl: the search goes on after 96 evaluations";
const char* const kCut = "base/history.jsonl: the last line was cut short, and is dropped\n";

class Logging : public TrainedFolder {
 protected:
  Result search(const Words& more = {}) {
    Words words{"search", "base", "--resume"};
    words.insert(words.end(), more.begin(), more.end());
    return box_.run(words);
  }
};

TEST_F(Logging, TheRunsLogHasAllWhateverIsShown) {
  EXPECT_THAT(file("base", "run.log"),
              AllOf(HasSubstr(kSummary), HasSubstr("text tokens per second")));
  for (const std::string& line : lines(file("base", "run.log")))
    EXPECT_THAT(line, MatchesRegex("[0-9-]{10}T[0-9:.]{12}[+-][0-9]{2}:[0-9]{2} .*"));
  for (const char* quiet : {"--json", "-q"}) {
    const std::string before = file("base", "run.log");
    ASSERT_EQ(search({quiet}).status, 0);
    const std::string after = file("base", "run.log");
    ASSERT_TRUE(after.starts_with(before));
    EXPECT_THAT(after.substr(before.size()),
                AllOf(HasSubstr(": search base --resume " + std::string(quiet) + "\n"),
                      HasSubstr(kSummary), HasSubstr(kFromCache), HasSubstr(kTrained)));
  }
  EXPECT_THAT(file("base", "run.log"), HasSubstr(kGoesOn));
}

TEST_F(Logging, StandardErrorSaysAsMuchAsIsAskedFor) {
  ASSERT_EQ(search({"-q"}).status, 0);
  EXPECT_THAT(search().err, AllOf(HasSubstr(kSummary), Not(HasSubstr(kTrained)),
                                  Not(HasSubstr(kFromCache)), Not(HasSubstr(kGoesOn))));
  const Result verbose = search({"-v", "--json"});
  EXPECT_THAT(verbose.err, AllOf(HasSubstr(kSummary), HasSubstr(kTrained), HasSubstr(kFromCache),
                                 HasSubstr(kGoesOn)));
  EXPECT_EQ(parse(verbose.out)["evaluations"], 96);
  EXPECT_EQ(search({"--quiet"}).err, "");
  EXPECT_EQ(search({"-q", "-v"}).status, 2);
  fs::remove(box_ / "base/supernet.safetensors");
  EXPECT_THAT(box_.run({"train", "base", "--resume", "-vv"}).err,
              HasSubstr("base/supernet.safetensors: saved after step 24\n"));
}

TEST_F(Logging, WarnsOfALineThatWasCutShort) {
  ASSERT_EQ(search({"-q"}).status, 0);
  const std::string history = file("base", "history.jsonl");
  write(box_ / "base/history.jsonl", history.substr(0, history.size() - 5));
  const Result result = search();
  EXPECT_THAT(result.err, HasSubstr("paretoformer: warning: " + std::string(kCut)));
  EXPECT_THAT(file("base", "run.log"), HasSubstr(" warning: " + std::string(kCut)));
  EXPECT_EQ(file("base", "history.jsonl"), history);
}

TEST_F(Logging, TheRunsLogSaysHowItEnded) {
  ASSERT_EQ(search({"-q"}).status, 0);
  write(box_ / "base/history.jsonl", "{}\n");
  EXPECT_EQ(search({"-q"}).status, 2);
  EXPECT_THAT(lines(file("base", "run.log")).back(), HasSubstr(" error: base/history.jsonl:1: "));
}

}  // namespace
}  // namespace paretoformer::integration
