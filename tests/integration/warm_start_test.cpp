// A supernet that starts from trained weights of its largest network.
#include <gmock/gmock.h>

#include <csignal>

#include "tests/integration/trained_folder.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;

class WarmStart : public TrainedFolder {
 protected:
  Words from_base(const std::string& run, const Words& more = {}) {
    Words words{"train", "config.json", "--quiet", "--json",
                "--run", run,           "--from",  "base/supernet.safetensors"};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  double largest(const std::string& run) {
    return answer("train", run)["perplexities"]["largest"].get<double>();
  }
};

TEST_F(WarmStart, BeginsWhereTheFileEnds) {
  const double trained = largest("base");
  // One step at a rate of next to nothing, and as many from random weights.
  const Words one{"--set", "training.steps=1", "--set", "training.learning_rate=1e-9"};
  Result result = box_.run(from_base("warm", one));
  ASSERT_EQ(result.status, 0) << result.err;
  Words random{"train", "config.json", "--quiet", "--json", "--run", "random"};
  random.insert(random.end(), one.begin(), one.end());
  result = box_.run(random);
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_NEAR(largest("warm"), trained, 1e-3 * trained);
  EXPECT_GT(largest("random"), 1.1 * trained);
  // It is told apart from a run that starts afresh.
  EXPECT_EQ(parse(file("warm", "config.json"))["start"]["hash"].get<std::string>().size(), 16u);
}

TEST_F(WarmStart, GoesOnAfterAnInterruptionWithoutTheFile) {
  const Words often{"--set", "training.checkpoint_seconds=0"};
  Result result = box_.run(from_base("whole", often));
  ASSERT_EQ(result.status, 0) << result.err;
  result = box_.run_and_signal(from_base("cut", often), SIGKILL,
                               [&] { return fs::exists(box_ / "cut/supernet.safetensors"); });
  fs::remove(box_ / "base/supernet.safetensors");
  result = box_.run(resumed("train", "cut"));
  EXPECT_EQ(result.status, 0) << result.err;
  expect_same("cut", "whole", {"supernet.safetensors", "training.jsonl"});
}

TEST_F(WarmStart, AFileThatDoesNotFitIsRefusedAndLeavesNoRun) {
  expect_refused(from_base("other", {"--set", "training.context=64"}),
                 {"base/supernet.safetensors", "position_embedding.weight"});
  expect_refused(from_base("other", {"--set", "supernet=base"}),
                 {"/start", "expected one of the two"});
  write(box_ / "text", "no weights");
  expect_refused({"train", "config.json", "--quiet", "--run", "other", "--from", "text"}, {"text"});
  expect_refused({"train", "config.json", "--quiet", "--run", "other", "--from", "absent"},
                 {"absent"});
}

}  // namespace
}  // namespace paretoformer::integration
