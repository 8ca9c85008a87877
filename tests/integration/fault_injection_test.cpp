// Whatever call fails, and wherever the process dies: one line, and what is on the disk is enough
// to go on to the same bytes. The environment variable PARETOFORMER_FAULTS says how many places to
// try, of all kinds together; the usual number is small, for time.
#include <gmock/gmock.h>

#include <cstdlib>
#include <map>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using Words = std::vector<std::string>;

const Words kKept{"front.json",      "history.jsonl",  "generations.jsonl",
                  "confirmed.jsonl", "training.jsonl", "supernet.safetensors"};

int places() {
  const char* wanted = std::getenv("PARETOFORMER_FAULTS");
  return wanted ? std::atoi(wanted) : 30;
}

class FaultInjection : public ::testing::Test {
 protected:
  void SetUp() override {
    Json config = tiny_config();
    config["corpus"]["train_bytes"] = 20000;
    config["training"] = {{"steps", 12}, {"batch", 2}, {"context", 32}, {"checkpoint_seconds", 0}};
    config["search"] = {{"population", 8}, {"evaluations", 24}};
    config["validation_sequences"] = 4;
    write(box_ / "config.json", config.dump());
    const Result whole = run(false, {"PARETOFORMER_CALLS=" + (box_ / "calls").string()});
    ASSERT_EQ(whole.status, 0) << whole.err;
    fs::rename(box_ / "run", box_ / "whole");
    std::ifstream calls(box_ / "calls");
    for (std::string kind; calls >> kind >> calls_[kind];) continue;
    ASSERT_GT(calls_["write"], 20);
  }

  Result run(bool resume, const Words& environment) const {
    Words arguments{"search", "config.json", "--quiet", "--threads", "2"};
    if (resume) arguments.emplace_back("--resume");
    Limits limits;
    limits.environment = environment;
    if (!environment.empty())
      limits.environment.push_back("LD_PRELOAD=" PARETOFORMER_FAULTS_LIBRARY);
    return box_.run(arguments, limits);
  }

  bool same_results() const {
    bool same = true;
    for (const std::string& name : kKept)
      if (content(box_ / ("run/" + name)) != content(box_ / ("whole/" + name))) {
        ADD_FAILURE() << name << " differs";
        same = false;
      }
    return same;
  }

  // Tries one fault, then goes on without it. `judge` says whether the first end was a good one.
  void try_fault(const std::string& fault, const std::function<void(const Result&)>& judge) {
    SCOPED_TRACE(fault);
    fs::remove_all(box_ / "run");
    const Result first = run(false, {"PARETOFORMER_FAULT=" + fault});
    judge(first);
    // Before it is configured there is no run to resume.
    const Result second = run(fs::exists(box_ / "run/config.json"), {});
    EXPECT_EQ(second.status, 0) << second.err << "after: " << first.err;
    same_results();
    for (const std::string& name : box_.files())
      EXPECT_EQ(name.find(".tmp"), std::string::npos) << name << " was left behind";
  }

  // `count` places of each kind, spread over the run.
  void try_everywhere(const Words& kinds, const Words& ways,
                      const std::function<void(const Result&)>& judge) {
    const int each = std::max(places() / static_cast<int>(kinds.size()), 1);
    int tried = 0;
    for (const std::string& kind : kinds) {
      const int count = std::min<int>(each, static_cast<int>(calls_[kind]));
      EXPECT_GT(count, 0) << kind;
      for (int i = 0; i < count; ++i) {
        const long at = 1 + (2 * i + 1) * calls_[kind] / (2 * count);
        const std::string& way = ways[static_cast<std::size_t>(i) % ways.size()];
        try_fault(kind + ":" + std::to_string(at) + ":" + way, judge);
        ++tried;
      }
    }
    RecordProperty("tried", std::to_string(tried));
  }

  Sandbox box_;
  std::map<std::string, long> calls_;
};

TEST_F(FaultInjection, ACallThatFailsIsOneLine) {
  int failed = 0;
  try_everywhere({"open", "read", "write", "sync", "close", "rename", "mkdir", "new"},
                 {"EIO", "ENOSPC"}, [&](const Result& result) {
                   if (result.status == 0) {  // closing what was only read
                     EXPECT_EQ(result.err, "");
                     same_results();
                     return;
                   }
                   ++failed;
                   EXPECT_THAT(result.status, ::testing::AnyOf(1, 2)) << result.err;
                   EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
                   EXPECT_THAT(result.err, ::testing::StartsWith("paretoformer: "));
                 });
  EXPECT_GE(2 * failed, places() / 2);
}

// From some place on there is none, for C++ or for C, whoever asks: destructors of JSON documents
// and threads of oneTBB do.
TEST_F(FaultInjection, WithoutMemoryItEndsInOneLine) {
  try_everywhere({"new", "malloc"}, {"ENOMEM"}, [&](const Result& result) {
    EXPECT_EQ(result.status, 1);
    EXPECT_EQ(result.err, "paretoformer: out of memory\n");
  });
}

TEST_F(FaultInjection, KilledAnywhereItGoesOnToTheSameBytes) {
  int killed = 0;
  try_everywhere({"open", "write", "sync", "close", "rename", "new"}, {"KILL", "KILLED"},
                 [&](const Result& result) { killed += result.status == -SIGKILL; });
  EXPECT_GE(2 * killed, places() / 2);
}

TEST_F(FaultInjection, ALogThatCannotBeReadIsNotCutShort) {
  fs::copy(box_ / "whole", box_ / "run", fs::copy_options::recursive);
  const std::string log = content(box_ / "run/training.jsonl");
  int refused = 0;
  for (int i = 1; i <= static_cast<int>(calls_["read"]); ++i) {
    SCOPED_TRACE(i);
    const Result result = run(true, {"PARETOFORMER_FAULT=read:" + std::to_string(i) + ":EIO"});
    refused += result.status != 0;
    ASSERT_TRUE(same_results());
  }
  EXPECT_GE(refused, 5);
}

}  // namespace
}  // namespace paretoformer::integration
