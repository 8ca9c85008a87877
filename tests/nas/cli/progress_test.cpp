#include "nas/cli/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/captured_log.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

TEST(Progress, PlainLinesOffATerminalFirstAndLastAtLeast) {
  CapturedLog log(LogLevel::kNotice);
  {
    Progress progress("work", 100, 0);
    for (int done = 1; done <= 100; ++done) progress.update(done, "note" + std::to_string(done));
  }
  const std::string text = log.text();
  EXPECT_THAT(text, HasSubstr("1/100"));
  EXPECT_THAT(text, HasSubstr("100%  100/100"));
  EXPECT_THAT(text, HasSubstr("note100\n"));
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 10);
}

TEST(Progress, OfWorkThatIsOverSoonNothing) {
  CapturedLog log(LogLevel::kNotice);
  {
    Progress progress("work", 100, 0, Progress::Begin::kWhenLong);
    for (int done = 0; done <= 100; ++done) progress.update(done, "");
  }
  EXPECT_EQ(log.text(), "");
}

TEST(Progress, TheTimeLeftCountsOnlyWhatWasDoneSinceTheStart) {
  CapturedLog log(LogLevel::kNotice);
  Progress("work", 100, 40).update(40, "");  // a resumed run: no rate yet
  EXPECT_THAT(log.text(), HasSubstr("40%  40/100  0.0/s  elapsed 0:00  left ?"));
}

TEST(Progress, OfAnEmptyTotalIsNoDivisionByZero) {
  CapturedLog log(LogLevel::kNotice);
  Progress("work", 0, 0).update(0, "");
  EXPECT_THAT(log.text(), HasSubstr("work"));
}

TEST(Progress, IsNotShownWhereNoticesAreNot) {
  CapturedLog log(LogLevel::kWarning);
  Progress("work", 10, 0).update(10, "");
  EXPECT_EQ(log.text(), "");
}

}  // namespace
}  // namespace paretoformer::nas
