#include "support/log.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include "support/error.hpp"
#include "support/files.hpp"
#include "tests/captured_log.hpp"
#include "tests/temporary_folder.hpp"

namespace paretoformer {
namespace {

void say_all() {
  log_debug("debug");
  log_info("info");
  log_notice("notice");
  log_warning("warning");
  log_in_file("file alone");
  show_status("status");
}

TEST(Log, ALibrarySaysWarningsAndNothingElse) {
  testing::internal::CaptureStderr();
  say_all();
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "paretoformer: warning: warning\n");
}

TEST(Log, ShowsWhatIsOfTheLevelOrAbove) {
  const std::string warning = "paretoformer: warning: warning\n";
  for (const auto& [level, text] : {std::pair{LogLevel::kDebug, "debug\ninfo\nnotice\n" + warning},
                                    {LogLevel::kInfo, "info\nnotice\n" + warning},
                                    {LogLevel::kNotice, "notice\n" + warning},
                                    {LogLevel::kWarning, warning},
                                    {LogLevel::kOff, std::string()}}) {
    CapturedLog log(level);
    say_all();
    EXPECT_EQ(log.text(), text + (log_shows(LogLevel::kNotice) ? "status\n" : ""));
  }
}

TEST(Log, ATextIsItsLinesAndHoldsNoControlCharacters) {
  CapturedLog log;
  log_notice("one\n\x1b[31mtwo\n\nthree\n");
  log_notice("");
  EXPECT_EQ(log.text(), "one\n\\u001b[31mtwo\n\nthree\n");
}

// A process has one file at first: hence one test.
TEST(Log, TheFileHasAllFromInformationOnWhateverIsShown) {
  const TemporaryFolder box;
  {
    CapturedLog log(LogLevel::kOff);
    log_info("before there is a file");
    set_log_file(box / "run.log");
    say_all();
    EXPECT_EQ(log.text(), "");
  }
  const std::string time = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}[+-][0-9]{2}:[0-9]{2} ";
  std::string lines;  // other tests may have said something before
  for (const char* line :
       {"before there is a file", "info", "notice", "warning: warning", "file alone"})
    lines += time + line + "\n";
  const std::string first = read_file(box / "run.log");
  EXPECT_THAT(first, testing::ContainsRegex(lines));
  EXPECT_TRUE(first.ends_with(" file alone\n"));

  // Another file gets what is said from then on, and one that is there is appended to.
  set_log_file(box / "other.log");
  log_in_file("other");
  set_log_file(box / "run.log");
  log_in_file("again");
  EXPECT_THAT(read_file(box / "other.log"), testing::MatchesRegex(time + "other\n"));
  const std::string second = read_file(box / "run.log");
  ASSERT_TRUE(second.starts_with(first));
  EXPECT_THAT(second.substr(first.size()), testing::MatchesRegex(time + "again\n"));
  EXPECT_THROW(set_log_file(box.path()), InputError);
}

// Standard error as a terminal, from which read() takes what was written.
class Terminal {
 public:
  Terminal() : before_(::dup(STDERR_FILENO)) {
    int slave = -1;
    if (::openpty(&master_, &slave, nullptr, nullptr, nullptr) != 0) return;
    termios mode{};
    ::tcgetattr(slave, &mode);
    ::cfmakeraw(&mode);
    ::tcsetattr(slave, TCSANOW, &mode);
    ::dup2(slave, STDERR_FILENO);
    ::close(slave);
  }
  ~Terminal() {
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
    ::close(master_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  bool opened() const { return master_ >= 0; }
  std::string read() const {
    char text[1000];
    const ssize_t size = ::read(master_, text, sizeof text);
    return {text, static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
  }

 private:
  int before_;
  int master_ = -1;
};

TEST(Log, ALineDoesNotTearTheProgressOnATerminal) {
  const Terminal terminal;
  ASSERT_TRUE(terminal.opened());
  set_log_level(LogLevel::kNotice);
  show_status("[##..] 50%");
  EXPECT_EQ(terminal.read(), "\r[##..] 50%\x1b[K");
  log_warning("look");
  EXPECT_EQ(terminal.read(), "\r\x1b[Kparetoformer: warning: look\n[##..] 50%");
  show_status("[####] 100%");
  EXPECT_EQ(terminal.read(), "\r[####] 100%\x1b[K");
  end_status();
  EXPECT_EQ(terminal.read(), "\n");
  end_status();  // nothing is shown
  log_notice("done");
  EXPECT_EQ(terminal.read(), "done\n");
  set_log_level(LogLevel::kWarning);
}

}  // namespace
}  // namespace paretoformer
