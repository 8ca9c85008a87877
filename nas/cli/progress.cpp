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

std::string duration(double seconds) {
  const auto whole = std::lround(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

Progress::Progress(std::string title, std::int64_t total, std::int64_t done, Begin begin)
    : title_(std::move(title)),
      total_(std::max<std::int64_t>(total, 1)),
      first_(done),
      done_(done),
      when_long_(begin == Begin::kWhenLong),
      terminal_(::isatty(STDERR_FILENO) == 1) {}

Progress::~Progress() {
  if (shown_) end_status();
}

void Progress::update(std::int64_t done, const std::string& note) {
  done_ = done;
  if (!log_shows(LogLevel::kNotice)) return;
  const Clock::time_point now = Clock::now();
  if (when_long_ && !shown_) {
    const std::chrono::duration<double> elapsed = now - start_;
    if (elapsed.count() < (terminal_ ? kLongSeconds : kPlainSeconds)) return;
  }
  const std::chrono::duration<double> since = now - last_shown_;
  const bool last = done_ >= total_;
  if (!last && since.count() < (terminal_ ? kTerminalSeconds : kPlainSeconds)) return;
  last_shown_ = now;
  shown_ = true;
  show(note);
}

void Progress::show(const std::string& note) {
  const std::chrono::duration<double> elapsed = Clock::now() - start_;
  const double rate = static_cast<double>(done_ - first_) / std::max(elapsed.count(), 1e-3);
  const std::string left = rate > 0 ? duration(static_cast<double>(total_ - done_) / rate) : "?";
  const double share = static_cast<double>(done_) / static_cast<double>(total_);
  std::string bar;
  if (terminal_) {
    const int filled = std::clamp(static_cast<int>(share * kBarWidth), 0, kBarWidth);
    bar = "[" + std::string(static_cast<std::size_t>(filled), '#') +
          std::string(static_cast<std::size_t>(kBarWidth - filled), '.') + "] ";
  }
  show_status(fmt::format("{:<8} {}{:3}%  {}/{}  {:.1f}/s  elapsed {}  left {}  {}", title_, bar,
                          static_cast<int>(share * 100), done_, total_, rate,
                          duration(elapsed.count()), left, note));
}

}  // namespace paretoformer::nas
