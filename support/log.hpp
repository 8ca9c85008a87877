// The log: what a user is to know beside the answer, as lines on standard error and, once there is
// one, in a file.
//
// The libraries write to it too. A program that links them gets their warnings on its standard
// error and nothing else; set_log_level() shows it more, or, with LogLevel::kOff, nothing at all.
#pragma once

#include <filesystem>
#include <string_view>

namespace paretoformer {

enum class LogLevel {
  kDebug,    // steps of the work, such as every checkpoint
  kInfo,     // where something was taken from, where work goes on
  kNotice,   // what a program says to its user while it works, and its progress
  kWarning,  // something is not as it should be, and the work goes on all the same
  kOff
};

// All of these but set_log_file() may be called from several threads at a time.

// The least that standard error shows: kWarning until it is set.
void set_log_level(LogLevel least);
bool log_shows(LogLevel level);

// The file that is appended to from now on, whatever standard error shows: from kInfo on, with the
// time, beginning with what was said before there was a file. Throws as open_to_append(). That it
// cannot be written later is passed over: a log is not worth the work that it is about.
void set_log_file(const std::filesystem::path& path);

// Every line of `text` is one of the log, fit for a terminal (support/text.hpp).
void log_debug(std::string_view text);
void log_info(std::string_view text);
void log_notice(std::string_view text);
void log_warning(std::string_view text);
// To the file alone: standard error is told by other means.
void log_in_file(std::string_view text);

// Shows a line of progress, where notices are shown. On a terminal it stays below what is logged
// meanwhile, until another one takes its place or end_status() leaves it where it is; elsewhere it
// is an ordinary line. The file does not get it.
void show_status(std::string_view line);
void end_status();

}  // namespace paretoformer
