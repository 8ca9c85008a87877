// Progress of long work on standard error (support/log.hpp): a bar on a terminal, a plain line now
// and then elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace paretoformer::nas {

class Progress {
 public:
  // Of work that may be over in a moment nothing is shown at first, and nothing at all if it is.
  enum class Begin { kAtOnce, kWhenLong };

  // `done` units are there already (a resumed run).
  Progress(std::string title, std::int64_t total, std::int64_t done, Begin begin = Begin::kAtOnce);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  // Shows `done` of the total with rate and time left; `note` is appended.
  void update(std::int64_t done, const std::string& note);

 private:
  using Clock = std::chrono::steady_clock;
  void show(const std::string& note);

  std::string title_;
  std::int64_t total_, first_, done_;
  bool when_long_, terminal_;
  bool shown_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_shown_{};
};

}  // namespace paretoformer::nas
