#include "nas/cli/progress.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "support/files.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;
using ::testing::internal::CaptureStderr;
using ::testing::internal::GetCapturedStderr;

TEST(Progress, PlainLinesOffATerminalFirstAndLastAtLeast) {
  CaptureStderr();
  {
    Progress progress("work", 100, 0, false);
    for (int done = 1; done <= 100; ++done) progress.update(done, "note" + std::to_string(done));
  }
  const std::string text = GetCapturedStderr();
  EXPECT_THAT(text, HasSubstr("1/100"));
  EXPECT_THAT(text, HasSubstr("100%  100/100"));
  EXPECT_THAT(text, HasSubstr("note100\n"));
  EXPECT_EQ(text.find('\r'), std::string::npos);
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 10);
}

TEST(Progress, OfWorkThatIsOverSoonNothing) {
  CaptureStderr();
  {
    Progress progress("work", 100, 0, false, Progress::Begin::kWhenLong);
    for (int done = 0; done <= 100; ++done) progress.update(done, "");
  }
  EXPECT_EQ(GetCapturedStderr(), "");
}

TEST(Progress, TheTimeLeftCountsOnlyWhatWasDoneSinceTheStart) {
  CaptureStderr();
  Progress("work", 100, 40, false).update(40, "");  // a resumed run: no rate yet
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("40%  40/100  0.0/s  elapsed 0:00  left ?"));
}

TEST(Progress, QuietPrintsNothingAndAnEmptyTotalIsNoDivisionByZero) {
  CaptureStderr();
  Progress("work", 10, 0, true).update(10, "");
  EXPECT_EQ(GetCapturedStderr(), "");
  CaptureStderr();
  Progress("work", 0, 0, false).update(0, "");
  EXPECT_THAT(GetCapturedStderr(), HasSubstr("work"));
}

}  // namespace
}  // namespace paretoformer::nas
