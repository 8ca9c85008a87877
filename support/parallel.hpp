// A loop of fixed tasks, shared by however many threads there are.
#pragma once

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

// Calls run(loop, 0) ... run(loop, count - 1), each once, on any thread. They begin in this order,
// so the longest should come first.
void run_tasks(std::size_t count, void (*run)(void* loop, std::size_t task), void* loop);

// For measurements: what runs the tasks of all loops from now on; null: TBB's threads again. Not
// while a loop is running.
using TaskRunner = void (*)(std::size_t count, void (*run)(void* loop, std::size_t task),
                            void* loop);
void set_task_runner(TaskRunner runner);

// ThreadSanitizer does not see how TBB, which was built without it, hands out tasks and waits for
// them. This tells it what the loop guarantees and no more: every task comes after what the caller
// did before the loop and before what it does afterwards. Tasks stay unordered among themselves
// (there are two addresses), so that races between them are found.
template <class Body>
class OrderedLoop {
 public:
  explicit OrderedLoop(const Body& body) : body_(body) {
#ifdef PARETOFORMER_TSAN
    __tsan_release(&begin_);
#endif
  }
  ~OrderedLoop() {
#ifdef PARETOFORMER_TSAN
    __tsan_acquire(&end_);
#endif
  }
  OrderedLoop(const OrderedLoop&) = delete;
  OrderedLoop& operator=(const OrderedLoop&) = delete;

  static void run(void* loop, std::size_t task) {
    auto* const self = static_cast<OrderedLoop*>(loop);
#ifdef PARETOFORMER_TSAN
    __tsan_acquire(&self->begin_);
    // Also where the body throws: TBB waits for all tasks before it passes that on.
    const struct End {
      char* end;
      ~End() { __tsan_release(end); }
    } at_the_end{&self->end_};
#endif
    self->body_(task);
  }

 private:
  const Body& body_;
#ifdef PARETOFORMER_TSAN
  alignas(16) char begin_ = 0;
  alignas(16) char end_ = 0;
#endif
};

// Calls body(0) ... body(count - 1), each once, side by side; returns when all are done. `count`
// must not depend on the number of threads where results must not. A thread that waits for the end
// of a loop within a task may begin another task of any loop.
template <class Body>
void parallel_tasks(std::size_t count, const Body& body) {
  OrderedLoop<Body> loop(body);
  run_tasks(count, OrderedLoop<Body>::run, &loop);
}

}  // namespace paretoformer
