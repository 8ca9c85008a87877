// Waiting for what only shows when one looks: often at first, then less and less, so that it is
// seen late by at most a small part of the time that it took.
#pragma once

#include <algorithm>
#include <chrono>
#include <thread>

namespace paretoformer {

class Pause {
 public:
  using Milliseconds = std::chrono::duration<double, std::milli>;

  explicit Pause(Milliseconds first = Milliseconds(2), Milliseconds longest = Milliseconds(500))
      : first_(first), longest_(longest) {}
  void wait() {
    const Milliseconds next = std::clamp(kPart * waited_, first_, longest_);
    std::this_thread::sleep_for(next);
    waited_ += next;
  }
  // In all.
  Milliseconds waited() const { return waited_; }

 private:
  static constexpr double kPart = 0.02;
  Milliseconds first_, longest_, waited_{};
};

}  // namespace paretoformer
