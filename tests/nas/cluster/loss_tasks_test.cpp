#include "nas/cluster/loss_tasks.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/error.hpp"

namespace paretoformer::nas {
namespace {

const LossTask kSomeTask{
    {7, 8}, LossPart::kRest, {{48, 16, 256, {{2, 64}, {1, 32}}}, {32, 16, 256, {{1, 64}}}}};

TEST(LossTasks, ComeBackAsTheyWere) {
  for (const LossPart part : {LossPart::kQuarter, LossPart::kRest, LossPart::kInt8}) {
    LossTask task = kSomeTask;
    task.part = part;
    EXPECT_EQ(loss_task_from_text(task_text(task), "f"), task);
  }
}

TEST(LossTasks, SumsComeBackToTheLastBit) {
  const std::vector<double> sums{1.0 / 3, std::nextafter(17.25, 18.0)};
  EXPECT_EQ(sums_from_text(kSomeTask, answer_text(kSomeTask, sums), "f"), sums);
  const std::vector<double> none = sums_from_text(
      kSomeTask, answer_text(kSomeTask, {std::numeric_limits<double>::infinity(), 2}), "f");
  EXPECT_TRUE(std::isnan(none[0]));
  EXPECT_EQ(none[1], 2);
}

TEST(LossTasks, AnyChangedByteIsNoticed) {
  for (std::string text : {task_text(kSomeTask), answer_text(kSomeTask, {1.5, 2.5})})
    for (std::size_t i = 0; i < text.size(); ++i) {
      text[i] ^= 1;
      EXPECT_THROW(loss_task_from_text(text, "f"), InputError) << i;
      EXPECT_THROW(sums_from_text(kSomeTask, text, "f"), InputError) << i;
      text[i] ^= 1;
      EXPECT_THROW(loss_task_from_text(text.substr(0, i), "f"), InputError) << i;
    }
}

TEST(LossTasks, AnAnswerToAnotherTaskIsRefused) {
  LossTask other = kSomeTask;
  other.identity.arithmetic = 9;
  EXPECT_NE(name_of(other), name_of(kSomeTask));
  EXPECT_THROW(sums_from_text(other, answer_text(kSomeTask, {1.5, 2.5}), "f"), InputError);
  EXPECT_THROW(sums_from_text(kSomeTask, answer_text(kSomeTask, {1.5}), "f"), InputError);
}

}  // namespace
}  // namespace paretoformer::nas
