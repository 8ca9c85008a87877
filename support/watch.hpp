// Long work under watch: what it tells whoever started it, and whether it is to stop.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>

namespace paretoformer {

struct Progress {
  std::string work;  // its name: "training"
  std::int64_t done = 0, total = 0;
  std::string note = {};  // what is counted, or how it is going; may be empty
};

// All may be left out: then nobody listens, and it is never to stop.
struct Watch {
  std::function<void(const Progress&)> on_progress = {};  // one call at a time, from any thread
  // When a stop is requested, the work saves its state and throws Interrupted.
  std::stop_token stop = {};
  // Called by every thread that has noticed, before the state is saved; may be empty.
  std::function<void()> on_stop = {};

  void report(const Progress& progress) const {
    if (on_progress) on_progress(progress);
  }
  // Whether the work is to stop, which it asks now and then.
  bool stopping() const {
    if (!stop.stop_requested()) return false;
    if (on_stop) on_stop();
    return true;
  }
  // The same for a part of the work that reports nothing, or something else.
  Watch part(std::function<void(const Progress&)> progress = {}) const {
    return {std::move(progress), stop, on_stop};
  }
};

}  // namespace paretoformer
