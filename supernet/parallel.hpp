// A loop of fixed tasks, shared by however many threads there are.
#pragma once

#include <oneapi/tbb/parallel_for.h>

#include <cstddef>

#if defined(__SANITIZE_THREAD__)
#define PARETOFORMER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PARETOFORMER_TSAN 1
#endif
#endif
#ifdef PARETOFORMER_TSAN
#include <sanitizer/tsan_interface.h>
#endif

namespace paretoformer {

#ifdef PARETOFORMER_TSAN
// ThreadSanitizer does not see how a TBB library that was built without it hands out tasks and
// waits for them. This tells it what the loop guarantees and no more: every task comes after what
// the caller did before the loop and before what it does afterwards. Tasks stay unordered among
// themselves (there are two addresses), so that races between them are found.
class TaskOrder {
 public:
  TaskOrder() { __tsan_release(&begin_); }
  ~TaskOrder() { __tsan_acquire(&end_); }
  TaskOrder(const TaskOrder&) = delete;
  TaskOrder& operator=(const TaskOrder&) = delete;

  template <class Body>
  void run(const Body& body, std::size_t task) {
    __tsan_acquire(&begin_);
    body(task);
    __tsan_release(&end_);
  }

 private:
  alignas(16) char begin_ = 0;
  alignas(16) char end_ = 0;
};
#endif

// Calls body(0) ... body(count - 1), each once, in any order; returns when all are done. `count`
// must not depend on the number of threads where results must not.
template <class Body>
void parallel_tasks(std::size_t count, const Body& body) {
#ifdef PARETOFORMER_TSAN
  TaskOrder order;
  const auto task = [&](std::size_t index) { order.run(body, index); };
#else
  const Body& task = body;
#endif
  tbb::parallel_for(std::size_t{0}, count, std::size_t{1}, task, tbb::simple_partitioner{});
}

}  // namespace paretoformer
