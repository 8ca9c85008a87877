#include "nas/cluster/work_folder.hpp"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "support/files.hpp"
#include "tests/captured_log.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::nas {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class WorkFolderTest : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directory(path_); }

  // As if its owner had not been heard of for `seconds`.
  static void age(const fs::path& file, long seconds) {
    struct stat status {};
    ASSERT_EQ(::stat(file.c_str(), &status), 0);
    const timespec then{status.st_mtim.tv_sec - seconds, status.st_mtim.tv_nsec};
    const timespec times[] = {then, then};
    ASSERT_EQ(::utimensat(AT_FDCWD, file.c_str(), times, 0), 0);
  }

  TemporaryFolder box_;
  fs::path path_ = box_ / "workers";
};

TEST_F(WorkFolderTest, WithoutAFolderThereIsNothing) {
  fs::remove(path_);
  WorkFolder folder(path_, "search");
  const WorkFolder::Content content = folder.look();
  EXPECT_EQ(content.workers, 0);
  EXPECT_TRUE(content.tasks.empty());
  folder.clear();
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(WorkFolderTest, OneOfManyGetsTheClaimDependOnThreads) {
  write_file_atomic(WorkFolder(path_, "search").task_file("t"), "x");
  std::atomic<int> got{0}, left{8};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      WorkFolder folder(path_, "worker");
      const WorkFolder::Task state = folder.look().tasks.at("t");
      --left;
      while (left > 0) std::this_thread::yield();  // until all have seen that it is free
      const auto claim = folder.claim("t", state);
      if (claim) ++got;
      if (claim) claim->keep();
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(got, 1);
}

TEST_F(WorkFolderTest, ALeaseRunsOutAndOneTakesOverDependOnThreads) {
  WorkFolder dead(path_, "worker", 5), next(path_, "worker"), last(path_, "worker");
  write_file_atomic(dead.task_file("t"), "x");
  EXPECT_EQ(dead.owner("t", dead.look().tasks.at("t")), "");
  const auto claim = dead.claim("t", dead.look().tasks.at("t"));
  WorkFolder::Task state = next.look().tasks.at("t");
  EXPECT_EQ(next.owner("t", state), dead.name());
  age(path_ / "t.claim.0", 6);
  state = next.look().tasks.at("t");
  EXPECT_EQ(next.owner("t", state), "");
  const WorkFolder::Task seen = last.look().tasks.at("t");
  CapturedLog log;
  const auto taken = next.claim("t", state);
  EXPECT_THAT(log.text(), HasSubstr(dead.name() + ": has not been heard of"));
  ASSERT_TRUE(taken);
  EXPECT_FALSE(last.claim("t", seen));
  EXPECT_EQ(last.owner("t", last.look().tasks.at("t")), next.name());
}

TEST_F(WorkFolderTest, AClaimThatIsNotWrittenYetCountsAsMade) {
  WorkFolder folder(path_, "search");
  write_file_atomic(folder.task_file("t"), "x");
  write_file_atomic(path_ / "t.claim.0", "");
  EXPECT_EQ(folder.owner("t", folder.look().tasks.at("t")), "unknown");
  age(path_ / "t.claim.0", static_cast<long>(kLease) + 1);
  EXPECT_EQ(folder.owner("t", folder.look().tasks.at("t")), "");
}

TEST_F(WorkFolderTest, WhoeverLivesIsHeardOfDependOnThreads) {
  WorkFolder busy(path_, "worker", 0.6), other(path_, "search");
  const auto entered = busy.enter();
  write_file_atomic(busy.task_file("t"), "x");
  const auto claim = busy.claim("t", busy.look().tasks.at("t"));
  std::this_thread::sleep_for(std::chrono::milliseconds(1500));
  const WorkFolder::Content content = other.look();
  EXPECT_EQ(content.workers, 1);
  EXPECT_EQ(other.owner("t", content.tasks.at("t")), busy.name());
}

TEST_F(WorkFolderTest, WhoeverGoesLeavesNothingDependOnThreads) {
  WorkFolder folder(path_, "worker"), other(path_, "search");
  write_file_atomic(folder.task_file("t"), "x");
  {
    const auto entered = folder.enter();
    const auto claim = folder.claim("t", folder.look().tasks.at("t"));
    EXPECT_THAT(folder.name(), StartsWith("worker."));
    EXPECT_EQ(other.look().workers, 1);
  }
  const WorkFolder::Content content = other.look();
  EXPECT_EQ(content.workers, 0);
  EXPECT_EQ(content.tasks.at("t").claims, 0);
}

TEST_F(WorkFolderTest, ClearLeavesWorkersThatAreHeardOfDependOnThreads) {
  WorkFolder folder(path_, "search"), one(path_, "worker"), two(path_, "worker");
  const auto first = one.enter();
  {
    const auto second = two.enter();
    second->keep();
  }
  age(path_ / two.name(), static_cast<long>(kLease) + 1);
  for (const char* name : {"t.task", "t.claim.0", "t.answer", "u.claim.3", ".clock-0"})
    write_file_atomic(path_ / name, "x");
  folder.clear();
  std::vector<std::string> left;
  for (const auto& entry : fs::directory_iterator(path_)) left.push_back(entry.path().filename());
  EXPECT_THAT(left, testing::ElementsAre(one.name()));
}

}  // namespace
}  // namespace paretoformer::nas
