#include "nas/cli/progress.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>

#include "support/log.hpp"

namespace paretoformer::nas {
namespace {

constexpr double kTerminalSeconds = 0.1;
constexpr double kPlainSeconds = 10;
constexpr double kLongSeconds = 1;  // on a terminal
constexpr int kBarWidth = 24;

double seconds(std::chrono::duration<double> duration) { return duration.count(); }

std::string minutes(double seconds) {
  const auto whole = std::lround(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

ProgressBar::~ProgressBar() {
  if (shown_) end_status();
}

void ProgressBar::show(const Progress& progress) {
  if (!log_shows(LogLevel::kNotice)) return;
  const Clock::time_point now = Clock::now();
  if (work_ != progress.work) {
    if (shown_) end_status();
    shown_ = false;
    work_ = progress.work;
    first_ = progress.done;
    start_ = now;
  }
  const bool terminal = ::isatty(STDERR_FILENO) == 1;
  const bool last = progress.done >= progress.total;
  if (when_long_ && !shown_ && seconds(now - start_) < (terminal ? kLongSeconds : kPlainSeconds))
    return;
  if (shown_ && !last && seconds(now - last_shown_) < (terminal ? kTerminalSeconds : kPlainSeconds))
    return;
  last_shown_ = now;
  shown_ = true;
  show_status(text(progress, terminal));
}

std::string ProgressBar::text(const Progress& progress, bool terminal) const {
  const double elapsed = seconds(Clock::now() - start_);
  const auto total = static_cast<double>(std::max<std::int64_t>(progress.total, 1));
  const auto done = static_cast<double>(progress.done);
  const double rate = (done - static_cast<double>(first_)) / std::max(elapsed, 1e-3);
  const std::string left = rate > 0 ? minutes((total - done) / rate) : "?";
  std::string bar;
  if (terminal) {
    const int filled = std::clamp(static_cast<int>(done / total * kBarWidth), 0, kBarWidth);
    bar = "[" + std::string(static_cast<std::size_t>(filled), '#') +
          std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "] ";
  }
  return fmt::format("{:<8} {}{:3}%  {}/{}  {:.1f}/s  elapsed {}  left {}  {}", progress.work, bar,
                     static_cast<int>(done / total * 100), progress.done,
                     static_cast<std::int64_t>(total), rate, minutes(elapsed), left, progress.note);
}

}  // namespace paretoformer::nas
