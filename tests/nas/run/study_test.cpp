#include "nas/run/study.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "accel_sim/simulator.hpp"
#include "nas/report/study_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/nas/report/well_formed.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::HasSubstr;

struct Cycles {
  double all = 0, energy = 0;
};
Cycles simulated(const Architecture& network, const accel_sim::Workload& workload,
                 const accel_sim::Target& target) {
  Cycles sum;
  for (const auto& each : simulate_network(network, workload, target)) {
    sum.all += static_cast<double>(each.report.cost.latency.value());
    sum.energy += each.report.cost.energy.value();
  }
  return sum;
}

class StudyTest : public ::testing::Test {
 protected:
  Study study() {
    return make_study(run_.folder, run_.proxy, predictor_, archive_,
                      confirm_front(run_.folder, run_.proxy, supernet_losses(run_.proxy),
                                    predictor_, archive_, {}));
  }

  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "run");
  TinyRun run_{config_};
  latency_predictor::LatencyPredictor predictor_ = predictor_of(config_);
  CandidateEvaluator evaluator_{supernet_losses(run_.proxy), predictor_, run_.proxy.context()};
  Archive archive_ = run_search(run_.folder, run_.proxy, evaluator_, {}).archive;
};

TEST_F(StudyTest, GoesFromTheNaiveMachineToTheRunsAndItsBestMappings) {
  const Study study = this->study();
  ASSERT_EQ(study.machines.size(), 4u);
  const Architecture largest = run_.proxy.space().largest();
  const accel_sim::Target& own = config_.hardware;
  accel_sim::Target naive = own;
  naive.scratchpad_kib = 256;
  naive.accumulator_kib = 64;
  naive.nonlinear_units = accel_sim::NonlinearUnits::kHost;
  accel_sim::Target best = own;
  best.tiling = accel_sim::Tiling::kOptimal;
  best.fusion = accel_sim::Fusion::kBest;
  best.masking = accel_sim::Masking::kBest;
  const std::pair<std::size_t, accel_sim::Target> machines[] = {{0, naive}, {2, own}, {3, best}};
  for (const auto& [step, target] : machines) {
    const Cycles expected = simulated(largest, config_.workload, target);
    EXPECT_EQ(study.machines[step].latency, expected.all) << step;
    EXPECT_DOUBLE_EQ(study.machines[step].energy_pj, expected.energy) << step;
  }
  for (const StudyStep& each : study.machines) {
    EXPECT_EQ(each.network, largest);
    EXPECT_GT(each.perplexity_int8, 0);
    EXPECT_GT(each.matmul_latency, 0);
    EXPECT_LT(each.matmul_latency, each.latency);
  }
  EXPECT_GT(study.machines[1].latency, 10 * study.machines[2].latency);  // the host's floats
}

TEST_F(StudyTest, ChoosesTheCheapestMemberWithinEachPerplexity) {
  const FinalFront front =
      confirm_front(run_.folder, run_.proxy, supernet_losses(run_.proxy), predictor_, archive_, {});
  const Study study = make_study(run_.folder, run_.proxy, predictor_, archive_, front);
  const StudyStep& base = study.machines.back();
  accel_sim::Target best = config_.hardware;
  best.tiling = accel_sim::Tiling::kOptimal;
  best.fusion = accel_sim::Fusion::kBest;
  best.masking = accel_sim::Masking::kBest;
  ASSERT_EQ(study.choices.size(), 4u);
  EXPECT_DOUBLE_EQ(study.choices[1].most, base.perplexity_int8 + 1);
  EXPECT_DOUBLE_EQ(study.choices[3].most, base.perplexity_int8 * 1.045);
  for (const StudyChoice& choice : study.choices) {
    double least = base.edp();
    for (const FrontMember& member : front.members) {
      if (member.confirmed.perplexity_int8 > choice.most) continue;
      const Cycles cost = simulated(member.candidate.architecture, config_.workload, best);
      least = std::min(least, cost.all * cost.energy);
    }
    EXPECT_DOUBLE_EQ(choice.step.edp(), least) << choice.budget;
    EXPECT_LE(choice.step.counted(), choice.most);
  }
  EXPECT_LT(study.choices[1].step.edp(), base.edp());  // some member is within 1
}

// A network that no search has seen is scored now.
TEST_F(StudyTest, ConfirmsALargestNetworkThatTheSearchHasNotSeen) {
  Archive without(archive_.objectives(), archive_.limits());
  const std::uint64_t largest = architecture_id(run_.proxy.space().largest());
  for (const Candidate& each : archive_.candidates())
    if (each.id != largest) without.add(each);
  const Objectives seen = confirmed_objectives(run_.folder, run_.proxy, predictor_, archive_,
                                               run_.proxy.space().largest());
  const Objectives unseen = confirmed_objectives(run_.folder, run_.proxy, predictor_, without,
                                                 run_.proxy.space().largest());
  EXPECT_EQ(seen, unseen);
}

TEST_F(StudyTest, RefusesAFrontThatIsNotConfirmed) {
  try {
    make_study(run_.folder, run_.proxy, predictor_, archive_, predicted_front(archive_));
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("not confirmed yet"));
  }
}

// Factors of 10 and 2 in latency, 4 and 1 in energy; e is 1.25 and 2 better.
TEST(StudyReport, MultipliesTheStepsOut) {
  const auto step = [](const char* name, double latency, double energy) {
    return StudyStep{name, "what", {16, 16, 0, {{1, 32}}}, 20, 20.5, latency, latency / 2, energy};
  };
  const Study study{{step("a", 8000, 400e6), step("b", 8000, 400e6), step("c", 800, 100e6),
                     step("d", 400, 100e6)},
                    {{"+0.1", 20.6, step("e", 320, 50e6)}}};
  const std::string table = study_table(study);
  EXPECT_THAT(table, HasSubstr("10x"));            // latency of c
  EXPECT_THAT(table, HasSubstr("40x"));            // EDP of c
  EXPECT_THAT(table, HasSubstr("2.5x"));           // EDP of e over d
  EXPECT_THAT(table, HasSubstr("200x"));           // a over e
  EXPECT_THAT(table, HasSubstr("2.24x"));          // published
  EXPECT_THAT(table, HasSubstr("50.0x at +0.1"));  // 8000 / 400 x 2.5
  const std::string markdown = study_markdown(study);
  EXPECT_EQ(std::count(markdown.begin(), markdown.end(), '|'), 7 * 12);
  EXPECT_THAT(markdown, HasSubstr("50.0x at +0.1"));
  const std::string picture = study_svg(study, "a < b");
  expect_well_formed(picture);
  EXPECT_THAT(picture, HasSubstr(">2.5x<"));
  const Json json = to_json(study);
  EXPECT_EQ(json["machines"][2]["edp"], 800 * 100e6);
  EXPECT_EQ(json["choices"][0]["most_perplexity"], 20.6);
}

}  // namespace
}  // namespace paretoformer::nas
