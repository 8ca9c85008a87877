// Standard input, output and error that are closed, full, or named as a file to write.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "tests/integration/run_binary.hpp"

namespace paretoformer::integration {
namespace {

using ::testing::HasSubstr;
using Words = std::vector<std::string>;

const Words kCompared{"config.json",     "front.json",     "history.jsonl",     "generations.jsonl",
                      "confirmed.jsonl", "training.jsonl", "convergence.jsonl", "lock"};
const Words kMap{"map", "--m", "16", "--k", "16", "--n", "16", "--samples", "10", "--quiet"};

class Descriptors : public ::testing::Test {
 protected:
  Result map_to(const std::string& output, const Limits& limits = {}) const {
    Words arguments = kMap;
    arguments.insert(arguments.end(), {"--output", output});
    return box_.run(arguments, limits);
  }

  Sandbox box_;
};

TEST_F(Descriptors, ThatAreClosedAreNeverFilesOfTheRun) {
  Json config = tiny_config();
  config["training"]["steps"] = 20;
  config["search"]["evaluations"] = 24;
  write(box_ / "config.json", config.dump());
  ASSERT_EQ(box_.run({"search", "config.json"}).status, 0);
  fs::rename(box_ / "run", box_ / "whole");
  for (const std::vector<int>& closed : std::vector<std::vector<int>>{{0, 1, 2}, {0, 2}, {1}}) {
    SCOPED_TRACE(::testing::PrintToString(closed));
    Limits limits;
    limits.closed = closed;
    const Result result = box_.run({"search", "config.json"}, limits);
    const bool no_output = std::count(closed.begin(), closed.end(), 1) > 0;
    EXPECT_EQ(result.status, no_output ? 1 : 0);
    if (closed == std::vector<int>{1}) {
      EXPECT_THAT(result.err, HasSubstr("cannot write to standard output: Bad file descriptor"));
    }
    for (const std::string& name : kCompared)
      EXPECT_TRUE(content(box_ / ("run/" + name)) == content(box_ / ("whole/" + name))) << name;
    fs::remove_all(box_ / "run");
  }
}

TEST_F(Descriptors, AnAnswerThatCannotBeWrittenIsAnError) {
  for (const Words& arguments : {Words{"--help"}, Words{"--version"}, Words{"search", "--help"}}) {
    SCOPED_TRACE(arguments[0]);
    EXPECT_EQ(box_.run(arguments).status, 0);
    EXPECT_FALSE(box_.run(arguments).out.empty());
    Limits closed, full;
    closed.closed = {1};
    full.standard_output = "/dev/full";
    for (const Limits& limits : {closed, full}) {
      const Result result = box_.run(arguments, limits);
      EXPECT_EQ(result.status, 1);
      EXPECT_EQ(lines(result.err).size(), 1u) << result.err;
      EXPECT_THAT(result.err, HasSubstr("cannot write to standard output"));
    }
  }
}

TEST_F(Descriptors, AFileToWriteMayBeOne) {
  for (const std::string name : {"/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"}) {
    SCOPED_TRACE(name);
    const Result captured = map_to(name);
    EXPECT_EQ(captured.status, 0) << captured.err;
    EXPECT_EQ(map_to("mapping.json").status, 0);
    // The mapping and the table, neither over the other.
    EXPECT_THAT(captured.out, HasSubstr(content(box_ / "mapping.json")));
    EXPECT_GT(captured.out.size(), content(box_ / "mapping.json").size());
  }
  Limits closed;
  closed.closed = {1};
  EXPECT_EQ(map_to("/dev/stdout", closed).status, 1);
}

TEST_F(Descriptors, WhatIsThereAndNoFileIsWrittenToOrRefused) {
  fs::create_directory(box_ / "folder");
  const Result folder = map_to("folder");
  EXPECT_EQ(folder.status, 2);
  EXPECT_THAT(folder.err, HasSubstr("folder: is a folder, a file was expected"));
  EXPECT_TRUE(fs::is_directory(box_ / "folder"));

  ASSERT_EQ(::mkfifo((box_ / "pipe").c_str(), 0600), 0);
  Limits limits;
  std::string found;
  limits.meanwhile = [&](pid_t) { found = content(box_ / "pipe"); };
  EXPECT_EQ(map_to("pipe", limits).status, 0);
  EXPECT_TRUE(fs::is_fifo(box_ / "pipe"));
  EXPECT_EQ(map_to("mapping.json").status, 0);
  EXPECT_EQ(found, content(box_ / "mapping.json"));

  fs::create_symlink("mapping.json", box_ / "link");
  write(box_ / "mapping.json", "old");
  EXPECT_EQ(map_to("link").status, 0);
  EXPECT_TRUE(fs::is_symlink(box_ / "link"));
  EXPECT_EQ(content(box_ / "mapping.json"), found);
}

TEST_F(Descriptors, APipeMayBeRead) {
  ASSERT_EQ(::mkfifo((box_ / "pipe").c_str(), 0600), 0);
  Limits limits;
  limits.meanwhile = [&](pid_t) { write(box_ / "pipe", tiny_config().dump()); };
  const Result result = box_.run({"validate", "pipe"}, limits);
  EXPECT_EQ(result.status, 0) << result.err;
}

}  // namespace
}  // namespace paretoformer::integration
