#include "nas/cli/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/captured_log.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;
using ::testing::MatchesRegex;

TEST(ProgressBars, PlainLinesOffATerminalFirstAndLastAtLeast) {
  CapturedLog log(LogLevel::kNotice);
  {
    ProgressBar bar;
    for (int done = 1; done <= 100; ++done)
      bar.show({"work", done, 100, "note" + std::to_string(done)});
  }
  const std::string text = log.text();
  EXPECT_THAT(text, HasSubstr("1/100"));
  EXPECT_THAT(text, HasSubstr("100%  100/100"));
  EXPECT_THAT(text, HasSubstr("note100\n"));
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 10);
}

TEST(ProgressBars, OfWorkThatIsOverSoonNothing) {
  CapturedLog log(LogLevel::kNotice);
  {
    ProgressBar bar(ProgressBar::Begin::kWhenLong);
    for (int done = 0; done <= 100; ++done) bar.show({"work", done, 100});
  }
  EXPECT_EQ(log.text(), "");
}

TEST(ProgressBars, TheTimeLeftCountsOnlyWhatWasDoneSinceTheStart) {
  CapturedLog log(LogLevel::kNotice);
  ProgressBar().show({"work", 40, 100});  // a resumed run: no rate yet
  EXPECT_THAT(log.text(), HasSubstr("40%  40/100  0.0/s  elapsed 0:00  left ?"));
}

TEST(ProgressBars, OtherWorkBeginsAnew) {
  CapturedLog log(LogLevel::kNotice);
  ProgressBar bar;
  bar.show({"one", 1, 2});
  bar.show({"one", 1, 2});  // too soon to be shown again
  bar.show({"two", 5, 9});
  EXPECT_THAT(log.text(), MatchesRegex("one +50%  1/2 [^\n]*\ntwo +55%  5/9  0.0/s [^\n]*\n"));
}

TEST(ProgressBars, OfAnEmptyTotalIsNoDivisionByZero) {
  CapturedLog log(LogLevel::kNotice);
  ProgressBar().show({"work", 0, 0});
  EXPECT_THAT(log.text(), HasSubstr("work"));
}

TEST(ProgressBars, AreNotShownWhereNoticesAreNot) {
  CapturedLog log(LogLevel::kWarning);
  ProgressBar().show({"work", 10, 10});
  EXPECT_EQ(log.text(), "");
}

}  // namespace
}  // namespace paretoformer::nas
