#include "support/parallel.hpp"

#include <oneapi/tbb/parallel_for.h>

#include <atomic>

namespace paretoformer {
namespace {

std::atomic<TaskRunner> task_runner = nullptr;

}  // namespace

void set_task_runner(TaskRunner runner) { task_runner = runner; }

void run_tasks(std::size_t count, void (*run)(void* loop, std::size_t task), void* loop) {
  if (const TaskRunner runner = task_runner.load(std::memory_order_relaxed))
    return runner(count, run, loop);
  if (count == 1) return run(loop, 0);
  // TBB hands out the halves of a range in no order that suits long tasks.
  std::atomic<std::size_t> next = 0;
  tbb::parallel_for(
      std::size_t{0}, count, std::size_t{1},
      [=, &next](std::size_t) { run(loop, next.fetch_add(1, std::memory_order_relaxed)); },
      tbb::simple_partitioner{});
}

}  // namespace paretoformer
