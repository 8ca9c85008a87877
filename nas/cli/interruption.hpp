// Ctrl-C (SIGINT) and SIGTERM: every verb ends on the first one, with one line and status 130.
#pragma once

#include <filesystem>
#include <string>

#include "nas/cli/progress.hpp"
#include "support/watch.hpp"

namespace paretoformer::nas {

// To be called before another thread is started. From then on the first signal ends the process at
// once, whatever it is doing. Only LongWork has some seconds to notice it, and then the time it
// takes to save its state; a second signal does not wait.
void watch_signals();

// The end of the process: removes what is unfinished, prints "paretoformer: " and `text`.
[[noreturn]] void end_interrupted(const std::string& text);

// Where a signal finds this file, the line says that --resume continues from it.
void resumes_from(const std::filesystem::path& file);

// Work that shows its progress, and saves its state when a signal stops it.
class LongWork {
 public:
  LongWork() = default;
  ~LongWork();
  LongWork(const LongWork&) = delete;
  LongWork& operator=(const LongWork&) = delete;

  // For the work to report to and to ask, while this lives. There is something to save from its
  // first report on; until then a signal ends the process at once.
  Watch watch();
  // The work is done. Throws Interrupted when a signal has come since it asked last.
  void end();

 private:
  void leave();

  ProgressBar bar_;
  bool saving_ = false;
};

// What `work` returns, which is given that Watch.
template <typename Work>
auto long_work(const Work& work) {
  LongWork watched;
  auto result = work(watched.watch());
  watched.end();
  return result;
}

}  // namespace paretoformer::nas
