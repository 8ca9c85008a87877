// Ctrl-C (SIGINT) and SIGTERM: every verb ends on the first one, with one line and status 130.
#pragma once

#include <filesystem>
#include <string>

namespace paretoformer::nas {

// To be called before another thread is started. From then on the first signal ends the process at
// once, whatever it is doing. Only while there is a Saving does the work have some seconds to ask
// stopping(), and then the time it takes to save its state; a second signal does not wait.
void watch_signals();

// The end of the process: removes what is unfinished, prints "paretoformer: " and `text`.
[[noreturn]] void end_interrupted(const std::string& text);

// Where a signal finds this file, the line says that --resume continues from it.
void resumes_from(const std::filesystem::path& file);

// Whether the work is to save its state and to throw Interrupted.
bool stopping();

// As long as it lives, the work asks stopping() now and then.
class Saving {
 public:
  Saving();
  ~Saving();
  Saving(const Saving&) = delete;
  Saving& operator=(const Saving&) = delete;

  // The work is done. Throws Interrupted when a signal has come since it asked last.
  void end();

 private:
  bool ended_ = false;
};

}  // namespace paretoformer::nas
