#include "support/parallel.hpp"

#include <oneapi/tbb/parallel_for.h>

namespace paretoformer {

void run_tasks(std::size_t count, void (*run)(void* loop, std::size_t task), void* loop) {
  tbb::parallel_for(
      std::size_t{0}, count, std::size_t{1}, [=](std::size_t task) { run(loop, task); },
      tbb::simple_partitioner{});
}

}  // namespace paretoformer
