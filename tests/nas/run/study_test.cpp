#include "nas/run/study.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "accel_sim/simulator.hpp"
#include "nas/report/study_report.hpp"
#include "nas/run/confirmation.hpp"
#include "nas/run/finetune.hpp"
#include "nas/run/run_predictor.hpp"
#include "nas/run/run_search.hpp"
#include "nas/run/supernet_losses.hpp"
#include "supernet/model/parameters.hpp"
#include "support/error.hpp"
#include "support/json.hpp"
#include "tests/nas/report/well_formed.hpp"
#include "tests/nas/tiny_run.hpp"

namespace paretoformer::nas {
namespace {

using ::testing::ElementsAre;
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
  void expect_machines(const Study& study);
  void expect_choices(const Study& study, const FinalFront& front);
  void expect_rivals(const Study& study, const FinalFront& front);
  void expect_trained(const Study& study, const supernet::TrainingConfig& training);

  TemporaryFolder box_;
  RunConfig config_ = tiny_config(box_ / "run");
  TinyRun run_{config_};
  latency_predictor::LatencyPredictor predictor_ = predictor_of(config_);
  CandidateEvaluator evaluator_{supernet_losses(run_.proxy), predictor_, run_.proxy.context()};
  Archive archive_ = run_search(run_.folder, run_.proxy, evaluator_, {}).archive;
};

// From the naive machine to the run's and its best mappings.
void StudyTest::expect_machines(const Study& study) {
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

// The cheapest member within each perplexity.
void StudyTest::expect_choices(const Study& study, const FinalFront& front) {
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

// The search beside simpler ways, also with a largest network that was trained elsewhere.
void StudyTest::expect_rivals(const Study& study, const FinalFront& front) {
  std::vector<std::string> names;
  for (const StudyRival& each : study.rivals) names.push_back(each.name);
  EXPECT_THAT(names, ElementsAre("evolution", "uniform", "magnitude", "fisher", "fisher, tuned",
                                 "magnitude, trained alone", "fisher, trained alone",
                                 "fisher, tuned, trained alone"));
  ASSERT_EQ(study.rivals[0].networks.size(), front.members.size());
  for (std::size_t i = 0; i < front.members.size(); ++i) {
    EXPECT_EQ(study.rivals[0].networks[i].network, front.members[i].candidate.architecture);
    EXPECT_EQ(study.rivals[0].networks[i].perplexity, front.members[i].confirmed.perplexity);
  }
  for (const StudyStep& each : study.rivals[1].networks)
    for (const Layer& layer : each.network.layers) EXPECT_EQ(layer, each.network.layers[0]);
  const StudyStep& base = study.machines.back();
  for (std::size_t rival = 2; rival < 5; ++rival) {
    // All of the largest network is what its slice is, and nothing is left to tune.
    const StudyStep& whole = study.rivals[rival].networks.back();
    EXPECT_EQ(whole.network, base.network);
    EXPECT_EQ(whole.edp(), base.edp());
    EXPECT_NEAR(whole.perplexity, base.perplexity, 1e-3 * base.perplexity);
    EXPECT_NEAR(whole.perplexity_int8, base.perplexity_int8, 1e-3 * base.perplexity);
    // The same weights give the same networks.
    EXPECT_EQ(to_json(study)["rivals"][rival]["networks"],
              to_json(study)["rivals"][rival + 3]["networks"]);
  }
  const Json json = to_json(study);
  EXPECT_EQ(to_json(study_from_json(JsonNode(json, "study.json"))), json);
}

// Of every choice the nearest network of every way, trained on as finetune() does it.
void StudyTest::expect_trained(const Study& study, const supernet::TrainingConfig& training) {
  ASSERT_GT(study.trained.size(), 4u);
  EXPECT_EQ(study.trained_steps, training.steps);
  EXPECT_EQ(study.trained[0].rival, "largest");
  EXPECT_EQ(study.trained[0].step.network, study.machines.back().network);
  int alone = 0;
  for (std::size_t i = 1; i < study.trained.size(); ++i) {
    const StudyTrained& each = study.trained[i];
    SCOPED_TRACE(each.rival + " " + each.budget);
    const auto choice = std::ranges::find(study.choices, each.budget, &StudyChoice::budget);
    const auto rival = std::ranges::find(study.rivals, each.rival, &StudyRival::name);
    ASSERT_NE(choice, study.choices.end());
    ASSERT_NE(rival, study.rivals.end());
    const auto off = [&](double edp) { return std::abs(std::log(edp / choice->step.edp())); };
    const StudyStep* before = nullptr;
    for (const StudyStep& step : rival->networks) {
      EXPECT_GE(off(step.edp()), off(each.step.edp()));
      if (step.network == each.step.network) before = &step;
    }
    ASSERT_NE(before, nullptr);
    EXPECT_NEAR(each.before, before->counted(), 0.02 * each.before);  // int8 of other sequences
    EXPECT_NE(each.step.counted(), each.before);
    if (rival != study.rivals.begin() || alone > 0) continue;
    Candidate network;
    network.id = architecture_id(each.step.network);
    network.architecture = each.step.network;
    const FinetuneFiles files(box_ / (std::to_string(++alone) + ".safetensors"));
    const FinetuneResult expected = finetune(
        run_.folder, run_.proxy, {network, training, supernet::Arithmetic::fp32, files}, {});
    EXPECT_EQ(each.step.perplexity, std::exp(expected.after.whole));
  }
  EXPECT_GT(alone, 0);
}

// One study, which takes a while, for all that it says.
TEST_F(StudyTest, SaysWhatEveryStepAndTheSearchAreWorth) {
  const std::vector<float> alone =
      extract(run_.proxy.layout(), run_.proxy.weights(),
              supernet::ParameterLayout(run_.proxy.space().largest(), run_.proxy.context()));
  const FinalFront front =
      confirm_front(run_.folder, run_.proxy, evaluator_.losses(), predictor_, archive_, {});
  const StudyOptions options{alone, finetune_config(run_.proxy.training(), 4, 0)};
  const Study study = make_study(run_.folder, run_.proxy, evaluator_, archive_, front, options);
  expect_machines(study);
  expect_choices(study, front);
  expect_rivals(study, front);
  expect_trained(study, *options.train_on);
}

// A network that no search has seen is scored now.
TEST_F(StudyTest, ConfirmsALargestNetworkThatTheSearchHasNotSeen) {
  Archive without(archive_.objectives(), archive_.limits());
  const std::uint64_t largest = architecture_id(run_.proxy.space().largest());
  for (const Candidate& each : archive_.candidates())
    if (each.id != largest) without.add(each);
  const Architecture network[] = {run_.proxy.space().largest()};
  const auto seen = confirmed_objectives(run_.folder, run_.proxy, evaluator_.losses(), predictor_,
                                         archive_, network);
  const auto unseen = confirmed_objectives(run_.folder, run_.proxy, evaluator_.losses(), predictor_,
                                           without, network);
  EXPECT_EQ(seen, unseen);
}

TEST_F(StudyTest, RefusesAFrontThatIsNotConfirmed) {
  try {
    make_study(run_.folder, run_.proxy, evaluator_, archive_, predicted_front(archive_));
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("not confirmed yet"));
  }
}

StudyStep network_of(double perplexity, double edp) {
  return {"d", "what", {16, 16, 0, {{1, 32}}}, perplexity, 0, edp, edp / 2, 1};
}

TEST(StudyMargin, IsOfTheRivalsFrontAtEqualProducts) {
  const StudyRival first{"first", {network_of(20, 100), network_of(10, 200), network_of(8, 400)}};
  const StudyRival rival{"rival",
                         {network_of(30, 50),    // the first has nothing so cheap
                          network_of(22, 150),   // 10 % above 20
                          network_of(25, 180),   // dominated by the one before
                          network_of(12, 200),   // 20 % above 10
                          network_of(9, 399)}};  // 10 % below 10
  const StudyMargin found = margin(first, rival);
  EXPECT_EQ(found.networks, 3u);
  EXPECT_EQ(found.above, 2u);
  EXPECT_EQ(found.same, 0u);
  EXPECT_EQ(margin(first, first).same, 3u);
  EXPECT_NEAR(found.mean, (0.1 + 0.2 - 0.1) / 3, 1e-12);
  EXPECT_NEAR(found.least, -0.1, 1e-12);
  EXPECT_NEAR(found.most, 0.2, 1e-12);
  EXPECT_EQ(best_at(first, 99), nullptr);
  EXPECT_EQ(best_at(first, 250)->perplexity, 10);
  EXPECT_EQ(cheapest_within(first, 15)->edp(), 200);
  EXPECT_EQ(cheapest_within(first, 7), nullptr);
}

// Factors of 10 and 2 in latency, 4 and 1 in energy; e is 1.25 and 2 better.
TEST(StudyReport, MultipliesTheStepsOut) {
  const auto step = [](const char* name, double latency, double energy) {
    return StudyStep{name, "what", {16, 16, 0, {{1, 32}}}, 20, 20.5, latency, latency / 2, energy};
  };
  const Study study{{step("a", 8000, 400e6), step("b", 8000, 400e6), step("c", 800, 100e6),
                     step("d", 400, 100e6)},
                    {{"+0.1", 20.6, step("e", 320, 50e6)}},
                    {{"evolution", {network_of(20.2, 100 * 100e6), network_of(20.55, 80 * 50e6)}},
                     {"uniform", {network_of(21, 200 * 100e6)}}},
                    875,
                    {{"largest", "", 20.5, network_of(19, 400 * 100e6)},
                     {"evolution", "+0.1", 20.6, network_of(19.25, 320 * 50e6)},
                     {"uniform", "+0.1", 20.8, network_of(19.75, 200 * 100e6)},
                     {"fisher, tuned", "+0.1", 20.7, network_of(19.5, 200 * 100e6)},
                     {"evolution", "+1", 21.5, network_of(20.25, 100 * 100e6)}}};
  const std::string table = study_table(study);
  EXPECT_THAT(table, HasSubstr("10x"));            // latency of c
  EXPECT_THAT(table, HasSubstr("40x"));            // EDP of c
  EXPECT_THAT(table, HasSubstr("2.5x"));           // EDP of e over d
  EXPECT_THAT(table, HasSubstr("200x"));           // a over e
  EXPECT_THAT(table, HasSubstr("2.24x"));          // published
  EXPECT_THAT(table, HasSubstr("50.0x at +0.1"));  // 8000 / 400 x 2.5
  EXPECT_THAT(table, HasSubstr("largest network by +0.250 at 200.0x (+0.1), +1.250 at 320.0x"));
  const std::string markdown = study_markdown(study);
  EXPECT_EQ(std::count(markdown.begin(), markdown.end(), '|'), 7 * 12 + 4 * 11 + 5 * 5);
  EXPECT_THAT(markdown,
              HasSubstr("| evolution | 20.500 to 19.000 | 20.600 to 19.250, 2.5x | 21.500 to "));
  EXPECT_THAT(markdown, HasSubstr("| fisher |  | 20.700 to 19.500, 2x |  |"));
  EXPECT_THAT(markdown, HasSubstr("50.0x at +0.1"));
  EXPECT_THAT(markdown, HasSubstr("| evolution | 2 | 20.200 |"));
  EXPECT_THAT(markdown, HasSubstr("| 20.550 | 10x |"));  // d / 8; within 20.6, of d's 4e10
  EXPECT_THAT(markdown, HasSubstr("| uniform | 1 | 21.000 | 21.000 | 21.000 | - |"));
  EXPECT_THAT(table, HasSubstr("uniform: perplexity +3.96 % above that of evolution at equal EDP"));
  const std::string picture = study_svg(study, "a < b");
  expect_well_formed(picture);
  EXPECT_THAT(picture, HasSubstr(">2.5x<"));
  const Json json = to_json(study);
  EXPECT_EQ(json["machines"][2]["edp"], 800 * 100e6);
  EXPECT_EQ(json["choices"][0]["most_perplexity"], 20.6);
}

}  // namespace
}  // namespace paretoformer::nas
