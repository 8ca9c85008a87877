// Long work that is stopped at a moment of its own: a test that stops it by the clock would stop it
// somewhere else every time.
#pragma once

#include <atomic>
#include <functional>
#include <stop_token>
#include <utility>

#include "support/watch.hpp"

namespace paretoformer {

// Asks the work to stop when count() has been called so many times; the watch does so at each
// report.
class StopAfter {
 public:
  explicit StopAfter(int calls) : calls_(calls) {}  // 0: never

  void count() {
    if (++counted_ == calls_) source_.request_stop();
  }
  int counted() const { return counted_; }
  Watch watch(std::function<void(const Progress&)> on_progress = {}) {
    return {[this, on_progress = std::move(on_progress)](const Progress& progress) {
              if (on_progress) on_progress(progress);
              count();
            },
            source_.get_token()};
  }

 private:
  int calls_;
  std::atomic<int> counted_ = 0;
  std::stop_source source_;
};

}  // namespace paretoformer
