#include "nas/run/run_folder.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <optional>

#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class RunFolderTest : public ::testing::Test {
 protected:
  std::string error(const RunConfig& config, bool resume) {
    try {
      RunFolder::open(config, resume);
    } catch (const InputError& error) {
      return error.what();
    }
    return "no InputError";
  }

  void make() { RunFolder::open(config_, false).keep(); }

  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "a/run");
};

TEST_F(RunFolderTest, ANewFolderIsKeptOnlyWhenAsked) {
  { const RunFolder run = RunFolder::open(config_, false); }
  EXPECT_FALSE(fs::exists(config_.run));
  make();
  EXPECT_EQ(to_json(RunFolder::read(config_.run).config()), to_json(config_));
}

TEST_F(RunFolderTest, AFolderThatWasThereIsNotRemoved) {
  fs::create_directories(config_.run);
  write_file_atomic(config_.run / "notes.txt", "mine");
  { const RunFolder run = RunFolder::open(config_, false); }
  EXPECT_EQ(read_file(config_.run / "notes.txt"), "mine");
  make();
  EXPECT_TRUE(fs::exists(config_.run / "config.json"));
}

TEST_F(RunFolderTest, AnExistingRunNeedsResumeAndResumeNeedsARun) {
  EXPECT_THAT(error(config_, true), HasSubstr("there is no run to resume"));
  make();
  EXPECT_THAT(error(config_, false), HasSubstr("holds a run already"));
  EXPECT_EQ(error(config_, true), "no InputError");
  EXPECT_TRUE(fs::exists(config_.run / "config.json"));
}

TEST_F(RunFolderTest, AChangedConfigurationIsRefusedNamingTheFirstDifference) {
  make();
  RunConfig changed = config_;
  changed.training.checkpoint_seconds = 1;
  EXPECT_EQ(error(changed, true), "no InputError");
  changed.training.steps = 99;
  changed.seed = 7;
  EXPECT_THAT(error(changed, true),
              AllOf(HasSubstr("config.json"), HasSubstr("at /training/steps: 99, was 12")));
  changed = config_;
  changed.limits = {{Objective::kEnergy, 5}};
  EXPECT_THAT(error(changed, true), HasSubstr("/limits/energy: is new"));
  changed = config_;
  changed.objectives = {Objective::kEnergy, Objective::kPerplexity};
  EXPECT_THAT(error(changed, true), HasSubstr("/objectives: [\"energy\",\"perplexity\"], was "));
}

TEST_F(RunFolderTest, ASearchThatHasBegunMayOnlyEndLater) {
  make();
  RunConfig changed = config_;
  changed.search.algorithm = "random";  // nothing is found yet
  EXPECT_EQ(error(changed, true), "no InputError");
  EXPECT_EQ(RunFolder::read(config_.run).config().search, changed.search);

  write_file_atomic(config_.run / "history.jsonl", "something\n");
  EXPECT_THAT(error(config_, true), HasSubstr("/search/algorithm: \"evolution\", was \"random\""));
  RunConfig later = changed;
  later.search.evaluations += 10;
  later.search.patience = 7;
  EXPECT_EQ(error(later, true), "no InputError");
  EXPECT_EQ(RunFolder::read(config_.run).config().search, later.search);
  EXPECT_THAT(error(changed, true),
              HasSubstr("to end after " + std::to_string(later.search.evaluations) +
                        " evaluations, not sooner: " + std::to_string(changed.search.evaluations)));

  // Nothing of it concerns who does not search.
  EXPECT_EQ(RunFolder::open(config_, true, false).config().search, later.search);
  EXPECT_EQ(RunFolder::read(config_.run).config().search, later.search);
  // A value of any length is one line.
  later.search.seed_architectures.assign(100, config_.space.smallest());
  EXPECT_LT(error(later, true).size(), 500u);
}

TEST_F(RunFolderTest, OneHolderAtATime) {
  make();
  std::optional<RunFolder> holder(RunFolder::open(config_, true));
  EXPECT_THAT(error(config_, true), HasSubstr("another process is working on this run"));
  EXPECT_EQ(to_json(RunFolder::read(config_.run).config()), to_json(config_));
  const RunFolder moved = *std::move(holder);
  holder.reset();
  EXPECT_THAT(error(config_, true), HasSubstr("another process"));

  // A new folder is locked before it is a run.
  config_.run = box_ / "other";
  const RunFolder fresh = RunFolder::open(config_, false);
  EXPECT_THAT(error(config_, false), HasSubstr("another process"));
  EXPECT_TRUE(fs::exists(config_.run));
}

TEST_F(RunFolderTest, TheLockDiesWithItsProcess) {
  make();
  const pid_t child = ::fork();
  if (child == 0) {
    const RunFolder run = RunFolder::open(config_, true);
    ::raise(SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(error(config_, true), "no InputError");
}

TEST_F(RunFolderTest, UnfinishedFilesOfAKilledProcessAreRemoved) {
  make();
  const std::string left = ".paretoformer-0123456789abcdef.tmp";
  fs::create_directory(config_.run / "cache");
  for (const char* folder : {"", "cache"}) write_file_atomic(config_.run / folder / left, "half");
  for (const char* file : {"history.jsonl", "notes.tmp", "notes.tmp1"})
    write_file_atomic(config_.run / file, "");
  EXPECT_EQ(error(config_, true), "no InputError");
  for (const char* folder : {"", "cache"})
    EXPECT_FALSE(fs::exists(config_.run / folder / left)) << folder;
  for (const char* file : {"history.jsonl", "notes.tmp", "notes.tmp1"})
    EXPECT_TRUE(fs::exists(config_.run / file)) << file;
}

TEST_F(RunFolderTest, ReadNeedsARunAndFollowsItsFolder) {
  EXPECT_THROW(RunFolder::read(box_ / "nowhere"), InputError);
  make();
  fs::rename(config_.run, box_ / "moved");
  const RunFolder run = RunFolder::read(box_ / "moved");
  EXPECT_EQ(run.path(), box_ / "moved");
  EXPECT_EQ(run.config().run, box_ / "moved");
}

TEST_F(RunFolderTest, AFileInTheWay) {
  write_file_atomic(box_ / "a", "file");
  EXPECT_THROW(RunFolder::open(config_, false), Error);
  EXPECT_EQ(read_file(box_ / "a"), "file");
}

}  // namespace
}  // namespace paretoformer::nas
