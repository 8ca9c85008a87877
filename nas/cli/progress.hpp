// Progress of long work on standard error (support/log.hpp): a bar on a terminal, a plain line now
// and then elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "support/watch.hpp"

namespace paretoformer::nas {

class ProgressBar {
 public:
  // Of work that may be over in a moment nothing is shown at first, and nothing at all if it is.
  enum class Begin { kAtOnce, kWhenLong };

  explicit ProgressBar(Begin begin = Begin::kAtOnce) : when_long_(begin == Begin::kWhenLong) {}
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  // With rate and time left, which count from the first time that this work is shown: some of it
  // may have been done before. Other work begins another bar.
  void show(const Progress& progress);

 private:
  using Clock = std::chrono::steady_clock;
  std::string text(const Progress& progress, bool terminal) const;

  bool when_long_;
  bool shown_ = false;
  std::string work_;
  std::int64_t first_ = 0;
  Clock::time_point start_, last_shown_;
};

}  // namespace paretoformer::nas
