#include "support/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/ringbuffer_sink.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <utility>

#include "support/files.hpp"
#include "support/text.hpp"

namespace paretoformer {
namespace {

using spdlog::details::log_msg;

constexpr std::size_t kKept = 100;  // messages until there is a file

// spdlog has no notices: its levels are those above them, one lower each.
spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::trace;
    case LogLevel::kInfo:
      return spdlog::level::debug;
    case LogLevel::kNotice:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kOff:
      break;
  }
  return spdlog::level::off;
}

bool is_warning(const log_msg& message) { return message.level == spdlog::level::warn; }

// Standard error, and the line of progress on it, which nothing tears: whatever is written erases
// it first and draws it again.
class ErrorSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  void show_status(std::string_view line) {
    const std::scoped_lock lock(mutex_);
    if (::isatty(STDERR_FILENO) == 1) {
      status_ = line;
      write("\r" + status_ + "\x1b[K");
    } else {
      write(std::string(line) + "\n");
    }
  }
  void end_status() {
    const std::scoped_lock lock(mutex_);
    if (!status_.empty()) write("\n");
    status_.clear();
  }

 protected:
  void sink_it_(const log_msg& message) override {
    write((status_.empty() ? "" : "\r\x1b[K") +
          std::string(is_warning(message) ? "paretoformer: warning: " : "") +
          std::string(message.payload.data(), message.payload.size()) + "\n" + status_);
  }
  void flush_() override {}

 private:
  static void write(const std::string& text) { std::fputs(text.c_str(), stderr); }

  std::string status_;  // empty: none is shown
};

// Whole lines, on the disk as far as the system is concerned when they are written.
class FileSink : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FileSink(const std::filesystem::path& path)
      : path_(path), descriptor_(open_to_append(path)) {
    set_pattern_("%Y-%m-%dT%H:%M:%S.%e%z %v");
  }
  ~FileSink() override { ::close(descriptor_); }
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;

 protected:
  void sink_it_(const log_msg& message) override {
    const std::string text = (is_warning(message) ? "warning: " : "") +
                             std::string(message.payload.data(), message.payload.size());
    log_msg marked = message;
    marked.payload = text;
    spdlog::memory_buf_t line;
    formatter_->format(marked, line);
    write_all(descriptor_, {line.data(), line.size()}, path_);
  }
  void flush_() override {}

 private:
  std::filesystem::path path_;
  int descriptor_;
};

// Where memory has run out the work ends, as anywhere else.
void pass_over(const std::string&) {
  try {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {
  }
}

struct Log {
  std::shared_ptr<ErrorSink> error = std::make_shared<ErrorSink>();
  std::shared_ptr<spdlog::sinks::ringbuffer_sink_mt> kept =  // null once there is a file
      std::make_shared<spdlog::sinks::ringbuffer_sink_mt>(kKept);
  std::shared_ptr<spdlog::sinks::dist_sink_mt> file =  // or what is kept for it
      std::make_shared<spdlog::sinks::dist_sink_mt>();
  spdlog::logger everywhere{"paretoformer", {error, file}};
  spdlog::logger in_file{"paretoformer", file};

  Log() {
    error->set_level(level_of(LogLevel::kWarning));
    file->set_level(level_of(LogLevel::kInfo));
    file->add_sink(kept);
    for (spdlog::logger* logger : {&everywhere, &in_file}) {
      logger->set_level(spdlog::level::trace);
      logger->set_error_handler(pass_over);
    }
  }
};

// Never destroyed: threads may log while the process ends.
Log& all() {
  static Log& log = *new Log;
  return log;
}

void log(spdlog::logger& to, LogLevel level, std::string_view text) {
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string line = printable(text.substr(0, end));
    to.log(level_of(level), spdlog::string_view_t(line));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

}  // namespace

void set_log_level(LogLevel least) { all().error->set_level(level_of(least)); }

bool log_shows(LogLevel level) { return all().error->should_log(level_of(level)); }

void set_log_file(const std::filesystem::path& path) {
  Log& log = all();
  log.file->set_sinks({std::make_shared<FileSink>(path)});
  if (const auto kept = std::exchange(log.kept, nullptr))
    for (const log_msg& message : kept->last_raw())
      log.in_file.log(message.time, {}, message.level, message.payload);
}

void log_debug(std::string_view text) { log(all().everywhere, LogLevel::kDebug, text); }
void log_info(std::string_view text) { log(all().everywhere, LogLevel::kInfo, text); }
void log_notice(std::string_view text) { log(all().everywhere, LogLevel::kNotice, text); }
void log_warning(std::string_view text) { log(all().everywhere, LogLevel::kWarning, text); }
void log_in_file(std::string_view text) { log(all().in_file, LogLevel::kNotice, text); }

void show_status(std::string_view line) {
  if (log_shows(LogLevel::kNotice)) all().error->show_status(printable(line));
}

void end_status() { all().error->end_status(); }

}  // namespace paretoformer
