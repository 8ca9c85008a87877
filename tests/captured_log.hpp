// What the libraries log, caught before it reaches standard error.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "support/log.hpp"

namespace paretoformer {

// All levels while it lives, and then warnings again.
class CapturedLog {
 public:
  explicit CapturedLog(LogLevel least = LogLevel::kDebug) {
    set_log_level(least);
    ::testing::internal::CaptureStderr();
  }
  ~CapturedLog() {
    text();
    set_log_level(LogLevel::kWarning);
  }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  // What has been logged, if it is asked for for the first time.
  std::string text() {
    if (caught_) return "";
    caught_ = true;
    return ::testing::internal::GetCapturedStderr();
  }

 private:
  bool caught_ = false;
};

}  // namespace paretoformer
