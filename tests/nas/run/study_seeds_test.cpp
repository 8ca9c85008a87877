#include "nas/run/study_seeds.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "nas/report/study_report.hpp"
#include "nas/run/run_folder.hpp"
#include "support/error.hpp"
#include "support/files.hpp"
#include "support/json.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

StudyStep step(double edp, double perplexity, const char* name = "d") {
  return {name, "what", {16, 16, 0, {{1, 32}}}, perplexity, 0, edp, edp / 2, 1};
}

// Of the search's choice, which has a perplexity of 12, and of what it had trained on.
SeedStudy study_of(std::uint64_t seed, double edp) {
  Study study;
  study.machines = {step(1000, 10, "a"), step(900, 10, "b"), step(200, 10, "c"), step(100, 10)};
  study.choices = {{"+2", 12, step(edp, 12, "e")}};
  study.rivals = {{"evolution", {step(100, 10), step(edp, 12)}},
                  {"uniform", {step(100, 10), step(45, 15)}},
                  {"fisher", {step(100, 11)}}};
  study.trained_steps = 5;
  study.trained = {{"largest", "", 10, step(100, 8)},
                   {"evolution", "+2", 12, step(25, 16)},
                   // At 50 the search's line has the root of 8 x 16.
                   {"uniform", "+2", 15, step(50, 1.1 * std::sqrt(8 * 16))},
                   // Beyond its last network, at 12.5, it has the root of 2 times 16.
                   {"fisher, tuned", "+2", 15, step(12.5, 0.9 * 16 * std::sqrt(2))}};
  return {"runs/" + std::to_string(seed), seed, study};
}

// Two values' interval is 12.7062 times half of their distance to either side.
constexpr double kReach = 12.7062 / 2;

TEST(StudySeeds, AreMeansWithIntervals) {
  const SeedStudy studies[] = {study_of(1, 25), study_of(2, 50)};
  const StudySeeds seeds = together(studies);
  ASSERT_EQ(seeds.choices.size(), 1u);
  // 40 and 20 times less than a, 4 and 2 times less than d.
  const Estimate& in_all = seeds.choices[0].in_all;
  EXPECT_NEAR(in_all.value, std::sqrt(40 * 20), 1e-9);
  EXPECT_NEAR(std::log(in_all.high / in_all.value), kReach * std::log(2), 1e-9);
  EXPECT_NEAR(in_all.value / in_all.low, in_all.high / in_all.value, 1e-6);
  EXPECT_NEAR(seeds.choices[0].search.value, std::sqrt(8), 1e-9);
  ASSERT_TRUE(seeds.choices[0].trained.has_value());
  EXPECT_NEAR(seeds.choices[0].trained->value, 16 - 8, 1e-12);
  EXPECT_NEAR(seeds.choices[0].trained->high, 16 - 8, 1e-12);
}

TEST(StudySeeds, CompareRivalsAtEqualProducts) {
  const SeedStudy studies[] = {study_of(1, 25), study_of(2, 50)};
  const StudySeeds seeds = together(studies);
  ASSERT_EQ(seeds.rivals.size(), 2u);
  const StudySeeds::Rival& uniform = seeds.rivals[0];
  EXPECT_EQ(uniform.name, "uniform");
  // At 50 it has 15 and the search 12; at 33 it has nothing, nor has the second seed's search.
  ASSERT_TRUE(uniform.above[2].has_value());
  EXPECT_NEAR(uniform.above[2]->value, 0.25, 1e-12);
  EXPECT_NEAR(uniform.above[2]->low, 0.25, 1e-12);
  EXPECT_FALSE(uniform.above[3].has_value());
  for (const auto& above : seeds.rivals[1].above) EXPECT_FALSE(above.has_value());
}

TEST(StudySeeds, CompareWhatIsTrainedOnWithALineThroughTheSearch) {
  const SeedStudy studies[] = {study_of(1, 25), study_of(2, 50)};
  const StudySeeds seeds = together(studies);
  ASSERT_EQ(seeds.trained.size(), 2u);
  EXPECT_EQ(seeds.trained[0].rival, "uniform");
  EXPECT_NEAR(seeds.trained[0].above[0]->value, 0.1, 1e-9);
  EXPECT_EQ(seeds.trained[1].rival, "fisher");
  EXPECT_NEAR(seeds.trained[1].above[0]->value, -0.1, 1e-9);
  EXPECT_NEAR(seeds.trained[1].mean->high, -0.1, 1e-9);
}

TEST(StudySeeds, WithoutTrainingOnSayNothingOfIt) {
  SeedStudy studies[] = {study_of(1, 25), study_of(2, 50)};
  for (SeedStudy& each : studies) each.study.trained.clear();
  const StudySeeds seeds = together(studies);
  EXPECT_TRUE(seeds.trained.empty());
  EXPECT_FALSE(seeds.choices[0].trained.has_value());
  EXPECT_THAT(study_seeds_table(seeds), ::testing::Not(HasSubstr("rained on")));
}

TEST(StudySeeds, ArePrinted) {
  const SeedStudy studies[] = {study_of(1, 25), study_of(7, 25)};
  const StudySeeds seeds = together(studies);
  const std::string markdown = study_seeds_markdown(seeds);
  EXPECT_THAT(markdown, HasSubstr("95 % intervals of 2 seeds (1, 7)"));
  EXPECT_THAT(markdown, HasSubstr("| +2 | 40 [40, 40] | 4 [4, 4] |  | +8.000 [+8.000, +8.000] |"));
  EXPECT_THAT(markdown, HasSubstr("| uniform | +25.00 [+25.00, +25.00] |"));  // at 80: 15 to 12
  EXPECT_THAT(markdown,
              HasSubstr("| fisher | -10.00 [-10.00, -10.00] | -10.00 [-10.00, -10.00] |"));
  const Json json = to_json(seeds);
  EXPECT_EQ(json["seeds"], Json({1, 7}));
  EXPECT_NEAR(json["choices"][0]["edp_search"]["mean"].get<double>(), 4, 1e-9);
  EXPECT_EQ(json["trained_on"][1]["rival"], "fisher");
}

void expect_refused(const SeedStudy& second, const std::string& why) {
  const SeedStudy studies[] = {study_of(1, 25), second};
  try {
    together(studies);
    ADD_FAILURE() << why;
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr(why));
  }
}

TEST(StudySeeds, RefuseStudiesOfOtherConfigurations) {
  expect_refused(study_of(1, 25), "runs/1: seed 1 is that of runs/1, expected another one");
  SeedStudy other = study_of(2, 25);
  other.study.machines[2].energy_pj = 2;
  expect_refused(other, "runs/2: another network or price of its study, expected that of runs/1");
  other = study_of(2, 25);
  other.study.choices[0].budget = "+3";
  expect_refused(other, "other limits");
  other = study_of(2, 25);
  other.study.rivals[0].name = "random";
  expect_refused(other, "another search");
  other = study_of(2, 25);
  other.study.trained_steps = 6;
  expect_refused(other, "other steps of training on");
  const SeedStudy alone[] = {study_of(1, 25)};
  EXPECT_THROW(together(alone), InputError);
}

TEST(StudySeeds, AreReadFromTheFoldersOfRuns) {
  TemporaryFolder box;
  const TinyRun tiny(tiny_config(box / "run"));
  const RunFolder& run = tiny.folder;
  try {
    read_seed_study(run.path());
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(),
                HasSubstr("has no study.json, expected a run that study was used on"));
  }
  const SeedStudy studied = study_of(3, 25);
  Json json = to_json(studied.study);
  json["provenance"] = {{"seed", 3}};
  write_file_atomic(run.study(), to_text(json));
  const SeedStudy found = read_seed_study(run.path());
  EXPECT_EQ(found.seed, 3u);
  EXPECT_EQ(to_json(found.study), to_json(studied.study));
}

}  // namespace
}  // namespace paretoformer::nas
