// Waiting for what only shows when one looks: often at first, then less and less.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace paretoformer {

class Pause {
 public:
  using Milliseconds = std::chrono::duration<double, std::milli>;

  explicit Pause(Milliseconds first = Milliseconds(2), Milliseconds longest = Milliseconds(500))
      : next_(first), longest_(longest) {}
  void wait() {
    std::this_thread::sleep_for(next_);
    waited_ += next_;
    next_ = std::min(1.5 * next_, longest_);
  }
  // In all.
  Milliseconds waited() const { return waited_; }

 private:
  Milliseconds next_, longest_, waited_{};
};

}  // namespace paretoformer
