#include "nas/report/training_report.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "support/json.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

std::vector<supernet::ProbeRecord> records_of(int count, double drift) {
  std::vector<supernet::ProbeRecord> records;
  for (int i = 0; i < count; ++i) {
    records.push_back({100 * (i + 1), {2.0, 2.5 + drift * i, 2.25}});
    records.back().converged = recent_change(records).converged();
  }
  return records;
}

TEST(ConvergenceReport, SaysWhetherAndSinceWhen) {
  EXPECT_EQ(convergence_summary({}), "");
  EXPECT_EQ(convergence_json({}), nullptr);
  const auto still = records_of(6, 0);
  EXPECT_THAT(convergence_summary(still),
              HasSubstr("of 3 probe networks are stable since step 400 of 600\n"));
  EXPECT_EQ(convergence_json(still), (Json{{"converged", true}, {"since", 400}, {"steps", 600}}));
  const auto moving = records_of(6, 0.1);
  EXPECT_THAT(convergence_summary(moving), HasSubstr("not converged after 600 steps: in the last 3 "
                                                     "intervals one changed by 0.3000, 30.0 %"));
  EXPECT_EQ(convergence_json(moving)["since"], nullptr);
  EXPECT_THAT(convergence_summary(records_of(2, 0)), HasSubstr("too few probes"));
  EXPECT_THAT(convergence_summary(records_of(4, -1)), HasSubstr("no better than the smallest"));
}

TEST(ConvergenceReport, SaysWhoseWeightsThereAre) {
  auto records = records_of(6, 0);
  EXPECT_THAT(convergence_summary(records), Not(HasSubstr("early stopping")));
  records[0].best = records[2].best = true;
  EXPECT_THAT(convergence_summary(records),
              HasSubstr("early stopping: the weights are those after step 300 of 600\n"));
  EXPECT_EQ(convergence_json(records)["best_step"], 300);
  for (supernet::ProbeRecord& record : records) record.losses.resize(1);
  EXPECT_EQ(convergence_summary(records),
            "early stopping: the weights are those after step 300 of 600\n");
}

TEST(ConvergenceReport, ACurvePerNetworkButTheLargest) {
  const std::vector<Architecture> networks{
      {64, 16, 0, {{2, 64}}}, {16, 16, 0, {{1, 16}}}, {32, 16, 0, {{1, 32}}}};
  const std::string svg = convergence_svg(records_of(5, 0), networks);
  EXPECT_THAT(svg, HasSubstr("d=16 h=[1] f=[16] (smallest)"));
  EXPECT_THAT(svg, HasSubstr("d=32 h=[1] f=[32]<"));
  EXPECT_THAT(svg, Not(HasSubstr("d=64")));
}

TEST(SpeedSummary, CountsTheTextOfEveryNetworkUnlessTheyShareIt) {
  supernet::TrainingConfig config;
  config.batch = 4;
  config.accumulation = 5;
  config.context = 50;
  EXPECT_THAT(speed_summary(config, 30, 2.0), HasSubstr("60000 text tokens per second"));
  config.distillation = 0.5;
  EXPECT_THAT(speed_summary(config, 30, 2.0), HasSubstr("15000 text tokens per second"));
}

}  // namespace
}  // namespace paretoformer::nas
