#include "support/parallel.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <vector>

namespace paretoformer {
namespace {

TEST(ParallelTasks, EveryTaskRunsOnceAndIsDoneAfterwards) {
  for (const std::size_t count : {0, 1, 2, 1000}) {
    std::vector<int> runs(count + 1);  // plain: every task has its own
    parallel_tasks(count, [&](std::size_t task) { ++runs[task]; });
    for (std::size_t task = 0; task < count; ++task) EXPECT_EQ(runs[task], 1) << task;
    EXPECT_EQ(runs[count], 0);
  }
}

TEST(ParallelTasks, LoopsMayStandInLoops) {
  std::vector<std::vector<int>> runs(7, std::vector<int>(11));
  parallel_tasks(runs.size(), [&](std::size_t row) {
    parallel_tasks(runs[row].size(), [&](std::size_t column) { runs[row][column] += 1; });
  });
  EXPECT_EQ(runs, std::vector<std::vector<int>>(7, std::vector<int>(11, 1)));
}

TEST(ParallelTasks, AnExceptionComesOutOnceTheOthersAreOver) {
  std::atomic<int> running = 0;
  try {
    parallel_tasks(100, [&](std::size_t task) {
      ++running;
      const struct End {
        std::atomic<int>& running;
        ~End() { --running; }
      } end{running};
      if (task == 30) throw std::runtime_error("task 30");
    });
    ADD_FAILURE() << "nothing came out";
  } catch (const std::runtime_error& error) {
    EXPECT_STREQ(error.what(), "task 30");
    EXPECT_EQ(running, 0);
  }
}

}  // namespace
}  // namespace paretoformer
