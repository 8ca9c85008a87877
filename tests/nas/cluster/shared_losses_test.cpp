#include "nas/cluster/shared_losses.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

#include "nas/cluster/loss_worker.hpp"
#include "nas/cluster/work_folder.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "tests/captured_log.hpp"
#include "tests/nas/cluster/known_losses.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer::nas {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

// Measures, and counts how often each network has been.
class Measurer {
 public:
  explicit Measurer(int milliseconds = 0) : milliseconds_(milliseconds) {}
  LossSource source() {
    return {1, 4, [this](std::span<const Architecture> networks, LossPart part) {
              std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds_));
              const std::scoped_lock lock(mutex_);
              for (const Architecture& network : networks)
                ++times_[{architecture_id(network), part}];
              return true_sums(networks, part);
            }};
  }
  std::map<std::pair<std::uint64_t, LossPart>, int> times() {
    const std::scoped_lock lock(mutex_);
    return times_;
  }

 private:
  int milliseconds_;
  std::mutex mutex_;
  std::map<std::pair<std::uint64_t, LossPart>, int> times_;
};

class SharedLossesTest : public ::testing::Test {
 protected:
  LossSource shared_source() {
    return shared(own_.source(), path_, [] { return kKnownIdentity; });
  }
  // A task of a search that is not there any more.
  LossTask leave_task(std::vector<Architecture> networks, LossPart part = LossPart::kRest) {
    fs::create_directory(path_);
    LossTask task{kKnownIdentity, part, std::move(networks)};
    write_file_atomic(WorkFolder(path_, "search").task_file(name_of(task)), task_text(task));
    return task;
  }
  fs::path answer_file(const LossTask& task) {
    return WorkFolder(path_, "search").answer_file(name_of(task));
  }

  TemporaryFolder box_;
  fs::path path_ = box_ / "workers";
  Measurer own_;
};

TEST_F(SharedLossesTest, WithoutWorkersNothingIsWritten) {
  const LossSource source = shared_source();
  const std::vector<Architecture> networks = some_networks(5);
  EXPECT_EQ(source.sums(networks, LossPart::kRest), true_sums(networks, LossPart::kRest));
  EXPECT_EQ(source.measurers(), 1u);
  EXPECT_TRUE(fs::is_empty(box_.path()));
}

TEST_F(SharedLossesTest, WorkersAndSearchMeasureEachLossOnceDependOnThreads) {
  std::atomic<bool> over{false};
  Measurer theirs(2);
  std::vector<std::thread> workers;
  std::atomic<std::size_t> done{0};
  for (int i = 0; i < 3; ++i)
    workers.emplace_back([&] {
      done += work_on_losses(theirs.source(), kKnownIdentity, path_, {kLease, 0}, [&] {
                return over.load();
              }).losses;
    });
  const LossSource source = shared_source();
  while (source.measurers() < 4) std::this_thread::yield();
  const std::vector<Architecture> networks = some_networks(40);
  for (const LossPart part : {LossPart::kQuarter, LossPart::kRest})
    for (std::size_t begin = 0; begin < networks.size(); begin += 20)
      EXPECT_EQ(source.sums(std::span(networks).subspan(begin, 20), part),
                true_sums(std::span(networks).subspan(begin, 20), part));
  over = true;
  for (std::thread& worker : workers) worker.join();
  std::map<std::pair<std::uint64_t, LossPart>, int> times = own_.times();
  for (const auto& [what, count] : theirs.times()) times[what] += count;
  EXPECT_EQ(times.size(), 80u);
  for (const auto& [what, count] : times) EXPECT_EQ(count, 1);
  EXPECT_EQ(done, theirs.times().size());
  EXPECT_GT(done, 0u);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(SharedLossesTest, ALostWorkersTaskIsTakenOverWhenItsLeaseRunsOut) {
  const LossTask task = leave_task(some_networks(3));
  write_file_atomic(path_ / (name_of(task) + ".claim.0"), "0.5 worker.far.1.x");
  CapturedLog log;
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(shared_source().sums(task.networks, task.part), true_sums(task.networks, task.part));
  EXPECT_GT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(450));
  EXPECT_EQ(own_.times().size(), 3u);
  EXPECT_THAT(log.text(), HasSubstr("worker.far.1.x: has not been heard of"));
}

TEST_F(SharedLossesTest, WhatWorkersDidForASearchThatWasKilledCounts) {
  const LossTask task = leave_task(some_networks(3));
  write_file_atomic(answer_file(task), answer_text(task, true_sums(task.networks, task.part)));
  // The claim of that search, which nobody waits for.
  const LossTask other = leave_task(some_networks(2, 4));
  write_file_atomic(path_ / (name_of(other) + ".claim.0"), "1000 search.here.1.x");
  const std::vector<Architecture> networks = some_networks(6);
  const LossSource source = shared_source();
  EXPECT_EQ(source.sums(networks, task.part), true_sums(networks, task.part));
  EXPECT_EQ(own_.times().size(), 3u);
  source.sums(networks, LossPart::kQuarter);
  EXPECT_TRUE(fs::is_empty(path_));
}

TEST_F(SharedLossesTest, ADamagedAnswerIsMeasuredAgain) {
  const LossTask task = leave_task(some_networks(3));
  std::string text = answer_text(task, true_sums(task.networks, task.part));
  text[text.size() / 2] ^= 1;
  write_file_atomic(answer_file(task), text);
  CapturedLog log;
  EXPECT_EQ(shared_source().sums(task.networks, task.part), true_sums(task.networks, task.part));
  EXPECT_EQ(own_.times().size(), 3u);
  EXPECT_THAT(log.text(), HasSubstr("the checksum does not match"));
}

TEST_F(SharedLossesTest, TasksOfOtherWeightsAreRemoved) {
  LossTask task = leave_task(some_networks(3));
  fs::remove(WorkFolder(path_, "search").task_file(name_of(task)));
  task.identity.weights = 5;
  write_file_atomic(WorkFolder(path_, "search").task_file(name_of(task)), task_text(task));
  write_file_atomic(answer_file(task), answer_text(task, {1, 2, 3}));
  EXPECT_EQ(shared_source().sums(task.networks, task.part), true_sums(task.networks, task.part));
  EXPECT_TRUE(fs::is_empty(path_));
}

TEST_F(SharedLossesTest, AWorkerThatRoundsOtherwiseGoesDependOnThreads) {
  const LossTask task = leave_task(some_networks(3));
  for (const LossIdentity other : {LossIdentity{1, 3}, LossIdentity{3, 2}}) {
    try {
      work_on_losses(own_.source(), other, path_, {kLease, 0}, [] { return false; });
      FAIL();
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(name_of(task)));
    }
  }
  EXPECT_TRUE(own_.times().empty());
  EXPECT_EQ(WorkFolder(path_, "search").look().tasks.at(name_of(task)).claims, 0);
}

TEST_F(SharedLossesTest, AnIdleWorkerGoesDependOnThreads) {
  fs::create_directory(path_);
  write_file_atomic(path_ / "0.task", "no task");
  CapturedLog log;
  const WorkDone done =
      work_on_losses(own_.source(), kKnownIdentity, path_, {kLease, 0.3}, [] { return false; });
  EXPECT_TRUE(done.idle);
  EXPECT_EQ(done.tasks, 0u);
  // Once.
  const std::string text = log.text();
  EXPECT_EQ(text.find("0.task"), text.rfind("0.task")) << text;
}

}  // namespace
}  // namespace paretoformer::nas
