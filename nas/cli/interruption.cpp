#include "nas/cli/interruption.hpp"

#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <ctime>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>

#include "support/error.hpp"
#include "support/unfinished.hpp"

namespace paretoformer::nas {
namespace {

constexpr int kInterrupted = 130;         // exit status
constexpr timespec kPatience{10, 0};      // until the work notices that it is to stop
constexpr int kWriteMilliseconds = 1000;  // until the line can be written

struct State {
  std::mutex mutex;  // held for ever by who ends the process
  int saving = 0;
  std::stop_source stop;
  std::filesystem::path resumed;
};

// Never destroyed: the watching thread outlives main().
State& state() {
  static State& all = *new State;
  return all;
}

std::atomic<bool> stop_noticed{false};

// Not through stderr's buffer, whose lock another thread may hold while it waits for a reader.
void write_line(const std::string& line) {
  pollfd error{STDERR_FILENO, POLLOUT, 0};
  if (::poll(&error, 1, kWriteMilliseconds) != 1) return;
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

[[noreturn]] void end_locked(const std::string& text) {
  Unfinished::remove_all();
  // A terminal shows "^C" or a progress bar in front.
  write_line((::isatty(STDERR_FILENO) == 1 ? "\nparetoformer: " : "paretoformer: ") + text + "\n");
  ::_exit(kInterrupted);
}

[[noreturn]] void end_at_once() {
  std::error_code ignored;
  const bool resumable =
      !state().resumed.empty() && std::filesystem::exists(state().resumed, ignored);
  end_locked(resumable ? "interrupted; continue with --resume" : "interrupted");
}

// Whether one of `signals` came before the work noticed that it is to stop.
bool another_signal_in_time(const sigset_t& signals) {
  while (::sigtimedwait(&signals, nullptr, &kPatience) < 0)
    if (errno == EAGAIN) return false;
  return true;
}

// An ordinary thread, so that what it does need not be safe in a signal handler.
void watch(const sigset_t& signals) {
  int signal = 0;
  while (::sigwait(&signals, &signal) != 0) {
  }
  {
    std::unique_lock lock(state().mutex);
    if (state().saving == 0) end_at_once();
    state().stop.request_stop();  // whose callbacks need not be safe in a handler either
  }
  if (!another_signal_in_time(signals) && stop_noticed) ::sigwait(&signals, &signal);
  state().mutex.lock();
  end_at_once();
}

}  // namespace

void watch_signals() {
  sigset_t signals;
  ::sigemptyset(&signals);
  for (int signal : {SIGINT, SIGTERM}) ::sigaddset(&signals, signal);
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);  // also of every thread to come
  std::thread([signals] { watch(signals); }).detach();
}

void end_interrupted(const std::string& text) {
  state().mutex.lock();
  end_locked(text);
}

void resumes_from(const std::filesystem::path& file) {
  const std::scoped_lock lock(state().mutex);
  state().resumed = file;
}

LongWork::~LongWork() { leave(); }

Watch LongWork::watch() {
  const auto report = [this](const Progress& progress) {
    if (!saving_) {
      const std::scoped_lock lock(state().mutex);
      ++state().saving;
      saving_ = true;
    }
    bar_.show(progress);
  };
  return {report, state().stop.get_token(), [] { stop_noticed = true; }};
}

void LongWork::end() {
  leave();
  if (state().stop.stop_requested()) throw Interrupted("stopped before what comes next");
}

void LongWork::leave() {
  if (!saving_) return;
  const std::scoped_lock lock(state().mutex);
  --state().saving;
  saving_ = false;
}

}  // namespace paretoformer::nas
