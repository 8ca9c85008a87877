// A run that is killed anywhere and resumed ends with the same bytes as one that was left alone.
#include <gmock/gmock.h>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;
using Moment = std::function<bool()>;

const std::vector<std::string> kResults{"front.json",      "front.svg",           "report.html",
                                        "history.jsonl",   "generations.jsonl",   "confirmed.jsonl",
                                        "training.jsonl",  "convergence.jsonl",   "convergence.svg",
                                        "tokenizer.model", "supernet.safetensors"};

std::vector<std::string> search(int threads, bool resume) {
  std::vector<std::string> arguments{"search", "config.json", "--quiet", "--threads",
                                     std::to_string(threads)};
  if (resume) arguments.emplace_back("--resume");
  return arguments;
}

// The whole run, undisturbed, in the folder "whole".
class Resume : public ::testing::Test {
 protected:
  void SetUp() override {
    Json config = tiny_config();
    config["validation_sequences"] = 64;  // a search long enough to be killed in
    config["run"] = "whole";
    write(box_ / "whole.json", config.dump());
    const Result whole = box_.run({"search", "whole.json", "--quiet", "--threads", "2"});
    ASSERT_EQ(whole.status, 0) << whole.err;
    config["run"] = "run";
    config["training"]["checkpoint_seconds"] = 0;
    write(box_ / "config.json", config.dump());
  }

  void expect_same_results() {
    for (const std::string& name : kResults)
      EXPECT_TRUE(content(box_ / ("run/" + name)) == content(box_ / ("whole/" + name))) << name;
    for (const std::string& name : box_.files())
      EXPECT_EQ(name.find(".tmp"), std::string::npos) << name << " was left behind";
  }

  Moment at_lines(const std::string& name, std::size_t count) {
    return [this, name, count] { return line_count(box_ / ("run/" + name)) >= count; };
  }

  // The first checkpoint after `count` lines of the training log, as soon as it has its name.
  Moment at_checkpoint(std::size_t count) {
    return [this, count, before = fs::file_time_type::min()]() mutable {
      if (line_count(box_ / "run/training.jsonl") < count) return false;
      std::error_code missing;
      const auto now = fs::last_write_time(box_ / "run/supernet.safetensors", missing);
      if (missing) return false;
      if (before == fs::file_time_type::min()) before = now;
      return now != before;
    };
  }

  // Kills at one moment after another, resuming in between; then lets it finish.
  void kill_at(const std::vector<Moment>& moments, int threads, int threads_after) {
    std::size_t killed = 0;
    bool resume = false;
    for (const Moment& moment : moments) {
      const Result result =
          box_.run_and_signal(search(resume ? threads_after : threads, resume), SIGKILL, moment);
      if (result.status != 0) {
        EXPECT_EQ(result.status, -SIGKILL) << result.err;
        ++killed;
      }
      resume = true;
    }
    RecordProperty("killed", std::to_string(killed));
    // On a busy machine a moment may pass before it is seen.
    EXPECT_GE(2 * killed, moments.size());
    const Result last = box_.run(search(threads_after, true));
    EXPECT_EQ(last.status, 0) << last.err;
    expect_same_results();
  }

  std::vector<Moment> moments() {
    return {at_lines("training.jsonl", 1),  at_checkpoint(40),
            at_lines("training.jsonl", 90), at_checkpoint(150),
            at_lines("history.jsonl", 1),   at_lines("history.jsonl", 30),
            at_lines("history.jsonl", 60),  at_lines("confirmed.jsonl", 1)};
  }

  Sandbox box_;
};

TEST_F(Resume, KilledAgainAndAgainWithOneThread) { kill_at(moments(), 1, 1); }

TEST_F(Resume, KilledAgainAndAgainWithTwoThreads) { kill_at(moments(), 2, 2); }

TEST_F(Resume, KilledWithOneThreadResumedWithTwo) {
  kill_at({at_lines("training.jsonl", 70)}, 1, 2);
  fs::remove_all(box_ / "run");
  kill_at({at_lines("history.jsonl", 20)}, 1, 2);
}

TEST_F(Resume, KilledWhileItConfirmsTheFront) {
  kill_at({at_lines("confirmed.jsonl", 8)}, 1, 2);
  // And with a record cut short.
  const std::string records = content(box_ / "whole/confirmed.jsonl");
  for (std::size_t bytes : {std::size_t{0}, records.size() / 2, records.size() - 1}) {
    SCOPED_TRACE(bytes);
    write(box_ / "run/confirmed.jsonl", records.substr(0, bytes));
    fs::remove(box_ / "run/front.json");
    fs::remove(box_ / "run/report.html");
    ASSERT_EQ(box_.run(search(1, true)).status, 0);
    expect_same_results();
  }
}

TEST_F(Resume, WithALargerBudgetOnlyNewMembersAreConfirmed) {
  Json config = parse(content(box_ / "config.json"));
  config["search"]["evaluations"] = 48;
  write(box_ / "short.json", config.dump());
  ASSERT_EQ(box_.run({"search", "short.json", "--quiet"}).status, 0);
  const std::string before = content(box_ / "run/confirmed.jsonl");
  ASSERT_EQ(box_.run(search(2, true)).status, 0);
  const std::string after = content(box_ / "run/confirmed.jsonl");
  EXPECT_EQ(after.substr(0, before.size()), before);
  EXPECT_GT(after.size(), before.size());
  for (const char* name : {"front.json", "front.svg", "report.html"})
    EXPECT_TRUE(content(box_ / ("run/" + std::string(name))) ==
                content(box_ / ("whole/" + std::string(name))))
        << name;
}

TEST_F(Resume, KilledBeforeTheFirstCheckpoint) {
  Json config = parse(content(box_ / "config.json"));
  config["training"]["checkpoint_seconds"] = 1000;
  write(box_ / "config.json", config.dump());
  kill_at({at_lines("training.jsonl", 50)}, 2, 2);
}

TEST_F(Resume, KilledWhileItPreparesLeavesNothingInTheWay) {
  const Result killed =
      box_.run_and_signal(search(2, false), SIGKILL, [&] { return fs::exists(box_ / "run/lock"); });
  ASSERT_EQ(killed.status, -SIGKILL);
  const bool is_run = fs::exists(box_ / "run/config.json");
  EXPECT_EQ(box_.run(search(2, is_run)).status, 0);
  expect_same_results();
}

TEST_F(Resume, HistoryCutAnywhere) {
  ASSERT_EQ(box_.run(search(2, false)).status, 0);
  const std::string history = content(box_ / "whole/history.jsonl");
  for (std::size_t bytes : {std::size_t{0}, std::size_t{1}, history.size() / 3, history.size() / 2,
                            history.size() - 1, history.size()}) {
    SCOPED_TRACE(bytes);
    write(box_ / "run/history.jsonl", history.substr(0, bytes));
    fs::remove(box_ / "run/front.json");
    ASSERT_EQ(box_.run(search(2, true)).status, 0);
    expect_same_results();
  }
}

TEST_F(Resume, CtrlCSavesTheStateAndSaysHowToGoOn) {
  for (const auto& [name, count] :
       {std::pair{"training.jsonl", 30}, {"history.jsonl", 10}, {"confirmed.jsonl", 1}}) {
    SCOPED_TRACE(name);
    const auto moment = at_lines(name, static_cast<std::size_t>(count));
    for (int signal : {SIGINT, SIGTERM}) {
      fs::remove_all(box_ / "run");
      Json config = parse(content(box_ / "config.json"));
      config["training"]["checkpoint_seconds"] = 1000;  // so that only the signal saves it
      write(box_ / "config.json", config.dump());
      const Result stopped = box_.run_and_signal(search(2, false), signal, moment);
      EXPECT_EQ(stopped.status, 130);
      EXPECT_THAT(stopped.err, HasSubstr("continue with --resume"));
      EXPECT_TRUE(fs::exists(box_ / "run/supernet.safetensors"));
      EXPECT_GE(line_count(box_ / "run/training.jsonl"), 30u);
      EXPECT_FALSE(fs::exists(box_ / "run/front.json"));
      const Result resumed = box_.run(search(1, true));
      EXPECT_EQ(resumed.status, 0) << resumed.err;
      expect_same_results();
    }
  }
}

TEST_F(Resume, AFullDiskFailsInOneLineAndResumesWhenThereIsRoom) {
  Json config = parse(content(box_ / "config.json"));
  config["training"]["checkpoint_seconds"] = 1000;
  write(box_ / "config.json", config.dump());
  const std::uintmax_t weights = fs::file_size(box_ / "whole/supernet.safetensors");
  const std::uintmax_t log = fs::file_size(box_ / "whole/training.jsonl");
  ASSERT_GT(weights, log);
  // No room for the training log, the checkpoint, the history.
  bool resume = false;
  for (const auto& [bytes, file] :
       {std::pair<std::uintmax_t, std::string>{log / 2, "training.jsonl"},
        {(weights + log) / 2, "supernet.safetensors"}}) {
    SCOPED_TRACE(file);
    Limits limits;
    limits.file_bytes = bytes;
    const Result full = box_.run(search(2, resume), limits);
    EXPECT_EQ(full.status, 1);
    EXPECT_EQ(lines(full.err).size(), 1u) << full.err;
    EXPECT_THAT(full.err, HasSubstr("run/" + file + ": cannot write: File too large"));
    resume = true;
  }
  EXPECT_EQ(box_.run(search(2, true)).status, 0);
  expect_same_results();
}

TEST_F(Resume, TrainThenSearch) {
  const Result train = box_.run({"train", "config.json", "--quiet", "--json"});
  ASSERT_EQ(train.status, 0) << train.err;
  EXPECT_EQ(parse(train.out)["steps"], 160);
  EXPECT_FALSE(fs::exists(box_ / "run/history.jsonl"));
  EXPECT_EQ(box_.run(search(2, true)).status, 0);
  expect_same_results();
}

TEST_F(Resume, AFinishedRunStaysAsItIs) {
  const Result again = box_.run({"search", "whole", "--resume", "--quiet", "--json"});
  ASSERT_EQ(again.status, 0) << again.err;
  EXPECT_EQ(parse(again.out)["front"], parse(content(box_ / "whole/front.json"))["front"]);
  // A run is where its folder is, wherever it was made.
  fs::rename(box_ / "whole", box_ / "run");
  EXPECT_EQ(box_.run({"search", "run", "--resume", "--quiet"}).status, 0);
  EXPECT_FALSE(fs::exists(box_ / "whole"));
}

}  // namespace
}  // namespace paretoformer::integration
